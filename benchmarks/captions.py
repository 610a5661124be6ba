"""17,505 captions against the way of the official program, and METEOR in Python against its Java program, in one run.

The submission tells every event of val_1: the published caption of a system, and where it has none (434 videos had left
the web) one of its other captions. Ours is a process of its own: Python starts, reads both files and computes BLEU,
METEOR, ROUGE-L and CIDEr at four thresholds. METEOR's pairs a second, its start and its memory are measured beside, the
start and the memory in processes of their own whose cache folder is warm.

The official program, in its state of 2018, starts the Java tokenizer twice for each threshold, walks over the videos
and gives each video's pairs to its scorers; METEOR's asks its Java program pair by pair (write a line, wait for the
answer) and then has it add them up with an EVAL line, so that every pair is scored once for each threshold and once
more for its sum. It is run here through pycocoevalcap's own classes on every fourth video; what that takes beyond the
start of the program is scaled by the number of pairs, and the tokenizer's two runs over all pairs of the threshold 0.5
count four times. CPU seconds with those of the Java programs, starts included on both sides; the wall clock, which
other work on the machine sways, stands in the notes.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Row, at_least, at_most, cpu_seconds, wall_seconds
from untrimmed.columns import Sentences
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate import captioning
from untrimmed.evaluate.dense_pairs import pair
from untrimmed.evaluate.text import java, meteor_python
from untrimmed.evaluate.tokens import tokenize

FOLDER = Path(__file__).parent.parent.parent / "shared" / "data" / "activitynet_captions"
TRUTH, SAID = FOLDER / "val_1.json.gz", FOLDER / "predictions" / "bmt_gtprops_val_1.json.gz"
SHARE = 4
"""Every fourth video goes through the official way."""

PAIRS = 8000
"""Different pairs for the rates."""

_FIRST_SCORE = """
from untrimmed.evaluate.text import backends
backends.shared().score("the cat was sat on the mat", ["the cat sat on the mat"])
"""

_MEMORY = """
import resource, sys
from untrimmed.evaluate.text import meteor_python
pairs = [tuple(line.rstrip("\\n").split("\\t")) for line in sys.stdin]
meteor_python.statistics(pairs)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

_END_TO_END = """
import resource, sys
from pathlib import Path
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate import captioning
truth = raw.to_references(captions.read(Path(sys.argv[1])))
found = captioning.evaluate(truth, submissions.read_captions(Path(sys.argv[2])), scorers=sys.argv[3].split("+"))
print(found.captions, found.average("METEOR"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run() -> list[Row]:
    """Measure, or say that the material is absent."""
    if not FOLDER.exists():
        return [Row(what="captions", value=float("nan"), note="needs shared/data/activitynet_captions")]
    truth = raw.to_references(captions.read(TRUTH))[0]
    _python(_FIRST_SCORE)  # the cache folders are warm
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.json"
        path.write_text(json.dumps(_whole_submission(truth)))
        predictions = submissions.read_captions(path)
        official = _Official(truth, predictions)
        return [*_evaluation(official, path), *_meteor(official)]


def _whole_submission(truth: Sentences) -> dict[str, object]:
    """A published caption for every event, its own where there is one."""
    said = submissions.read_captions(SAID)
    rows = zip(said.video.tolist(), said.segments.round(2).tolist(), said.sentences, strict=True)
    own = {(said.video_ids[video], start, end): text for video, (start, end), text in rows}
    results: dict[str, list[dict[str, object]]] = {}
    for place, (video, segment) in enumerate(zip(truth.video.tolist(), truth.segments.tolist(), strict=True)):
        name = truth.video_ids[video]
        text = own.get((name, *segment), said.sentences[place % len(said)])
        results.setdefault(name, []).append({"sentence": text, "timestamp": segment})
    return {"version": "VERSION 1.0", "external_data": {}, "results": results}


@dataclass(frozen=True, kw_only=True)
class _Spent:
    cpu: float
    wall: float


def _spend(call: Callable[[], object]) -> _Spent:
    with wall_seconds() as wall:
        cpu = cpu_seconds(call)
    return _Spent(cpu=cpu, wall=wall[0])


def _evaluation(official: "_Official", path: Path) -> list[Row]:
    rows: list[Row] = []
    printed = ""

    def end_to_end(scorers: Sequence[str]) -> None:
        nonlocal printed
        printed = _python(_END_TO_END, words=(str(TRUTH), str(path), "+".join(scorers)))

    for scorers in (captioning.SCORERS, ("METEOR",)):
        ours, theirs = _spend(lambda scorers=scorers: end_to_end(scorers)), official.whole(scorers)  # type: ignore[misc]
        count, meteor, memory = printed.split()
        note = (
            f"{count} captions, METEOR {100 * float(meteor):.4f}; {ours.cpu:.1f} s of {theirs.cpu:.0f} s, wall clock "
        )
        note += f"{ours.wall:.1f} s of {theirs.wall:.0f} s; {float(memory):.0f} MB"
        rows.append(at_most(f"{', '.join(scorers)}, ours / official way", ours.cpu / theirs.cpu, 0.2, note=note))
    share = f"two runs for each tIoU; the scorers' part is from {official.scored} of {official.every} pairs"
    return [*rows, Row(what="official way, its tokenizer", value=official.words.cpu, unit="s", note=share)]


def _meteor(official: "_Official") -> list[Row]:
    pairs = official.different(2 * PAIRS)
    begin = _spend(lambda: official.lock_step([]))
    half, both = (_spend(lambda some=some: official.lock_step(some)) for some in (pairs[:PAIRS], pairs))  # type: ignore[misc]
    ours = _spend(lambda: meteor_python.statistics(pairs[PAIRS:]))
    rate, warm = PAIRS / ours.cpu, PAIRS / (both.cpu - half.cpu)
    note = f"pairs {PAIRS} to {2 * PAIRS}, both warm, CPU seconds: {rate:.0f} and {warm:.0f} a second; wall clock: "
    note += f"{PAIRS / ours.wall:.0f} and (of all {2 * PAIRS}) {2 * PAIRS / (both.wall - begin.wall):.0f}"
    starts = [_spend(lambda: _python(_FIRST_SCORE)) for _ in range(5)]
    first, wait = min(one.cpu for one in starts), min(one.wall for one in starts)
    numba = cpu_seconds(lambda: _python("import numba"), repeat=5)
    every = official.different(None)
    memory = float(_python(_MEMORY, given="".join(f"{said}\t{given}\n" for said, given in every)))
    start = f"warm cache, wall clock, least of 5, with Python's start; {first:.2f} CPU seconds, of which importing "
    start += f"numba takes {numba:.2f}"
    return [
        at_least("METEOR pairs/s, ours / Java in lock-step", rate / warm, 1.0, note=note),
        at_most("METEOR, start to the first score", wait, 1.0, unit="s", note=start),
        at_most("METEOR, the same / Java's", first / begin.cpu, 1.0, note=f"{begin.cpu:.1f} CPU seconds"),
        at_most("METEOR, memory", memory, 500, unit="MB", note=f"of a process that scores {len(every)} pairs"),
        at_most("METEOR, the same / Java's", memory / official.memory, 1.0, note=f"{official.memory:.0f} MB"),
    ]


def _python(program: str, *, given: str = "", words: Sequence[str] = ()) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *words], input=given, capture_output=True, text=True, check=True
    ).stdout


class _Official:
    """The way of the official program, on some of the videos."""

    def __init__(self, truth: Sentences, predictions: Sentences) -> None:
        self.pairs = pair([truth], predictions, tious=captioning.TIOUS)
        self.said = [" ".join(tokens) for tokens in tokenize(predictions.sentences)]
        self.given = [" ".join(tokens) for tokens in tokenize(truth.sentences)]
        self.every = sum(int((self.pairs.tiou >= tiou).sum()) for tiou in captioning.TIOUS.tolist())
        self.raw = (predictions, truth)
        self.scored, self.memory = 0, 0.0
        if shutil.which("java") is None:
            os.environ["PATH"] += os.pathsep + str(Path(java.find_java()).parent)
        once = _spend(self.tokenize)
        times = len(captioning.TIOUS)
        self.words = _Spent(cpu=times * once.cpu, wall=times * once.wall)

    def whole(self, scorers: Sequence[str]) -> _Spent:
        """What all videos would take: some videos beyond the start of METEOR, scaled, with the tokenizer's runs."""
        start, part = (_spend(lambda step=step: self.score(step, scorers)) for step in (0, SHARE))  # type: ignore[misc]
        scale = self.every / self.scored
        return _Spent(
            cpu=self.words.cpu + start.cpu + (part.cpu - start.cpu) * scale,
            wall=self.words.wall + start.wall + (part.wall - start.wall) * scale,
        )

    def tokenize(self) -> None:
        """Send the pairs of one threshold (0.5) through the Java tokenizer."""
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

        near = np.flatnonzero(self.pairs.tiou >= captioning.TIOUS[1]).tolist()
        said = {i: [{"caption": self.raw[0].sentences[self.pairs.captions[self.pairs.caption[i]]]}] for i in near}
        given = {i: [{"caption": self.raw[1].sentences[self.pairs.reference[i]]}] for i in near}
        for table in (said, given):
            PTBTokenizer().tokenize(table)

    def different(self, size: int | None) -> list[tuple[str, str]]:
        """The first different pairs of sentences that meet the lowest threshold."""
        near = np.flatnonzero(self.pairs.tiou >= captioning.TIOUS[0]).tolist()
        pairs = (
            (self.said[self.pairs.captions[self.pairs.caption[i]]], self.given[self.pairs.reference[i]]) for i in near
        )
        return list(dict.fromkeys(pairs))[:size]

    def lock_step(self, pairs: list[tuple[str, str]]) -> None:
        """Start METEOR's program and ask for the statistics of pairs, one by one."""
        program = _begin()
        for said, given in pairs:
            program._stat(said, [given])
        status = Path(f"/proc/{program.meteor_p.pid}/status").read_text()
        self.memory = int(status.split("VmHWM:")[1].split()[0]) / 1024
        _end(program)

    def score(self, step: int, scorers: Sequence[str]) -> None:
        """Start METEOR's program and score every so many-th video; 0 for none."""
        from pycocoevalcap.bleu import bleu
        from pycocoevalcap.cider import cider
        from pycocoevalcap.rouge import rouge

        program = _begin()
        every = {"Bleu": bleu.Bleu(4), "METEOR": program, "ROUGE_L": rouge.Rouge(), "CIDEr": cider.Cider()}
        pairs, self.scored = self.pairs, 0
        video = pairs.caption_video[pairs.caption]
        for tiou in captioning.TIOUS.tolist() if step else []:
            near = pairs.tiou >= tiou
            for number in range(0, len(pairs.video_ids), step):
                own = np.flatnonzero((video == number) & near).tolist()
                if not own:
                    continue
                references = {i: [self.given[pairs.reference[i]]] for i in own}
                hypotheses = {i: [self.said[pairs.captions[pairs.caption[i]]]] for i in own}
                with contextlib.redirect_stdout(io.StringIO()):
                    for name in scorers:
                        every[name].compute_score(references, hypotheses)
                self.scored += len(own)
        _end(program)


def _begin() -> Any:
    from pycocoevalcap.meteor import meteor

    program = meteor.Meteor()
    program.compute_score({0: ["a man"]}, {0: ["a man"]})
    return program


def _end(program: Any) -> None:
    program.meteor_p.kill()
    program.meteor_p.wait()

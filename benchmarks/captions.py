"""METEOR of 15,921 captions at four thresholds against the way of the official program, in one run.

Ours is METEOR in Python. Its pairs a second, its start and its memory are measured beside, the start and the memory in
a process of their own whose cache folder is warm.

The official program walks over videos and thresholds and gives each video's pairs to the METEOR program one by one
(write a line, wait for its answer), then has it add them up with an EVAL line, so that every pair is scored once for
each threshold and once more for its sum. It is run here through pycocoevalcap's own class on every fourth video; what
that takes beyond the start of the program is scaled by the number of pairs. The official program also starts the Java
tokenizer twice for each threshold, which is left out here, to its advantage. CPU seconds with those of the Java
programs, starts included on both sides.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_least, at_most, cpu_seconds
from untrimmed.columns import Sentences
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate import captioning
from untrimmed.evaluate.dense_pairs import pair
from untrimmed.evaluate.text import java, meteor_python
from untrimmed.evaluate.tokens import tokenize

FOLDER = Path(__file__).parent.parent.parent / "shared" / "data" / "activitynet_captions"
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


def run() -> list[Row]:
    """Measure, or say that the material is absent."""
    if not FOLDER.exists():
        return [Row(what="captions", value=float("nan"), note="needs shared/data/activitynet_captions")]
    truth = raw.to_references(captions.read(FOLDER / "val_1.json.gz"))
    predictions = submissions.read_captions(FOLDER / "predictions" / "bmt_gtprops_val_1.json.gz")
    figures: list[float] = []

    def score(rules: str) -> None:
        found = captioning.evaluate(truth, predictions, scorers=("METEOR",), rules=rules)
        figures.append(100 * found.average("METEOR"))

    meteor_python.statistics([("a man", "a dog")])  # the cache folder is warm
    ours = cpu_seconds(lambda: score("2018-05"))
    again = cpu_seconds(lambda: score("2019-06"))
    others = cpu_seconds(lambda: captioning.evaluate(truth, predictions, scorers=("Bleu", "ROUGE_L", "CIDEr")))
    words = cpu_seconds(lambda: tokenize(predictions.sentences))
    official = _Official(truth[0], predictions)
    start = cpu_seconds(lambda: official.score(0))
    part = cpu_seconds(lambda: official.score(SHARE))
    words_there = len(captioning.TIOUS) * cpu_seconds(official.tokenize)
    whole = words_there + start + (part - start) * official.every / official.scored
    pairs = official.different(PAIRS)
    lock_step = PAIRS / (cpu_seconds(lambda: official.lock_step(pairs)) - start)
    rate = PAIRS / cpu_seconds(lambda: meteor_python.statistics(pairs), repeat=3)
    begun = cpu_seconds(lambda: _python(_FIRST_SCORE), repeat=3)
    every = official.different(None)
    memory = float(_python(_MEMORY, "".join(f"{said}\t{given}\n" for said, given in every)))
    note = f"{len(predictions)} captions, METEOR {figures[0]:.4f}; ours {ours:.1f} s"
    return [
        at_most("METEOR at four tIoU, ours / official way", ours / whole, 0.2, note=note),
        at_least(
            "METEOR pairs/s, ours / Java in lock-step",
            rate / lock_step,
            1.0,
            note=f"{PAIRS} pairs, CPU seconds; {rate:.0f} and {lock_step:.0f} a second",
        ),
        at_most("METEOR, start to the first score", begun, 1.0, unit="s", note="warm cache, Python's start included"),
        at_most("METEOR, memory", memory, 500, unit="MB", note=f"of a process that scores {len(every)} pairs"),
        Row(what="official way", value=whole, unit="s", note=f"from {official.scored} of {official.every} pairs"),
        Row(what="of which its tokenizer", value=words_there, unit="s"),
        Row(what="another rule set", value=again, unit="s", note="every pair is known"),
        Row(what="BLEU, ROUGE-L, CIDEr", value=others, unit="s", note="four tIoU, tokens and pairs included"),
        Row(what="tokens", value=words, unit="s", note=f"{len(predictions)} sentences"),
    ]


def _python(program: str, given: str = "") -> str:
    return subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, text=True, check=True
    ).stdout


class _Official:
    """The way of the official program, on some of the videos."""

    def __init__(self, truth: Sentences, predictions: Sentences) -> None:
        self.pairs = pair([truth], predictions, tious=captioning.TIOUS)
        self.said = [" ".join(tokens) for tokens in tokenize(predictions.sentences)]
        self.given = [" ".join(tokens) for tokens in tokenize(truth.sentences)]
        self.every = sum(int((self.pairs.tiou >= tiou).sum()) for tiou in captioning.TIOUS.tolist())
        self.raw = (predictions, truth)
        self.scored = 0
        if shutil.which("java") is None:
            os.environ["PATH"] += os.pathsep + str(Path(java.find_java()).parent)

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
        """Start the program and ask for the statistics of pairs, one by one."""
        from pycocoevalcap.meteor import meteor

        program = meteor.Meteor()
        program.compute_score({0: ["a man"]}, {0: ["a man"]})
        for said, given in pairs:
            program._stat(said, [given])
        program.meteor_p.kill()
        program.meteor_p.wait()

    def score(self, step: int) -> None:
        """Start the program and score every so many-th video; 0 for none."""
        from pycocoevalcap.meteor import meteor

        program = meteor.Meteor()
        program.compute_score({0: ["a man"]}, {0: ["a man"]})
        pairs = self.pairs
        video = pairs.caption_video[pairs.caption]
        for tiou in captioning.TIOUS.tolist() if step else []:
            near = pairs.tiou >= tiou
            for number in range(0, len(pairs.video_ids), step):
                own = np.flatnonzero((video == number) & near).tolist()
                if own:
                    references = {i: [self.given[pairs.reference[i]]] for i in own}
                    program.compute_score(references, {i: [self.said[pairs.captions[pairs.caption[i]]]] for i in own})
                    self.scored += len(own)
        program.meteor_p.kill()
        program.meteor_p.wait()

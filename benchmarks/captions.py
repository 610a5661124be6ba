"""METEOR of 15,921 captions at four thresholds against the way of the official program, in one run.

The official program walks over videos and thresholds and gives each video's pairs to the METEOR program one by one
(write a line, wait for its answer), then has it add them up with an EVAL line, so that every pair is scored once for
each threshold and once more for its sum. It is timed here on a part of the videos, through pycocoevalcap's own class,
and scaled by the number of pairs; both sides run the same program on the same sentences, start-up left out on the
official side. Wall-clock time, since the work is done by another process.
"""

import time
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most
from untrimmed.columns import Sentences
from untrimmed.data import captions, raw, submissions
from untrimmed.evaluate import captioning
from untrimmed.evaluate.dense_pairs import pair
from untrimmed.evaluate.text import java
from untrimmed.evaluate.tokens import tokenize

FOLDER = Path(__file__).parent.parent.parent / "shared" / "data" / "activitynet_captions"
SHARE = 12
"""Every twelfth video goes through the official way."""


def run() -> list[Row]:
    """Measure, or say that the material is absent."""
    if not FOLDER.exists():
        return [Row(what="captions", value=float("nan"), note="needs shared/data/activitynet_captions")]
    truth = raw.to_references(captions.read(FOLDER / "val_1.json.gz"))
    predictions = submissions.read_captions(FOLDER / "predictions" / "bmt_gtprops_val_1.json.gz")

    start = time.perf_counter()
    tokenize(predictions.sentences)
    words = time.perf_counter() - start

    start = time.perf_counter()
    found = captioning.evaluate(truth, predictions, scorers=("METEOR",))
    ours = time.perf_counter() - start
    java.close()

    start = time.perf_counter()
    captioning.evaluate(truth, predictions, scorers=("METEOR",), rules="2019-06")
    again = time.perf_counter() - start

    start = time.perf_counter()
    captioning.evaluate(truth, predictions, scorers=("Bleu", "ROUGE_L", "CIDEr"))
    others = time.perf_counter() - start

    official, scored, every = _official(truth[0], predictions)
    note = f"{len(predictions)} captions, METEOR {100 * found.average('METEOR'):.4f}"
    return [
        at_most("METEOR at four tIoU, ours / official way", ours / official, 0.2, note=f"{note}; {ours:.1f} s"),
        Row(what="official way", value=official, unit="s", note=f"scaled from {scored} of {every} pairs"),
        Row(what="another rule set", value=again, unit="s", note="every pair is known"),
        Row(what="BLEU, ROUGE-L, CIDEr", value=others, unit="s", note="four tIoU, tokens and pairs included"),
        Row(what="tokens", value=words, unit="s", note=f"{len(predictions)} sentences"),
    ]


def _official(truth: Sentences, predictions: Sentences) -> tuple[float, int, int]:
    """Seconds of the official way for all pairs, the pairs it was timed on, and all of them."""
    import shutil

    from pycocoevalcap.meteor import meteor

    pairs = pair([truth], predictions, tious=captioning.TIOUS)
    said = [" ".join(tokens) for tokens in tokenize(predictions.sentences)]
    given = [" ".join(tokens) for tokens in tokenize(truth.sentences)]
    every = sum(int((pairs.tiou >= tiou).sum()) for tiou in captioning.TIOUS.tolist())
    if shutil.which("java") is None:
        import os

        os.environ["PATH"] += os.pathsep + str(Path(java.find_java()).parent)
    program = meteor.Meteor()
    program.compute_score({0: ["a man"]}, {0: ["a man"]})
    video = pairs.caption_video[pairs.caption]
    scored = 0
    start = time.perf_counter()
    for tiou in captioning.TIOUS.tolist():
        for number in range(0, len(pairs.video_ids), SHARE):
            own = np.flatnonzero((video == number) & (pairs.tiou >= tiou)).tolist()
            if own:
                references = {i: [given[pairs.reference[i]]] for i in own}
                program.compute_score(references, {i: [said[pairs.captions[pairs.caption[i]]]] for i in own})
                scored += len(own)
    spent = time.perf_counter() - start
    program.meteor_p.kill()
    return spent * every / scored, scored, every

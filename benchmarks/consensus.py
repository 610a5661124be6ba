"""The consensus among 300 sentences of ActivityNet Captions, in one run.

CIDEr-D of all pairs by sparse products, tokens given and n-grams counted on the way, against the loop over the
evaluator: one call for each hypothesis, with all documents as its references (of which it takes the first 2,000, so
that the loop ends). METEOR is asked of the best 40.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most, cpu_seconds
from untrimmed.caption.consensus import ConsensusConfig, consensus
from untrimmed.caption.likeness import CiderD
from untrimmed.data import captions, raw
from untrimmed.evaluate.text import cider, meteor_python
from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.meteor import scores
from untrimmed.evaluate.text.ngrams import NGrams
from untrimmed.evaluate.tokens import tokenize

FILE = Path(__file__).parent.parent.parent / "shared" / "data" / "activitynet_captions" / "train.json.gz"
CANDIDATES = 300
DOCUMENTS = 2000
LOOPED = 20
"""Hypotheses that the loop is run for."""


def meteor(pairs: list[tuple[str, str]]) -> np.ndarray:
    """METEOR of pairs, without a memory."""
    return scores(meteor_python.statistics(pairs))


def run() -> list[Row]:
    """Measure, or say that the material is absent."""
    if not FILE.exists():
        return [Row(what="consensus", value=float("nan"), note="needs shared/data/activitynet_captions/train.json.gz")]
    told = tokenize(raw.to_references(captions.read(FILE, subset="training"))[0].sentences)
    drawn = np.random.default_rng(0).choice(len(told), size=CANDIDATES, replace=False)
    candidates = [told[i] for i in drawn]
    made: list[CiderD] = []
    counted = cpu_seconds(lambda: made.append(CiderD.of(told)))
    every = made[0]
    pairs = cpu_seconds(lambda: every.all_pairs(candidates), repeat=5)
    config = ConsensusConfig()
    meteor([("a man", "a dog")])
    asked = cpu_seconds(lambda: consensus(candidates, cider=every, meteor=meteor, config=config), repeat=2)
    exact = replace(config, meteor_among=CANDIDATES)
    whole = cpu_seconds(lambda: consensus(candidates, cider=every, meteor=meteor, config=exact))

    documents = [told[i] for i in drawn] + told[: DOCUMENTS - CANDIDATES]
    few = CiderD.of(documents)
    ngrams = NGrams.of(documents)
    items = [Items.pairs(np.full(DOCUMENTS, i, dtype=np.int64), np.arange(DOCUMENTS)) for i in range(LOOPED)]
    looped: list[np.ndarray] = []
    loop = cpu_seconds(lambda: looped.extend(cider.scores(ngrams, one) for one in items))
    table: list[np.ndarray] = []
    ours = cpu_seconds(lambda: table.append(few.all_pairs(documents[:LOOPED], documents)))
    apart = float(np.abs(table[0] - np.stack(looped)).max())
    return [
        at_most("CIDEr-D, 300 x 300", 1000 * pairs, 50, unit="ms", note="CPU time, least of 5, counting included"),
        at_most("difference to the evaluator", apart, 1e-10, unit="", note=f"{LOOPED} x {DOCUMENTS} pairs"),
        Row(what="loop over the evaluator / ours", value=loop / ours, note=f"{loop:.2f} s and {ours:.3f} s"),
        Row(what="document frequencies", value=counted, unit="s", note=f"{len(told)} sentences, once"),
        Row(what="with METEOR among 40", value=asked, unit="s", note="CPU time of one event"),
        Row(what="with METEOR among 300", value=whole, unit="s", note="CPU time of one event"),
    ]

"""BLEU-1 to BLEU-4 as the caption scorers compute it: a corpus score from summed counts, without smoothing.

precision_n = (clipped matches + 1e-15) / (candidate n-grams + 1e-9)
BLEU-N = (product over n <= N of precision_n)^(1/N) * exp(1 - 1/ratio) if ratio < 1, where
ratio = (candidate length + 1e-15) / (reference length + 1e-9)

With several references an n-gram may match as often as in the reference that has it most, and the reference length is
the one closest to the candidate's (the shorter of two).

Source: Papineni et al., BLEU, ACL 2002; the tiny constants are those of coco-caption.
"""

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.ngrams import ORDERS, NGrams, find

COLUMNS = 2 * ORDERS + 2
"""Statistics of an item: matches and candidates of n = 1 to 4, candidate length, reference length."""

_TINY, _SMALL = 1e-15, 1e-9
_RUN = 50_000


def statistics(ngrams: NGrams, items: Items) -> Int64[np.ndarray, "items 10"]:
    """Counts of each item; the sum over items gives those of a corpus."""
    found = [_of(ngrams, part) for part in items.parts(_RUN)]
    return np.concatenate(found) if found else np.zeros((0, COLUMNS), dtype=np.int64)


def scores(sums: Int64[np.ndarray, "corpora 10"]) -> Float64[np.ndarray, "corpora 4"]:
    """BLEU-1 to BLEU-4 from summed statistics, in [0, 1] (0 within 1e-15 for a corpus without a candidate word)."""
    matches, candidates = sums[:, :ORDERS], sums[:, ORDERS : 2 * ORDERS]
    precision = (matches + _TINY) / (candidates + _SMALL)
    mean = np.cumprod(precision, axis=1) ** (1.0 / np.arange(1, ORDERS + 1))
    ratio = (sums[:, -2] + _TINY) / (sums[:, -1] + _SMALL)
    with np.errstate(over="ignore"):
        brevity = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1.0)), 1.0)
    return np.asarray(mean * brevity[:, None], dtype=np.float64)


def _of(ngrams: NGrams, items: Items) -> Int64[np.ndarray, "items 10"]:
    grams = max(len(ngrams.order), 1)
    owner, gram, count = ngrams.rows_of(items.reference)
    keys = items.item[owner] * grams + gram
    order = np.argsort(keys, kind="stable")
    distinct, begin = np.unique(keys[order], return_index=True)
    most = np.maximum.reduceat(count[order], begin) if len(begin) else count
    owner, gram, count = ngrams.rows_of(items.hypothesis)
    place = find(distinct, owner * grams + gram)
    clipped = np.where(place >= 0, np.minimum(count, most[place]) if len(most) else 0, 0)
    table = np.zeros((len(items), COLUMNS), dtype=np.int64)
    cell = owner * ORDERS + ngrams.order[gram]
    size = len(items) * ORDERS
    table[:, :ORDERS] = np.bincount(cell, weights=clipped, minlength=size).reshape(-1, ORDERS)
    table[:, ORDERS : 2 * ORDERS] = np.bincount(cell, weights=count, minlength=size).reshape(-1, ORDERS)
    table[:, -2] = ngrams.lengths[items.hypothesis]
    table[:, -1] = _closest(ngrams.lengths[items.reference], items, table[:, -2])
    return table


def _closest(
    lengths: Int64[np.ndarray, " references"], items: Items, wanted: Int64[np.ndarray, " items"]
) -> Int64[np.ndarray, " items"]:
    order = np.lexsort((lengths, np.abs(lengths - wanted[items.item]), items.item))
    return lengths[order][items.first]

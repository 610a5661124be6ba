"""CIDEr-D: how alike the tf-idf weighted n-grams of a sentence and its references are.

For n = 1 to 4 a sentence is a vector g of count * idf, with idf = log(items) - log(max(1, df)) and df the number of
items of the corpus in whose references the n-gram occurs. A candidate c scores against a reference r
    10 * mean over n of [sum min(g_c, g_r) * g_r / (|g_c| |g_r|)] * exp(-d^2 / (2 * 6^2))
where d is the difference in the number of bigrams. Mean over references, then over items. A corpus of a single item has
idf 0 everywhere, so it scores 0.

Source: Vedantam et al., CIDEr, CVPR 2015, section 4 and 5 (CIDEr-D); coco-caption.
"""

import numpy as np
from jaxtyping import Float64, Int64

from untrimmed.evaluate.text.items import Items
from untrimmed.evaluate.text.ngrams import ORDERS, NGrams, find

SIGMA = 6.0


def scores(
    ngrams: NGrams,
    items: Items,
    *,
    corpus: Int64[np.ndarray, " items"] | None = None,
    sizes: Int64[np.ndarray, " corpora"] | None = None,
) -> Float64[np.ndarray, " items"]:
    """CIDEr-D of each item, in [0, 10].

    Args:
        ngrams: of all sentences.
        items: what is compared.
        corpus: for each item its corpus, from 0; document frequencies are counted within. None: one corpus.
        sizes: items of each corpus where it has more than are given here (items that match nothing score 0 and have no
            n-gram in common with any other). None: those given.
    """
    if corpus is None:
        corpus = np.zeros(len(items), dtype=np.int64)
    if sizes is None:
        sizes = np.bincount(corpus, minlength=1).astype(np.int64)
    grams = max(len(ngrams.order), 1)
    log_size = np.log(np.maximum(sizes, 1))

    reference, gram, count = ngrams.rows_of(items.reference)
    documents = np.unique(items.item[reference] * grams + gram)
    known, frequency = np.unique(corpus[documents // grams] * grams + documents % grams, return_counts=True)

    def weights(
        owner_corpus: Int64[np.ndarray, " rows"], gram: Int64[np.ndarray, " rows"], count: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, " rows"]:
        place = find(known, owner_corpus * grams + gram)
        df = np.where(place >= 0, frequency[place], 1) if len(known) else np.ones(len(gram))
        return np.asarray(count * (log_size[owner_corpus] - np.log(df)), dtype=np.float64)

    given = weights(corpus[items.item[reference]], gram, count)
    keys = reference * grams + gram
    cells = len(items.reference) * ORDERS
    norm_given = np.sqrt(np.bincount(reference * ORDERS + ngrams.order[gram], weights=given**2, minlength=cells))

    candidate, gram, count = ngrams.rows_of(items.hypothesis[items.item])  # once for each of its references
    said = weights(corpus[items.item[candidate]], gram, count)
    cell = candidate * ORDERS + ngrams.order[gram]
    norm_said = np.sqrt(np.bincount(cell, weights=said**2, minlength=cells))
    place = find(keys, candidate * grams + gram)
    shared = np.where(place >= 0, given[place], 0.0) if len(keys) else np.zeros(len(said))
    likeness = np.bincount(cell, weights=np.minimum(said, shared) * shared, minlength=cells)
    over = norm_said * norm_given
    likeness = np.divide(likeness, over, out=np.zeros(cells), where=over > 0).reshape(-1, ORDERS)

    bigrams = np.maximum(ngrams.lengths - 1, 0)
    apart = bigrams[items.hypothesis[items.item]] - bigrams[items.reference]
    each = likeness.mean(axis=1) * np.exp(-(apart**2) / (2 * SIGMA**2)) * 10.0
    total = np.bincount(items.item, weights=each, minlength=len(items))
    return total / np.maximum(np.bincount(items.item, minlength=len(items)), 1)

"""What METEOR knows of words: their stems, whether they are function words, which of them are synonyms.

Two words are synonyms if they share a synset of WordNet. A word has its own synsets and those of its base forms: what
the list of irregular forms says, or, if the word is not on it, the first of twenty changes of its ending that gives a
listed word (words of one or two letters and words in -ss are left alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int64, UInt64

from untrimmed.evaluate.text import meteor_index_kernels as kernels
from untrimmed.evaluate.text.meteor_index import Index, keys_of
from untrimmed.evaluate.text.snowball import stem

_ENDINGS = tuple(
    (old, new.strip("-"))
    for old, new in (
        pair.split(":")
        for pair in [
            "s:-",
            "ses:s",
            "xes:x",
            "zes:z",
            "ches:ch",
            "shes:sh",
            "men:man",
            "ies:y",
            "s:-",
            "ies:y",
            "es:e",
            "es:-",
            "ed:e",
            "ed:-",
            "ing:e",
            "ing:-",
            "er:-",
            "est:-",
            "er:e",
            "est:e",
        ]
    )
)
"""WordNet's rules for nouns, verbs and adjectives."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Words:
    """Distinct words by number.

    Attributes:
        keys: of the words, as the index has them.
        known: whether the paraphrase table has the word.
        function: whether it is a function word.
        stems: a number for its stem.
        synonym_starts: for each word where its synonyms begin, and the end.
        synonyms: numbers of words, rising for each word.
    """

    keys: UInt64[np.ndarray, " words"]
    known: Bool[np.ndarray, " words"]
    function: Bool[np.ndarray, " words"]
    stems: Int64[np.ndarray, " words"]
    synonym_starts: Int64[np.ndarray, " words_and_end"]
    synonyms: Int64[np.ndarray, " synonyms"]

    @staticmethod
    def of(words: Sequence[str], index: Index) -> "Words":
        """What METEOR knows of these distinct words, small letters."""
        keys = keys_of(list(words))
        number: dict[str, int] = {}
        starts, synonyms = _synonyms(words, keys, index)
        return Words(
            keys=keys,
            known=kernels.places(index.table_words, keys) >= 0,
            function=np.array([word in index.function_words for word in words], dtype=bool),
            stems=np.array([number.setdefault(_stem(word), len(number)) for word in words], dtype=np.int64),
            synonym_starts=starts,
            synonyms=synonyms,
        )


_stem = lru_cache(maxsize=1 << 16)(stem)


def _synonyms(
    words: Sequence[str], keys: UInt64[np.ndarray, " words"], index: Index
) -> tuple[Int64[np.ndarray, " words_and_end"], Int64[np.ndarray, " synonyms"]]:
    owner, place = _entries(words, keys, index)
    sizes = index.synset_starts[place + 1] - index.synset_starts[place]
    member = np.repeat(owner, sizes)
    first = np.repeat(index.synset_starts[place] - np.cumsum(sizes) + sizes, sizes)
    synset = index.synsets[first + np.arange(len(member))]
    order = np.argsort(synset, kind="stable")
    member = member[order]
    pairs = kernels.pairs_inside(synset[order], member)
    codes = np.unique(pairs[:, 0] * max(len(words), 1) + pairs[:, 1])
    owner, other = np.divmod(codes, max(len(words), 1))
    return np.cumsum([0, *np.bincount(owner, minlength=len(words))]), other


def _entries(
    words: Sequence[str], keys: UInt64[np.ndarray, " words"], index: Index
) -> tuple[Int64[np.ndarray, " entries"], Int64[np.ndarray, " entries"]]:
    """For words the listed words whose synsets they have, as numbers of words and places in the list."""
    own = kernels.places(index.synset_words, keys).astype(np.int64)
    irregular = kernels.places(index.exceptions, keys)
    owners, places = [np.flatnonzero(own >= 0)], [own[own >= 0]]
    listed = np.flatnonzero(irregular >= 0)
    for word, row in zip(listed.tolist(), irregular[listed].tolist(), strict=True):
        bases = index.bases[index.base_starts[row] : index.base_starts[row + 1]]
        bases = bases[bases >= 0].astype(np.int64)
        owners.append(np.full(len(bases), word))
        places.append(bases)
    tried = [
        (number, word.removesuffix(old) + new)
        for number, word in enumerate(words)
        if irregular[number] < 0 and len(word) > 2 and not word.endswith("ss")
        for old, new in _ENDINGS
        if word.endswith(old)
    ]
    base = kernels.places(index.synset_words, keys_of([form for _, form in tried]))
    number, first = np.unique(np.array([one for one, _ in tried], dtype=np.int64)[base >= 0], return_index=True)
    places.append(base[base >= 0][first].astype(np.int64))
    return np.concatenate([*owners, number]), np.concatenate(places)

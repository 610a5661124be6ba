"""The nearest neighbour baseline against a search by hand."""

import numpy as np
import pytest

from untrimmed.classify.nearest import nearest_scores
from untrimmed.records import DataError


def test_the_best_class_is_that_of_the_row_with_the_least_angle() -> None:
    rng = np.random.default_rng(0)
    known, queries = rng.normal(size=(40, 6)) * [1, 1, 1, 1, 1, 1000], rng.normal(size=(15, 6)) * [1, 1, 1, 1, 1, 1000]
    labels = rng.integers(0, 4, 40)
    scores = nearest_scores(queries, known, labels=labels, classes=5)
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    for query, row in zip(queries, scores, strict=True):
        a = (query - mean) / deviation
        cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in (known - mean) / deviation]
        assert row.argmax() == labels[int(np.argmax(cosines))]
        assert row.max() == pytest.approx((max(cosines) + 1) / 2)
    assert (scores[:, 4] == 0).all()


def test_a_known_row_is_its_own_neighbour_whatever_the_units() -> None:
    rng = np.random.default_rng(1)
    known = rng.normal(size=(9, 3))
    scores = nearest_scores(known * 7 + 3, known * 7 + 3, labels=np.arange(9), classes=9)
    assert (scores.argmax(axis=1) == np.arange(9)).all()


def test_without_known_rows_there_is_no_neighbour() -> None:
    with pytest.raises(DataError, match="at least one known row"):
        nearest_scores(np.zeros((1, 2)), np.zeros((0, 2)), labels=np.zeros(0, np.int64), classes=2)

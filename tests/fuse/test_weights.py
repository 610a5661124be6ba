"""Late fusion by its laws."""

import numpy as np
import pytest

from untrimmed.fuse.weights import weighted_mean
from untrimmed.records import DataError


def test_it_is_the_mean_and_keeps_probabilities() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 5))
    assert np.allclose(weighted_mean(scores), scores.mean(0))
    fused = weighted_mean(scores, [1, 0.5, 2])
    assert np.allclose(fused, (scores[0] + 0.5 * scores[1] + 2 * scores[2]) / 3.5)
    assert np.allclose(fused.sum(-1), 1)
    assert np.allclose(weighted_mean(scores, [0, 1, 0]), scores[1])
    assert np.allclose(weighted_mean(scores, [2, 1, 4]), fused)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_words(weights: list[float]) -> None:
    with pytest.raises(DataError, match="late fusion needs a weight >= 0 for each of 2 streams, got"):
        weighted_mean(np.ones((2, 3)), weights)

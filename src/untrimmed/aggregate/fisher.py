"""Fisher vectors: which way a set of rows would move a mixture of Gaussians.

A set of any size becomes one vector of 2 * words * dims numbers, and a linear classifier of it is a good one.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from untrimmed.aggregate.mixture import Mixture, PosteriorSums
from untrimmed.aggregate.normalise import signed_power, unit_length
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class FisherRule:
    """How the gradients are made comparable; the defaults are the improved Fisher vector."""

    power: float = 0.5
    """Of each number, its sign kept: 0.5 in Perronnin et al. 2010 and Wang and Schmid 2013; 1 leaves the numbers."""
    unit: bool = True
    """Scale the vector to length 1 afterwards, as both do."""

    def __post_init__(self) -> None:
        if not 0 < self.power <= 1:
            raise DataError(f"power of a Fisher vector must be in (0, 1], got {self.power}")


IMPROVED = FisherRule()
RAW = FisherRule(power=1.0, unit=False)
"""The gradients as they are."""


class FisherSums:
    """A Fisher vector in the making: rows come in blocks, in any order, and memory stays what it is."""

    def __init__(self, mixture: Mixture, *, exact: bool = False) -> None:
        """Begin with no rows.

        Args:
            mixture: the words.
            exact: work in float64; for tests.
        """
        self.mixture = mixture
        self._sums = PosteriorSums(mixture, exact=exact)

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._sums.count

    def add(self, rows: Float[np.ndarray, "n dims"]) -> None:
        """Add some rows.

        Raises:
            DataError: when rows have another width than the mixture or are not finite.
        """
        self._sums.add(rows)

    def vector(self, rule: FisherRule = IMPROVED) -> Float[np.ndarray, " size"]:
        """The vector of all rows so far; zeros if there were none.

        With p(k | x) the share that word k takes of a row, w its weight, m its mean, s its standard deviation, and
        z = (x - m) / s, the raw vector holds for each word and number

            mean over rows of  p(k | x) z / sqrt(w)          all words, then
            mean over rows of  p(k | x) (z^2 - 1) / sqrt(2 w),

        that is the gradient of the mean of log p(x) by m and by s, times the inverse square root of the Fisher
        information.

        Args:
            rule: powers and length.

        Returns:
            2 * words * dims numbers, float32 (float64 where the sums are exact).

        Source: Sanchez et al., Image classification with the Fisher vector, IJCV 2013, eqs. 17, 18 and section 2.3;
        without the gradient by the weights, as Wang and Schmid, Action recognition with improved trajectories, ICCV
        2013, section 4.1.
        """
        sums = self._sums
        kind = np.float64 if sums.exact else np.float32
        if not sums.count:
            return np.zeros(2 * self.mixture.means.size, kind)
        held, means, deviations = sums.weights[:, None], sums.means, np.sqrt(sums.variances)
        weights = self.mixture.weights.astype(np.float64)[:, None]
        by_mean = (sums.firsts - held * means) / deviations / np.sqrt(weights)
        squares = (sums.seconds - 2 * means * sums.firsts + held * means**2) / sums.variances
        by_deviation = (squares - held) / np.sqrt(2 * weights)
        raw = np.concatenate([by_mean.ravel(), by_deviation.ravel()]) / sums.count
        powered = signed_power(raw, rule.power)
        return (unit_length(powered) if rule.unit else powered).astype(kind)


def fisher_vector(
    rows: Float[np.ndarray, "n dims"], mixture: Mixture, *, rule: FisherRule = IMPROVED, exact: bool = False
) -> Float[np.ndarray, " size"]:
    """The Fisher vector of some rows at once; see FisherSums.vector."""
    sums = FisherSums(mixture, exact=exact)
    sums.add(rows)
    return sums.vector(rule)

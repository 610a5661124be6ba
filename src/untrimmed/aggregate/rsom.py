"""Rectifying self-organising maps: rows in groups that lie on a grid, and which groups and rows are outliers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from untrimmed.records import DataError

AT_ONCE = 4096
"""Rows whose distances are taken together."""


@dataclass(frozen=True, kw_only=True)
class RsomConfig:
    """How a map is learnt. Report 14 gives the number of groups alone."""

    height: int = 5
    """Units of the grid from top to bottom; 5 x 5 are the 25 groups of report 14, section 2.1."""
    width: int = 5
    """Units from left to right."""
    ordering: int = 40
    """Passes over the rows in which a unit moves its neighbours too, from half the longer side of the grid down to
    itself alone."""
    settling: int = 20
    """Passes after that, in which every unit moves alone."""
    salient: float = 0.5
    """Excitement that a unit needs, as a share of the mean one; below it, it is an outlier. The value of the authors'
    released program."""
    kept_share: float = 0.95
    """Share of a unit's rows that lie within its reach; farther ones are outliers. The released program's value."""
    rows: int = 20_000
    """Rows that it learns from at most, drawn at random."""
    seed: int = 0
    """Of the draw and of the rows at which units begin."""

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.settling) < 1 or self.ordering < 0 or self.rows < self.groups:
            raise DataError(f"a map needs height, width, settling >= 1, ordering >= 0 and rows for all, got {self}")
        if not self.salient >= 0 or not 0 < self.kept_share <= 1:
            got = f"{self.salient} and {self.kept_share}"
            raise DataError(f"outliers of a map need salient >= 0 and kept_share in (0, 1], got {got}")

    @property
    def groups(self) -> int:
        """Units of the grid."""
        return self.height * self.width


@dataclass(frozen=True, eq=False)
class Rsom:
    """A map that was learnt.

    Attributes:
        units: a row for each group, line by line of the grid.
        excitement: how much a unit was hit, late passes counting more; 1 on average.
        salient: which groups are none of outliers.
        reach: distance from its unit within which a group's rows are no outliers; 0 for a group without rows.
    """

    units: Float[np.ndarray, "groups dims"]
    excitement: Float[np.ndarray, " groups"]
    salient: Bool[np.ndarray, " groups"]
    reach: Float[np.ndarray, " groups"]

    def groups(self, rows: Float[np.ndarray, "n dims"]) -> Int[np.ndarray, " n"]:
        """The group of each row: that of the nearest unit, the first of equally near ones."""
        return _nearest(rows.astype(np.float64), self.units)[0]

    def kept(self, rows: Float[np.ndarray, "n dims"]) -> Bool[np.ndarray, " n"]:
        """Which rows are no outliers: their group is salient and they lie within its reach."""
        group, distance = _nearest(rows.astype(np.float64), self.units)
        return self.salient[group] & (distance <= self.reach[group])

    def error(self, rows: Float[np.ndarray, "n dims"]) -> float:
        """The mean squared distance from a row to its unit."""
        return float(np.square(_nearest(rows.astype(np.float64), self.units)[1]).mean())


def fit_rsom(rows: Float[np.ndarray, "n dims"], config: RsomConfig | None = None) -> Rsom:
    """Learn a map, pass by pass over all rows.

    Units begin at rows that are drawn; where rows are fewer than units, some begin at the same one and stay unhit.

    In pass t every row goes to its nearest unit; with n_i rows of sum s_i at unit i, and h the Gaussian of the
    distance of two units on the grid, 1 for a unit itself,

        unit_j = sum_i h_ij s_i / sum_i h_ij n_i.

    The Gaussian's width falls evenly from half the longer side of the grid to 0, where h is 1 for the unit itself and
    0 for others: from there on it is k-means. "Rectifying" is the score of each unit, by which outliers are found:

        excitement_j = sum_t rho_t (sum_i h_ij n_i),  rho_t rising evenly to 1,

    the rows it won and those its neighbours won, early passes counting little, since units have not settled there.

    Args:
        rows: at least one.
        config: how.

    Raises:
        DataError: without rows, or on numbers that are not finite.

    Source: Golge and Duygulu, Rectifying Self Organizing Maps for Automatic Concept Learning from Web Images, 2013
    (arXiv 1312.4384), and ConceptMap, ECCV 2014, which report 14 cites; learning in whole passes is Kohonen's batch
    map, which they use too.
    """
    config = config or RsomConfig()
    if not len(rows) or not np.isfinite(rows).all():
        raise DataError(f"a map needs rows of finite numbers, got {len(rows)} rows")
    generator = np.random.default_rng(config.seed)
    given = rows[generator.permutation(len(rows))[: config.rows]].astype(np.float64)
    units = given[np.arange(config.groups) % len(given)]
    line, column = np.divmod(np.arange(config.groups), config.width)
    apart = np.square(line[:, None] - line) + np.square(column[:, None] - column)
    widest, passes = max(config.height, config.width) / 2, config.ordering + config.settling
    excitement = np.zeros(config.groups)
    for number in range(passes):
        wide = widest * (1 - number / config.ordering) if number < config.ordering else 0.0
        near = np.exp(-apart / (2 * wide**2)) if wide > 0 else (apart == 0).astype(np.float64)
        won = np.eye(config.groups)[_nearest(given, units)[0]]
        hits = near @ won.sum(axis=0)
        moved = near @ (won.T @ given)
        units = np.where(hits[:, None] > 0, moved / np.where(hits > 0, hits, 1.0)[:, None], units)
        excitement += (number + 1) / passes * hits
    excitement /= excitement.mean()
    group, distance = _nearest(given, units)
    reach = np.zeros(config.groups)
    for number in np.unique(group):
        reach[number] = np.quantile(distance[group == number], config.kept_share)
    return Rsom(units, excitement, excitement >= config.salient, reach)


def _nearest(
    rows: Float[np.ndarray, "n dims"], units: Float[np.ndarray, "groups dims"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The nearest unit of each row and its distance, by the difference itself where it counts."""
    middle = units.mean(axis=0)  # numbers near 0 lose less in the difference of squares
    centred = units - middle
    group = np.zeros(len(rows), dtype=np.int64)
    distance = np.zeros(len(rows))
    for first in range(0, len(rows), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        here = rows[part] - middle
        group[part] = (np.square(centred).sum(axis=1) - 2 * here @ centred.T).argmin(axis=1)
        distance[part] = np.linalg.norm(here - centred[group[part]], axis=1)
    return group, distance

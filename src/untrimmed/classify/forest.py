"""Random forests, one a class, grown on all its members and as many others (report 10).

scikit-learn grows the trees; what is kept of them is six plain arrays, so that a model on disk is data, not a program.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from untrimmed.classify import forest_kernels as kernels
from untrimmed.records import DataError

BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class ForestConfig:
    """How the forests grow; what is not here is as in scikit-learn: whole trees, Gini, the root of the dims a split."""

    trees: int = 200
    """In each forest. Report 10, section 3: "set to 200 for each category classifier"."""
    kind: Literal["random", "extra"] = "random"
    """Best splits of resampled rows as in the report, or extremely random ones of all rows, which grow faster."""
    negatives: float = 1.0
    """Others drawn, as a multiple of the members. Report 10: "randomly selecting same number of negative samples"."""
    seed: int = 0
    """Of the draw and of the trees."""

    def __post_init__(self) -> None:
        if self.trees < 1 or not self.negatives > 0:
            raise DataError(f"a forest needs trees and negatives, got {self.trees} and {self.negatives}")


@dataclass(frozen=True, eq=False)
class Forests:
    """Grown forests. Nodes of all trees of all classes lie in one row, a parent before its children.

    Attributes:
        left: where to go when the feature is at most the threshold; -1 at a leaf.
        right: where to go otherwise; -1 at a leaf.
        feature: which is asked; any at a leaf.
        threshold: to compare with.
        value: at a leaf, the share of members that reached it.
        trees: first node of each tree, and the number of nodes.
        forests: first tree of each class, and the number of trees.
        empty: score of a class without trees: 1 if it had only members, else 0.
        dims: of the features.
    """

    left: Int32[np.ndarray, " nodes"]
    right: Int32[np.ndarray, " nodes"]
    feature: Int32[np.ndarray, " nodes"]
    threshold: Float[np.ndarray, " nodes"]
    value: Float[np.ndarray, " nodes"]
    trees: Int64[np.ndarray, " trees_and_one"]
    forests: Int64[np.ndarray, " classes_and_one"]
    empty: Float[np.ndarray, " classes"]
    dims: int

    def scores(
        self, rows: Float[np.ndarray, "n dims"], *, workers: int | None = None
    ) -> Float[np.ndarray, "n classes"]:
        """Probability of each class by itself, in [0, 1].

        Args:
            rows: finite features; compared in float32, as scikit-learn does.
            workers: threads that share the rows; the machine's cores by default.

        Raises:
            DataError: when dims differ or a number is not finite.
        """
        if rows.shape[1] != self.dims:
            raise DataError(f"forests need features of {self.dims} dims, got {rows.shape[1]}")
        given = np.ascontiguousarray(rows, np.float32)
        if not np.isfinite(given).all():
            raise DataError("forests need finite features")
        found = np.empty((len(rows), len(self.empty)))
        nodes = (self.left, self.right, self.feature, self.threshold, self.value)

        def part(first: int) -> None:
            some = slice(first, first + BLOCK)
            kernels.walk(given[some], *nodes, self.trees, self.forests, self.empty, found[some])

        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
            list(pool.map(part, range(0, len(rows), BLOCK)))
        return found

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays, by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], *, where: str = "forests") -> "Forests":
        """The forests that to_arrays wrote.

        Args:
            arrays: by name.
            where: what messages call the place, e.g. the file's name.

        Raises:
            DataError: when an array is missing or of another type or length, starts do not rise, a child lies before
                its parent or in another tree, a feature is not there, or a number is not finite.
        """
        wanted = {field.name for field in fields(Forests)}
        if set(arrays) != wanted:
            raise DataError(f"forests need arrays {sorted(wanted)}, got {sorted(arrays)} ({where})")
        for name, array in arrays.items():
            kind, axes = _KINDS[name]
            if array.dtype != kind or array.ndim != axes:
                got = f"{array.dtype} with {array.ndim}"
                raise DataError(f"{name} of forests must be {np.dtype(kind)} with {axes} axes, got {got} ({where})")
        plain: dict[str, Any] = {**arrays, "dims": int(arrays["dims"])}
        _check(plain, where)
        return Forests(**plain)


_KINDS: dict[str, tuple[type, int]] = {
    **dict.fromkeys(("left", "right", "feature"), (np.int32, 1)),
    **dict.fromkeys(("threshold", "value", "empty"), (np.float64, 1)),
    **dict.fromkeys(("trees", "forests"), (np.int64, 1)),
    "dims": (np.int64, 0),
}


def fit_forests(
    rows: Float[np.ndarray, "n dims"],
    members: Bool[np.ndarray, "n classes"],
    config: ForestConfig | None = None,
    *,
    workers: int = 1,
) -> Forests:
    """Grow one forest a class on its members and as many others, drawn at random.

    A class without members or without others gets no trees.

    Args:
        rows: finite features of videos; taken as float32.
        members: which classes each video has.
        config: how they grow.
        workers: threads that share the trees of a forest; the result does not depend on it.

    Raises:
        DataError: when there is nothing to learn from or a number is not finite.

    Source: report 10, section 3; Breiman, Random forests, 2001.
    """
    config = config or ForestConfig()
    if not members.size:
        raise DataError(f"forests need videos and classes, got {members.shape[0]} and {members.shape[1]}")
    given = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(given).all():
        raise DataError("forests need finite features")
    grown = [_grow(given, members[:, index], config, index, workers) for index in range(members.shape[1])]
    trees = [tree for forest in grown for tree in forest]
    sizes = np.array([len(tree["left"]) for tree in trees], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    for tree, start in zip(trees, starts, strict=False):
        for name in ("left", "right"):
            tree[name] = np.where(tree[name] >= 0, tree[name] + start, -1)
    joined: dict[str, Any] = {
        name: np.concatenate([np.zeros(0, _KINDS[name][0]), *(tree[name].astype(_KINDS[name][0]) for tree in trees)])
        for name in ("left", "right", "feature", "threshold", "value")
    }
    forests = np.concatenate([[0], np.cumsum([len(forest) for forest in grown])]).astype(np.int64)
    empty = np.asarray(members.all(axis=0), dtype=np.float64)
    return Forests(**joined, trees=starts, forests=forests, empty=empty, dims=rows.shape[1])


def drawn_rows(mine: Bool[np.ndarray, " n"], config: ForestConfig, index: int) -> Int64[np.ndarray, " drawn"]:
    """Which rows the forest of a class grows on, in rising order: its members and some others."""
    others = np.flatnonzero(~mine)
    count = min(len(others), max(1, round(config.negatives * mine.sum())))
    kept = np.random.default_rng([config.seed, index]).choice(others, count, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(mine), kept]))


def _grow(rows: np.ndarray, mine: np.ndarray, config: ForestConfig, index: int, workers: int) -> list[dict[str, Any]]:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    if mine.all() or not mine.any():
        return []
    kind = RandomForestClassifier if config.kind == "random" else ExtraTreesClassifier
    state = int(np.random.default_rng([config.seed, index, 1]).integers(2**31))
    drawn = drawn_rows(mine, config, index)
    forest = kind(n_estimators=config.trees, n_jobs=workers, random_state=state).fit(rows[drawn], mine[drawn])
    return [_nodes(grown.tree_) for grown in forest.estimators_]


def _nodes(tree: Any) -> dict[str, Any]:
    leaf = tree.children_left < 0
    return {
        "left": tree.children_left,
        "right": tree.children_right,
        "feature": np.where(leaf, 0, tree.feature),
        "threshold": np.where(leaf, 0.0, tree.threshold),
        "value": tree.value[:, 0, 1],  # classes are (False, True); shares since scikit-learn 1.3
    }


def _check(arrays: Mapping[str, Any], where: str) -> None:
    nodes, dims = len(arrays["left"]), arrays["dims"]
    for name in ("right", "feature", "threshold", "value"):
        if len(arrays[name]) != nodes:
            got = len(arrays[name])
            raise DataError(f"{name} of forests must have an entry for each of {nodes} nodes, got {got} ({where})")
    for name, last in (("trees", nodes), ("forests", len(arrays["trees"]) - 1)):
        starts = arrays[name]
        if not len(starts) or starts[0] != 0 or starts[-1] != last or (np.diff(starts) < (name == "trees")).any():
            raise DataError(f"{name} of forests must rise from 0 to {last} ({where})")
    if len(arrays["empty"]) != len(arrays["forests"]) - 1:
        many = f"{len(arrays['empty'])} for {len(arrays['forests']) - 1}"
        raise DataError(f"empty of forests must have an entry for each class, got {many} ({where})")
    ends = np.repeat(arrays["trees"][1:], np.diff(arrays["trees"]))
    leaf = (arrays["left"] == -1) & (arrays["right"] == -1)
    for name in ("left", "right"):
        child = arrays[name]
        wrong = np.flatnonzero(~leaf & ~((child > np.arange(nodes)) & (child < ends)))
        if len(wrong):
            node = int(wrong[0])
            wanted = f"after its parent {node} and before {int(ends[node])}"
            raise DataError(f"{name} child in forests must lie {wanted}, got {int(child[node])} ({where})")
    if nodes and not (int(arrays["feature"].min()) >= 0 and int(arrays["feature"].max()) < dims):
        raise DataError(f"feature of forests must lie in [0, {dims}) ({where})")
    if not np.isfinite(arrays["threshold"]).all():
        raise DataError(f"threshold of forests must be finite ({where})")
    for name in ("value", "empty"):
        if not ((arrays[name] >= 0) & (arrays[name] <= 1)).all():
            raise DataError(f"{name} of forests must lie in [0, 1] ({where})")

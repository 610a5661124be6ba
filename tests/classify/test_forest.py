"""Random forests: exactly scikit-learn's probabilities, balanced draws, arrays there and back, damage, errors."""

import numpy as np
import pytest
from cloud_rows import clouds
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from untrimmed.classify.forest import ForestConfig, Forests, drawn_rows, fit_forests
from untrimmed.records import DataError


def _grown(trees: int = 5) -> Forests:
    rows, members = clouds(0, 60, noise=1.0)
    return fit_forests(rows, members, ForestConfig(trees=trees))


@pytest.mark.parametrize("kind", ["random", "extra"])
def test_scores_equal_those_of_scikit_learn(kind: str) -> None:
    rows, members = clouds(0, 80, noise=1.2, dims=9)
    others, _ = clouds(1, 600, noise=1.2, dims=9)
    config = ForestConfig(trees=30, kind=kind, seed=3)
    found = fit_forests(rows, members, config, workers=2).scores(others, workers=2)
    grower = RandomForestClassifier if kind == "random" else ExtraTreesClassifier
    for index in range(4):
        drawn = drawn_rows(members[:, index], config, index)
        state = int(np.random.default_rng([3, index, 1]).integers(2**31))
        oracle = grower(n_estimators=30, random_state=state).fit(rows[drawn].astype(np.float32), members[drawn, index])
        np.testing.assert_array_equal(found[:, index], oracle.predict_proba(others.astype(np.float32))[:, 1])


def test_a_forest_grows_on_all_members_and_as_many_others() -> None:
    mine = np.arange(50) < 8
    for share, wanted in ((1.0, 8), (2.0, 16), (100.0, 42)):
        drawn = drawn_rows(mine, ForestConfig(negatives=share), 0)
        assert len(set(drawn.tolist())) == len(drawn) == 8 + wanted
        assert set(range(8)) <= set(drawn.tolist())
    config = ForestConfig()
    assert (drawn_rows(mine, config, 0) == drawn_rows(mine, config, 0)).all()
    assert (drawn_rows(mine, config, 0) != drawn_rows(mine, config, 1)).any()
    assert len(drawn_rows(~mine, config, 0)) == 50  # fewer others than members: all of them


def test_it_tells_clouds_apart_and_repeats_itself() -> None:
    rows, members = clouds(2, 120)
    others, truth = clouds(3, 200)
    config = ForestConfig(trees=40)
    first, second = fit_forests(rows, members, config), fit_forests(rows, members, config, workers=2)
    found = first.scores(others)
    assert (found.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.95
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, second.scores(others, workers=1))
    assert len(first.trees) == 4 * 40 + 1


def test_classes_with_nothing_to_tell_apart_have_no_trees() -> None:
    rows, members = clouds(4, 20)
    members[:, 1], members[:, 2] = False, True
    grown = fit_forests(rows, members, ForestConfig(trees=3))
    assert np.diff(grown.forests).tolist() == [3, 0, 0, 3]
    np.testing.assert_array_equal(grown.scores(rows)[:, 1:3], np.tile([0.0, 1.0], (20, 1)))
    nothing = fit_forests(rows, members[:, 1:3])
    np.testing.assert_array_equal(Forests.from_arrays(nothing.to_arrays()).scores(rows)[:2], [[0, 1], [0, 1]])


def test_arrays_there_and_back() -> None:
    grown = _grown()
    arrays = grown.to_arrays()
    assert all(array.dtype.kind in "if" for array in arrays.values())  # plain numbers, nothing to unpickle
    again = Forests.from_arrays({name: array.copy() for name, array in arrays.items()})
    rows, _ = clouds(5, 30)
    np.testing.assert_array_equal(again.scores(rows), grown.scores(rows))


@pytest.mark.parametrize(
    ("name", "place", "value", "words"),
    [
        ("left", 0, 0, r"left child in forests must lie after its parent 0 and before \d+, got 0 \(model\)"),
        ("left", 0, -1, "left child in forests must lie after its parent 0"),
        ("right", 0, 10_000, r"right child in forests must lie after its parent 0 and before \d+, got 10000"),
        ("feature", 0, 6, r"feature of forests must lie in \[0, 6\)"),
        ("feature", 0, -1, r"feature of forests must lie in \[0, 6\)"),
        ("threshold", 0, np.nan, "threshold of forests must be finite"),
        ("value", 0, 1.5, r"value of forests must lie in \[0, 1\]"),
        ("empty", 0, np.nan, r"empty of forests must lie in \[0, 1\]"),
        ("trees", 1, 0, "trees of forests must rise from 0 to"),
        ("forests", -1, 3, "forests of forests must rise from 0 to 20"),
    ],
)
def test_damage_is_found(name: str, place: int, value: float, words: str) -> None:
    arrays = {key: array.copy() for key, array in _grown().to_arrays().items()}
    arrays[name][place] = value
    with pytest.raises(DataError, match=words):
        Forests.from_arrays(arrays, where="model")


def test_random_damage_never_runs_wild() -> None:
    """Whatever index is changed, loading refuses or the walk ends inside the arrays."""
    rng = np.random.default_rng(0)
    grown = _grown(trees=2)
    rows, _ = clouds(6, 5)
    for _ in range(300):
        arrays = {key: array.copy() for key, array in grown.to_arrays().items()}
        name = str(rng.choice(["left", "right", "feature", "trees", "forests"]))
        arrays[name][rng.integers(len(arrays[name]))] = rng.integers(-3, len(grown.left) + 3)
        try:
            scores = Forests.from_arrays(arrays).scores(rows)
        except DataError:
            continue
        assert ((scores >= 0) & (scores <= 1)).all()


def test_words_of_errors() -> None:
    rows, members = clouds(0, 8)
    with pytest.raises(DataError, match=r"a forest needs trees and negatives, got 0 and 1.0"):
        ForestConfig(trees=0)
    with pytest.raises(DataError, match="forests need videos and classes, got 0 and 4"):
        fit_forests(rows[:0], members[:0])
    with pytest.raises(DataError, match="forests need finite features"):
        fit_forests(rows * np.nan, members)
    grown = _grown()
    with pytest.raises(DataError, match="forests need features of 6 dims, got 5"):
        grown.scores(rows[:, :5])
    with pytest.raises(DataError, match="forests need finite features"):
        grown.scores(rows * np.nan)
    arrays = grown.to_arrays()
    with pytest.raises(DataError, match=r"forests need arrays \[.*\], got \['left'\] \(model\)"):
        Forests.from_arrays({"left": arrays["left"]}, where="model")
    with pytest.raises(DataError, match="value of forests must be float64 with 1 axes, got float32 with 1"):
        Forests.from_arrays({**arrays, "value": arrays["value"].astype(np.float32)})
    with pytest.raises(DataError, match=r"right of forests must have an entry for each of \d+ nodes, got 3"):
        Forests.from_arrays({**arrays, "right": arrays["right"][:3]})
    with pytest.raises(DataError, match="empty of forests must have an entry for each class, got 3 for 4"):
        Forests.from_arrays({**arrays, "empty": arrays["empty"][:3]})

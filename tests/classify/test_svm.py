"""Support vector machines by the Gram matrix and on rows: optimality, laws, LIBLINEAR as reference, words of errors."""

import logging
from typing import Literal

import numpy as np
import pytest
from cloud_rows import clouds
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.svm import LinearSVC

from untrimmed.classify.gram import gram
from untrimmed.classify.svm import DualSvm, SvmConfig, cross_margins, draw_folds, fit_dual
from untrimmed.classify.svm_rows import fit_rows
from untrimmed.records import DataError

Loss = Literal["hinge", "squared hinge"]
LOSSES: list[Loss] = ["hinge", "squared hinge"]
EXACT = 1e-10


def _objective(weight: np.ndarray, bias: float, rows: np.ndarray, mine: np.ndarray, config: SvmConfig) -> float:
    misses = np.maximum(0, 1 - np.where(mine, 1, -1) * (rows @ weight + bias))
    return float(
        0.5 * (weight @ weight + bias**2) + config.cost * (misses if config.loss == "hinge" else misses**2).sum()
    )


def _liblinear(rows: np.ndarray, mine: np.ndarray, config: SvmConfig) -> LinearSVC:
    machine = LinearSVC(
        C=config.cost, loss=config.loss.replace(" ", "_"), dual=True, tol=1e-8, max_iter=1_000_000, random_state=0
    )
    return machine.fit(rows, mine)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cost", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("dims", [6, 90])
def test_objective_and_margins_are_those_of_liblinear(loss: Loss, cost: float, dims: int) -> None:
    rows, members = clouds(0, 60, dims=dims, noise=0.8)
    config = SvmConfig(loss=loss, cost=cost, tolerance=EXACT, passes=200_000)
    by_gram, by_rows = fit_dual(gram(rows), members, config), fit_rows(rows, members, config)
    for index in range(members.shape[1]):
        mine = members[:, index]
        wanted = _liblinear(rows, mine, config)
        least = _objective(wanted.coef_[0], float(wanted.intercept_[0]), rows, mine, config)
        for weight, bias in (
            (by_gram.weights(rows)[index], by_gram.bias[index]),
            (by_rows.weight[index], by_rows.bias[index]),
        ):
            assert _objective(weight, float(bias), rows, mine, config) <= least * (1 + 1e-8)
            np.testing.assert_allclose(rows @ weight + bias, wanted.decision_function(rows), atol=2e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_any_kernel_is_solved_as_by_a_general_solver(loss: Loss) -> None:
    rows, members = clouds(1, 40, noise=1.0)
    kernel = np.exp(-0.3 * ((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    config = SvmConfig(loss=loss, cost=3.0, tolerance=EXACT, passes=100_000)
    found = fit_dual(kernel, members[:, :1], config).margins(kernel)[:, 0]
    signs = np.where(members[:, 0], 1.0, -1.0)
    ridge, most = (0.5 / config.cost, None) if loss == "squared hinge" else (0.0, config.cost)
    pairs = np.outer(signs, signs) * (kernel + 1) + ridge * np.eye(40)
    solved = minimize(
        lambda alpha: (0.5 * alpha @ pairs @ alpha - alpha.sum(), pairs @ alpha - 1),
        np.zeros(40),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, most)] * 40,
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 100_000},
    )
    np.testing.assert_allclose(found, (kernel + 1) @ (solved.x * signs), atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), cost=st.sampled_from([0.01, 1.0, 30.0]), squared=st.booleans())
def test_the_conditions_of_an_optimum_hold(seed: int, cost: float, squared: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, mine = rng.normal(size=(25, 7)), rng.random(25) < 0.4
    mine[:2] = True, False
    config = SvmConfig(loss="squared hinge" if squared else "hinge", cost=cost, tolerance=1e-9, passes=200_000)
    kernel = gram(rows)
    machine = fit_dual(kernel, mine[:, None], config)
    signs = np.where(mine, 1.0, -1.0)
    alpha, outputs = machine.coefficients[0] * signs, signs * machine.margins(kernel)[:, 0]
    ridge, most = (0.5 / cost, np.inf) if squared else (0.0, cost)
    assert (alpha >= 0).all()
    assert (alpha <= most).all()
    slope = outputs + ridge * alpha - 1
    small = 1e-3
    assert (slope[alpha <= 0] >= -small).all()
    assert (slope[alpha >= most] <= small).all()
    assert (np.abs(slope[(alpha > 0) & (alpha < most)]) <= small).all()
    assert machine.bias[0] == pytest.approx((alpha * signs).sum())
    # the gap it reports is the one that primal and dual written out have
    primal = _objective(machine.weights(rows)[0], float(machine.bias[0]), rows, mine, config)
    pairs = np.outer(signs, signs) * (kernel + 1) + ridge * np.eye(25)
    dual = alpha.sum() - 0.5 * alpha @ pairs @ alpha
    assert -1e-12 <= (primal - dual) / primal <= 1e-9 + 1e-12
    assert machine.gaps[0] == pytest.approx((primal - dual) / primal, abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("route", ["gram", "rows"])
def test_order_of_rows_and_seed_play_no_role(loss: Loss, route: str) -> None:
    rows, members = clouds(2, 48, noise=0.9)
    order = np.random.default_rng(0).permutation(48)

    def margins(order: np.ndarray, seed: int) -> np.ndarray:
        config = SvmConfig(loss=loss, tolerance=1e-11, passes=200_000, seed=seed)
        if route == "gram":
            return fit_dual(gram(rows[order]), members[order], config).margins(rows @ rows[order].T)
        machine = fit_rows(rows[order], members[order], config)
        return np.asarray(rows @ machine.weight.T + machine.bias)

    wanted = margins(np.arange(48), 0)
    np.testing.assert_allclose(margins(order, 0), wanted, atol=1e-4)
    np.testing.assert_allclose(margins(order, 7), wanted, atol=1e-4)


def test_scaling_rows_is_scaling_cost_and_ridge() -> None:
    """Without a bias to speak of, rows times s with cost C have the margins of rows with cost s^2 C."""
    rows, members = clouds(3, 40)
    rows = rows * 1e3  # the bias is the + 1 in the kernel, which is nothing beside these
    first = fit_dual(gram(2 * rows), members, SvmConfig(cost=1e-7, tolerance=1e-12, passes=100_000))
    second = fit_dual(gram(rows), members, SvmConfig(cost=4e-7, tolerance=1e-12, passes=100_000))
    np.testing.assert_allclose(first.margins(gram(2 * rows)), second.margins(gram(rows)), rtol=1e-4, atol=1e-4)


def test_workers_and_the_order_of_classes_play_no_role() -> None:
    rows, members = clouds(4, 60, classes=6, noise=1.0)
    one, many = fit_dual(gram(rows), members, workers=1), fit_dual(gram(rows), members[:, ::-1], workers=4)
    np.testing.assert_array_equal(one.coefficients, many.coefficients[::-1])
    first, second = fit_rows(rows, members, workers=1), fit_rows(rows, members, workers=4)
    np.testing.assert_array_equal(first.weight, second.weight)


def test_weights_and_kernel_predict_alike() -> None:
    rows, members = clouds(5, 50, dims=1500)
    new, _ = clouds(6, 1100, dims=1500)
    machine = fit_dual(gram(rows), members)
    np.testing.assert_allclose(machine.margins(new @ rows.T), new @ machine.weights(rows).T + machine.bias, atol=1e-9)
    assert machine.margins(np.zeros((0, 50))).shape == (0, 4)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_single_precision_is_close(kind: type) -> None:
    rows, members = clouds(7, 80, dims=200, noise=1.0)
    given_rows = rows.astype(kind)
    machine = fit_dual(gram(given_rows), members)
    wanted = fit_dual(gram(rows), members, SvmConfig(tolerance=1e-12))
    np.testing.assert_allclose(machine.margins(gram(given_rows)), wanted.margins(gram(rows)), atol=5e-3)


def test_newton_ends_what_descent_leaves() -> None:
    """Many noisy rows, few dims and a large cost: descent needs thousands of passes."""
    rng = np.random.default_rng(8)
    rows, members = rng.normal(size=(400, 5)), rng.random((400, 3)) < 0.3
    config = SvmConfig(cost=1000.0, tolerance=1e-12, passes=200)
    machine = fit_rows(rows, members, config)
    assert (machine.gaps <= 1e-12).all()
    extended = np.concatenate([rows, np.ones((400, 1))], axis=1)
    for index in range(3):
        weight, signs = np.append(machine.weight[index], machine.bias[index]), np.where(members[:, index], 1.0, -1.0)
        misses = np.maximum(0, 1 - signs * (extended @ weight))
        slope = weight - 2 * config.cost * (signs * misses) @ extended
        assert np.abs(slope).max() < 1e-6 * config.cost * 400  # the objective is flat there


def test_what_is_not_done_is_said(caplog: pytest.LogCaptureFixture) -> None:
    rows, members = clouds(9, 60, noise=1.5)
    with caplog.at_level(logging.WARNING):
        machine = fit_dual(gram(rows), members, SvmConfig(cost=100.0, passes=2))
    assert "4 of 4 SVMs stopped after 2 passes, the worst with a relative gap of" in caplog.text
    assert (machine.gaps > 1e-6).all()


def test_classes_with_nothing_to_tell_apart() -> None:
    rows, members = clouds(10, 20)
    given_members = np.concatenate([members[:, :2], np.zeros((20, 1), bool), np.ones((20, 1), bool)], axis=1)
    for bias in (fit_dual(gram(rows), given_members).bias, fit_rows(rows, given_members).bias):
        np.testing.assert_array_equal(bias[2:], [-1, 1])
    assert not fit_dual(gram(rows), given_members).coefficients[2:].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_margins_across_folds_are_those_of_machines_without_the_fold(loss: Loss) -> None:
    rows, members = clouds(11, 45, noise=0.9)
    members[:, 3] = False
    members[0, 3] = True  # its only member is in one fold, so that the class is absent from the rest
    config, kernel = SvmConfig(loss=loss, tolerance=1e-11, passes=100_000), gram(rows)
    folds = draw_folds(45, folds=3, seed=1)
    found = cross_margins(kernel, members, config, folds=folds)
    for name in range(3):
        kept = folds != name
        machine = fit_dual(kernel[np.ix_(kept, kept)], members[kept], config)
        np.testing.assert_allclose(found[~kept], machine.margins(kernel[np.ix_(~kept, kept)]), atol=1e-4)
    assert (found[folds == folds[0], 3] == -1).all()


def test_folds_are_even_and_keep_groups_together() -> None:
    assert sorted(np.bincount(draw_folds(103, folds=10, seed=0)).tolist()) == [10] * 7 + [11] * 3
    groups = np.random.default_rng(0).integers(0, 12, 200) * 5 - 3
    folds = draw_folds(200, folds=4, seed=0, groups=groups)
    assert all(len(set(folds[groups == name].tolist())) == 1 for name in set(groups.tolist()))
    assert sorted(set(folds.tolist())) == [0, 1, 2, 3]
    assert (draw_folds(50, seed=1) == draw_folds(50, seed=1)).all()
    assert (draw_folds(50, seed=1) != draw_folds(50, seed=2)).any()
    assert draw_folds(0).shape == (0,)


def test_the_margins_of_the_held_out_do_not_know_their_labels() -> None:
    """Labels by lot: margins across folds may not rank members above others, those of the machine itself do."""
    rng = np.random.default_rng(0)
    rows, members = rng.normal(size=(300, 400)), rng.random((300, 1)) < 0.5
    kernel = gram(rows)
    blind = cross_margins(kernel, members, folds=draw_folds(300))[:, 0]
    seen = fit_dual(kernel, members).margins(kernel)[:, 0]
    mine = members[:, 0]
    assert (seen[mine, None] > seen[~mine]).mean() > 0.99
    assert (blind[mine, None] > blind[~mine]).mean() < 0.6


def test_words_of_errors() -> None:
    rows, members = clouds(0, 8)
    with pytest.raises(DataError, match="cost of an SVM must be positive, got 0"):
        SvmConfig(cost=0.0)
    with pytest.raises(DataError, match=r"tolerance and passes of an SVM must be positive, got 1e-06, 0"):
        SvmConfig(passes=0)
    with pytest.raises(DataError, match="an SVM needs videos and classes, got 8 and 0"):
        fit_dual(gram(rows), members[:, :0])
    with pytest.raises(DataError, match=r"an SVM needs a kernel over its 7 videos, got \(8, 8\)"):
        fit_dual(gram(rows), members[:7])
    with pytest.raises(DataError, match="an SVM needs a row for each of 7 videos, got 8"):
        fit_rows(rows, members[:7])
    with pytest.raises(DataError, match="an SVM needs a finite kernel"):
        fit_dual(np.full((8, 8), np.nan), members)
    with pytest.raises(DataError, match="an SVM needs videos and classes, got 0 and 4"):
        fit_rows(rows[:0], members[:0])
    with pytest.raises(DataError, match="an SVM needs finite features"):
        fit_rows(rows * np.inf, members)
    with pytest.raises(DataError, match="margins across folds need two folds or more, got 1"):
        cross_margins(gram(rows), members, folds=np.zeros(8, np.int64))
    with pytest.raises(DataError, match="rows are drawn into two folds or more, got 1"):
        draw_folds(8, folds=1)


def test_a_model_is_its_arrays() -> None:
    rows, members = clouds(12, 30)
    machine = fit_dual(gram(rows), members)
    again = DualSvm(machine.coefficients.copy(), machine.bias.copy(), machine.gaps, machine.config)
    np.testing.assert_array_equal(again.weights(rows), machine.weights(rows))

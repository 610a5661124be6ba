"""Linear classifiers of whole videos: ridge, support vectors, softmax; one score a class.

What is kept of each is a matrix and a bias, so a model is two arrays on disk. Ridge and softmax are solved by
scikit-learn, support vectors by their Gram matrix or, where there are more videos than dims, on the rows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression, Ridge

from untrimmed.classify.gram import all_finite, gram
from untrimmed.classify.svm import DualSvm, SvmConfig, constant_bias, fit_dual, mixed_classes
from untrimmed.classify.svm_rows import fit_rows
from untrimmed.records import DataError

ROWS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """Which linear classifier and how strongly it is held back."""

    kind: Literal["ridge", "svm", "softmax"] = "svm"
    """Least squares on +1/-1 or squared hinge loss, one class against the rest; or multinomial logistic regression."""
    cost: float = 1.0
    """C of the SVM and of the softmax; of the ridge, whose penalty is 1 / (2 C). A larger cost holds back less; report
    17 takes 100 for its SVMs."""
    unit_rows: bool = True
    """Scale each row to length 1 first, as is usual for Fisher vectors and pooled features."""

    def __post_init__(self) -> None:
        if not self.cost > 0:
            raise DataError(f"cost of a linear classifier must be positive, got {self.cost}")


@dataclass(frozen=True, eq=False)
class Linear:
    """A trained classifier.

    Attributes:
        weight: (classes, dims).
        bias: (classes).
        config: how it was trained.
    """

    weight: Float[np.ndarray, "classes dims"]
    bias: Float[np.ndarray, " classes"]
    config: LinearConfig

    def margins(self, rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n classes"]:
        """Signed scores, w x + b; higher is surer."""
        parts = [
            _scaled(rows[first : first + ROWS_AT_ONCE], self.config) @ self.weight.T + self.bias
            for first in range(0, len(rows), ROWS_AT_ONCE)
        ]
        return np.concatenate([np.zeros((0, len(self.bias))), *parts])

    def scores(self, rows: Float[np.ndarray, "n dims"]) -> Float[np.ndarray, "n classes"]:
        """Softmax of the margins; a row sums to 1. Probabilities for the softmax kind, a ranking for the others."""
        margins = self.margins(rows)
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def fit_linear(
    rows: Float[np.ndarray, "n dims"], members: Bool[np.ndarray, "n classes"], config: LinearConfig | None = None
) -> Linear:
    """Train one class against the rest for every class (or all at once for the softmax).

    A class without a member, or with nothing but members, gets weight 0 and bias -1 or +1.

    Args:
        rows: features of videos.
        members: which classes each video has; several are possible, except for the softmax.
        config: what to train; an SVM with C = 1 by default.

    Raises:
        DataError: when there is nothing to learn from, numbers are not finite, or a video has not exactly one class
            under the softmax.
    """
    config = config or LinearConfig()
    if not members.size:
        raise DataError(f"a linear classifier needs videos and classes, got {members.shape[0]} and {members.shape[1]}")
    if not all_finite(rows):
        raise DataError("a linear classifier needs finite features")
    if config.kind == "svm":
        return _svm(rows, members, config)
    given = _scaled(rows, config)
    if config.kind == "softmax":
        return _softmax(given, members, config)
    weight, bias = np.zeros((members.shape[1], rows.shape[1])), constant_bias(members)
    mixed = np.flatnonzero(mixed_classes(members))
    if len(mixed):
        solved = Ridge(alpha=1 / (2 * config.cost)).fit(given, np.where(members[:, mixed], 1.0, -1.0))
        weight[mixed], bias[mixed] = np.atleast_2d(solved.coef_), np.atleast_1d(solved.intercept_)
    return Linear(weight, bias, config)


def _svm(rows: np.ndarray, members: np.ndarray, config: LinearConfig) -> Linear:
    wanted = SvmConfig(cost=config.cost)
    kind = np.dtype(np.float64 if rows.dtype == np.float64 else np.float32)
    if len(rows) > rows.shape[1]:
        scaled = rows.astype(kind) * _factors(rows, config).astype(kind)[:, None]
        machine = fit_rows(scaled, members, wanted)
        return Linear(machine.weight, machine.bias, config)
    factors = _factors(rows, config)  # the products are scaled, so that the features need no copy
    products = gram(rows)
    products *= factors.astype(kind)[:, None]
    products *= factors.astype(kind)
    machines = fit_dual(products, members, wanted)
    unscaled = DualSvm(machines.coefficients * factors, machines.bias, machines.gaps, wanted)
    return Linear(unscaled.weights(rows), machines.bias, config)


def _softmax(given: np.ndarray, members: np.ndarray, config: LinearConfig) -> Linear:
    if not (members.sum(axis=1) == 1).all():
        raise DataError("a softmax classifier needs exactly one class for each video")
    labels = members.argmax(axis=1)
    present = np.unique(labels)
    weight, bias = np.zeros((members.shape[1], given.shape[1])), np.full(members.shape[1], -1e3)
    if len(present) == 1:
        bias[present] = 0.0
        return Linear(weight, bias, config)
    model = LogisticRegression(C=config.cost, max_iter=1000).fit(given, labels)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(present) == 2:  # scikit-learn keeps one row for two classes: the log odds
        coefficients, intercepts = np.stack([-coefficients[0], coefficients[0]]) / 2, np.array([-1, 1]) * intercepts / 2
    weight[present], bias[present] = coefficients, intercepts
    return Linear(weight, bias, config)


def _factors(rows: np.ndarray, config: LinearConfig) -> np.ndarray:
    """What each row is multiplied by."""
    if not config.unit_rows:
        return np.ones(len(rows))
    norms = np.array([np.linalg.norm(row.astype(np.float64)) for row in rows])
    return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)


def _scaled(rows: np.ndarray, config: LinearConfig) -> np.ndarray:
    return np.asarray(rows.astype(np.float64) * _factors(rows, config)[:, None])

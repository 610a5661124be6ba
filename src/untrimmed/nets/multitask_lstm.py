"""The multi-task recurrent net: per step a class or background, per span of steps the label most of its steps have."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from untrimmed.nets.recurrent import check_lengths
from untrimmed.records import DataError

BACKGROUND = 0
"""Label of steps without action; class k of the data has label k + 1."""

PADDING = -1
"""Label of steps that only fill a sequence."""

SEQUENCES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class MultitaskConfig:
    """The net."""

    cells: int = 512
    """Cells of the recurrent layer; the paper does not say."""
    layers: int = 1
    """Recurrent layers; the paper does not say ("LSTM cell")."""
    sequence_steps: int = 32
    """Steps of a sequence, in training and prediction; the paper does not say. 32 steps of 8 frames last 9 s."""
    span_steps: int = 32
    """Steps whose outputs are concatenated for one label, a divisor of the sequence; section 2.2.2: "a defined number
    of timesteps". The paper calls both the span and what is weighted for transitions a sequence, so they are one."""
    own_actionness: bool = False
    """False: actionness is 1 - the probability of background among the 201. Section 2.2.1: "201 dimensional class
    probabilities [...] are used to calculate" both the detection and the actionness loss. True: an output of its own.
    """

    def __post_init__(self) -> None:
        if min(self.cells, self.layers, self.span_steps) < 1 or self.sequence_steps % self.span_steps:
            raise DataError(f"a multi-task net needs sizes >= 1 and sequences of whole spans, got {self}")

    def build(self, *, dims: int, classes: int) -> "MultitaskNet":
        """The net for steps of so many dims and so many classes, background not counted."""
        return MultitaskNet(self, dims=dims, classes=classes)


class Outputs(NamedTuple):
    """What the net says of a batch of sequences.

    Attributes:
        steps: logits of background and each class.
        actionness: log odds of action.
        spans: logits of each span's label; a last span that is not full counts.
        span_steps: steps of a span.
    """

    steps: Float[Tensor, "n steps labels"]
    actionness: Float[Tensor, "n steps"]
    spans: Float[Tensor, "n spans labels"]
    span_steps: int


class MultitaskNet(nn.Module):
    """One recurrent layer under a step head and a span head.

    Source: report 11, section 2.2 and figure 1.
    """

    def __init__(self, config: MultitaskConfig, *, dims: int, classes: int) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.lstm = nn.LSTM(dims, config.cells, config.layers, batch_first=True)
        self.step = nn.Linear(config.cells, classes + 1)
        self.span = nn.Linear(config.span_steps * config.cells, classes + 1)
        self.action = nn.Linear(config.cells, 1) if config.own_actionness else None

    def forward(self, rows: Float[Tensor, "n steps dims"], lengths: Int[Tensor, " n"]) -> Outputs:
        """Judge sequences that start in an empty state.

        Padding comes after a sequence, so it changes no output of its steps; in a span it counts as zeros.

        Args:
            rows: sequences, padded at the end with anything finite.
            lengths: steps of each, from 1 to the steps of rows.

        Raises:
            DataError: on a length outside that range.
        """
        check_lengths(lengths, rows.shape[1])
        out, _ = self.lstm(rows)
        inside = torch.arange(rows.shape[1], device=rows.device) < lengths.to(rows.device)[:, None]
        out = torch.where(inside[..., None], out, 0.0)
        steps = self.step(out)
        if self.action is None:
            odds = steps[..., 1:].logsumexp(-1) - steps[..., BACKGROUND]
        else:
            odds = self.action(out)[..., 0]
        size = self.config.span_steps
        whole = functional.pad(out, (0, 0, 0, -rows.shape[1] % size))
        return Outputs(steps, odds, self.span(whole.reshape(len(whole), -1, size * out.shape[2])), size)


@dataclass(frozen=True, kw_only=True)
class MultitaskLoss:
    """The sum of three losses, each of which can be left out; called as train.fit calls a loss.

    With w_t = (weight of background or action) * (weight of the sequence), over all T steps of a batch that are no
    padding:
        L_det = 1/T sum w_t * -log p(label_t), L_act = 1/T sum w_t * -log p(action or not),
        L_cls = mean over spans of -log p(most frequent label of the span's steps).
    Dividing by T and not by the sum of weights keeps the weight of a whole batch; the paper does not say.

    Source: report 11, sections 2.2.1 and 2.2.2.
    """

    detection: bool = True
    """Whether L_det counts."""
    actionness: bool = True
    """Whether L_act counts; alone it is the first row of the report's table."""
    classification: bool = True
    """Whether L_cls counts."""
    background_weight: float = 0.5
    """Of steps without action in L_det and L_act; section 2.2.1."""
    action_weight: float = 1.0
    """Of steps in action; section 2.2.1."""
    still_weight: float = 0.5
    """Of sequences in which no action starts or ends, in L_det and L_act; section 2.2.1 ("no transition")."""
    transition_weight: float = 1.0
    """Of sequences whose label changes from one step to the next; section 2.2.1."""

    def __post_init__(self) -> None:
        if not (self.detection or self.actionness or self.classification):
            raise DataError("a multi-task loss needs at least one of detection, actionness and classification")
        if min(self.background_weight, self.action_weight, self.still_weight, self.transition_weight) < 0:
            raise DataError(f"weights of a multi-task loss must be >= 0, got {self}")

    def __call__(self, model: nn.Module, batch: list[Tensor] | tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a batch of rows (n, steps, dims) and labels (n, steps), PADDING at the ends."""
        rows, labels = batch
        said: Outputs = model(rows, (labels != PADDING).sum(1))
        total = said.steps.new_zeros(())
        if self.detection or self.actionness:
            weights = self.step_weights(labels) / (labels != PADDING).sum()
        if self.detection:
            each = functional.cross_entropy(said.steps.transpose(1, 2), labels, ignore_index=PADDING, reduction="none")
            total = total + (weights * each).sum()
        if self.actionness:
            acts = (labels > BACKGROUND).to(said.actionness.dtype)
            each = functional.binary_cross_entropy_with_logits(said.actionness, acts, reduction="none")
            total = total + (weights * each).sum()
        if self.classification:
            wanted = span_labels(labels, said.span_steps, said.spans.shape[2])
            total = total + functional.cross_entropy(said.spans.transpose(1, 2), wanted, ignore_index=PADDING)
        return total

    def step_weights(self, labels: Int[Tensor, "n steps"]) -> Float[Tensor, "n steps"]:
        """w_t of each step; 0 for padding."""
        of_step = torch.where(labels > BACKGROUND, self.action_weight, self.background_weight)
        of_sequence = torch.where(has_transition(labels), self.transition_weight, self.still_weight)
        return torch.where(labels == PADDING, 0.0, of_step * of_sequence[:, None])


def has_transition(labels: Int[Tensor, "n steps"]) -> Bool[Tensor, " n"]:
    """Whether the label changes between two neighbouring steps of a sequence."""
    return ((labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] != PADDING)).any(1)


def span_labels(labels: Int[Tensor, "n steps"], span_steps: int, kinds: int) -> Int[Tensor, "n spans"]:
    """The most frequent label of each span of a sequence; PADDING for spans of padding alone.

    Among equally frequent ones an action comes before background, then the lower label; the paper does not say.
    """
    whole = functional.pad(labels, (0, -labels.shape[1] % span_steps), value=PADDING)
    whole = whole.reshape(len(labels), -1, span_steps)
    counts = (whole[..., None] == torch.arange(kinds, device=labels.device)).sum(2)
    preferred = 2 * counts
    preferred[..., BACKGROUND] -= 1
    return torch.where(counts.sum(2) > 0, preferred.argmax(2), PADDING)


@dataclass(frozen=True, eq=False)
class Curves:
    """What the net says of one video.

    Attributes:
        steps: probabilities of background and each class at each step.
        actionness: probability of action at each step.
        spans: probabilities of the label of each span, in order of time.
    """

    steps: Float[np.ndarray, "steps labels"]
    actionness: Float[np.ndarray, " steps"]
    spans: Float[np.ndarray, "spans labels"]


def curves(net: MultitaskNet, rows: Float[np.ndarray, "steps dims"]) -> Curves:
    """Judge a video in sequences as long as those of the training, one after the other."""
    net.eval()
    size, kinds = net.config.sequence_steps, net.classes + 1
    parts: list[Outputs] = []
    device = net.step.weight.device
    with torch.inference_mode():
        whole = functional.pad(torch.tensor(rows, dtype=torch.float32), (0, 0, 0, -len(rows) % size))
        whole = whole.reshape(-1, size, rows.shape[1])
        lengths = (len(rows) - size * torch.arange(len(whole))).clamp(max=size)
        for first in range(0, len(whole), SEQUENCES_AT_ONCE):
            past = first + SEQUENCES_AT_ONCE
            parts.append(net(whole[first:past].to(device), lengths[first:past]))
    if not parts:
        return Curves(np.zeros((0, kinds)), np.zeros(0), np.zeros((0, kinds)))
    filled = -(-len(rows) // net.config.span_steps)
    return Curves(
        torch.cat([part.steps.softmax(-1).flatten(0, 1) for part in parts])[: len(rows)].double().cpu().numpy(),
        torch.cat([part.actionness.sigmoid().flatten() for part in parts])[: len(rows)].double().cpu().numpy(),
        torch.cat([part.spans.softmax(-1).flatten(0, 1) for part in parts])[:filled].double().cpu().numpy(),
    )


def class_shares(probabilities: Float[np.ndarray, "n labels"]) -> Float[np.ndarray, " classes"]:
    """Scores of a video's classes: the mean over spans or steps of each class, background left out, over their sum.

    The report averages "probabilities from LSTM and both SVMs" and does not say how the first follow from the spans.
    """
    sums = probabilities[:, 1:].sum(axis=0)
    return np.asarray(sums / sums.sum() if sums.sum() > 0 else np.full(sums.shape, 1 / max(1, len(sums))))

"""Real TAG proposals of ActivityNet 1.2, re-ranked without a look at the videos, and cut: average recall each time.

    python -m benchmarks tag_reranking

The 120,148 proposals that SSN's authors published for 2,383 validation videos have no scores, only an order. A net of
one hidden layer learns from annotated videos which proposals overlap an instance by 0.7, and which by 0.3 at most, from
what the list itself says of a proposal: its place, where it lies and how long it is (a prior), and how much the others
agree with it (a consensus). Two halves of the videos take turns: each is ranked by the net of the other. Segments are
those of ActivityNet 1.3. The list needs the folder `shared` beside the checkout.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.table import Row, at_least
from untrimmed.columns import GroundTruth, Predictions
from untrimmed.data.datasets import read_ground_truth
from untrimmed.data.tag_proposals import read_tag_proposals
from untrimmed.evaluate import proposals
from untrimmed.propose.actionness import ActionnessConfig, ActionnessNet, actionness, actionness_loss
from untrimmed.propose.rerank import PairRule
from untrimmed.propose.suppress import BsnSoftNms, HardNms, Rule, SoftNms, suppress
from untrimmed.records import Task
from untrimmed.timeline import coverage, tiou
from untrimmed.train import Run, Schedule, fit

SHARED = Path(__file__).parent.parent.parent / "shared"
LIST = SHARED / "data/activitynet/proposals/activitynet1.2_tag_val_normalized_proposal_list.txt.gz"
SCHEDULE = Schedule(steps=800, batch_size=64, optimizer="adam", learning_rate=3e-3, decay="cosine")


def run() -> list[Row]:
    """All rows; none where the list is absent."""
    if not LIST.exists():
        return []
    torch.set_num_threads(1)
    truth, given = _material()
    assert given.segments is not None
    durations = dict(zip(truth.video_ids, truth.durations.tolist(), strict=True))
    seconds = np.array([durations[name] for name in given.video_ids])
    described = _described(given, seconds)
    best = _best_overlaps(truth, given)
    scores = np.empty(len(given))
    half = given.video % 2
    for own in (0, 1):
        net = _learnt(described, best, np.flatnonzero(half != own), given.video)
        scores[half == own] = actionness(net, described[half == own])
    again = Predictions(
        task=Task.PROPOSALS, video_ids=given.video_ids, video=given.video, segments=given.segments, scores=scores
    )
    before = _row("in the order of the list", truth, given)
    rules: Sequence[tuple[str, Rule]] = (
        ("hard NMS at 0.8", HardNms(tiou=0.8)),
        ("soft NMS 0.75", SoftNms(sigma=0.75, least_score=0.0)),
        ("BSN's soft NMS", BsnSoftNms(most=None)),
    )
    rows = [before]
    rows += [_row(f"in that order, {name}", truth, _cut(given, rule, seconds)) for name, rule in rules]
    rows.append(_row("re-ranked", truth, again))
    rows += [_row(f"re-ranked, {name}", truth, _cut(again, rule, seconds), least=before.value) for name, rule in rules]
    return rows


def _material() -> tuple[GroundTruth, Predictions]:
    truth = read_ground_truth(SHARED / "data/activitynet/activity_net.v1-3.json.gz")
    record = json.loads((SHARED / "reference/all-prop-tag-100/expected.json").read_text())
    ids = set(record["gt"]["videos"])
    truth = truth.without(set(truth.video_ids) - ids)
    return truth, read_tag_proposals(LIST, dict(zip(truth.video_ids, truth.durations.tolist(), strict=True)))


def _described(given: Predictions, seconds: np.ndarray) -> np.ndarray:
    """What the list says of each proposal: 17 numbers."""
    assert given.segments is not None
    parts = []
    for number, duration in enumerate(seconds.tolist()):
        own = given.segments[given.video == number]
        if not len(own):
            continue
        start, end = (own / duration).T
        length = np.maximum(end - start, 1e-4)
        place = np.arange(len(own))
        overlaps = np.nan_to_num(tiou(own, own))
        np.fill_diagonal(overlaps, 0.0)
        others = max(len(own) - 1, 1)
        above = np.tril(overlaps, -1).max(axis=1, initial=0.0)
        early = (overlaps / (1 + place)[None]).sum(axis=1) / (1 / (1 + place)).sum()
        inside = coverage(own, own)
        columns = [
            place / others,
            np.log1p(place),
            np.full(len(own), np.log(others)),
            start,
            end,
            length,
            np.log(length),
            np.full(len(own), np.log(duration)),
            (start < 0.01).astype(float),
            (end > 0.99).astype(float),
            overlaps.sum(axis=1) / others,
            overlaps.max(axis=1, initial=0.0),
            (overlaps > 0.5).sum(axis=1) / others,
            (overlaps > 0.8).sum(axis=1) / others,
            above,
            early,
            inside.mean(axis=0) - inside.mean(axis=1),
        ]
        parts.append(np.stack(columns, axis=1))
    return np.concatenate(parts).astype(np.float32)


def _best_overlaps(truth: GroundTruth, given: Predictions) -> np.ndarray:
    assert given.segments is not None
    place = {name: number for number, name in enumerate(truth.video_ids)}
    parts = []
    for number, name in enumerate(given.video_ids):
        overlaps = tiou(given.segments[given.video == number], truth.segments[truth.video == place[name]])
        parts.append(np.nan_to_num(overlaps).max(axis=1, initial=0.0))
    return np.concatenate(parts)


class _Pairs:
    """An item is 16 proposals of one video, half of them positives where it has both kinds."""

    def __init__(self, described: np.ndarray, kinds: np.ndarray, groups: Sequence[np.ndarray]) -> None:
        self._rows, self._kinds, self._groups = described, kinds, groups

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.at(index, np.random.default_rng(index))

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        group = self._groups[index]
        present = [own for kind in (0, 1) if len(own := group[self._kinds[group] == kind])]
        shares = np.array_split(np.arange(16), len(present))
        drawn = np.concatenate([generator.choice(own, len(part)) for own, part in zip(present, shares, strict=True)])
        return torch.from_numpy(self._rows[drawn]), torch.from_numpy(self._kinds[drawn].astype(np.float32))


def _learnt(described: np.ndarray, best: np.ndarray, chosen: np.ndarray, video: np.ndarray) -> ActionnessNet:
    rule = PairRule()
    known = chosen[(best[chosen] >= rule.positive_tiou) | (best[chosen] <= rule.negative_tiou)]
    groups = [known[video[known] == number] for number in np.unique(video[known])]
    torch.manual_seed(0)
    net = ActionnessConfig(hidden=64, dropout=0.0).build(described.shape[1])
    pairs = _Pairs(described, (best >= rule.positive_tiou).astype(np.int64), groups)
    fit(net, pairs, actionness_loss, schedule=SCHEDULE, run=Run(device="cpu", seed=0, loaders=0), name="ranker")
    return net


def _cut(given: Predictions, rule: Rule, seconds: np.ndarray) -> Predictions:
    assert given.segments is not None
    video, segments, scores = [], [], []
    for number, duration in enumerate(seconds.tolist()):
        rows = np.flatnonzero(given.video == number)
        kept = suppress(given.segments[rows], given.scores[rows], rule, duration=duration)
        video.append(np.full(len(kept.scores), number))
        segments.append(kept.segments)
        scores.append(kept.scores)
    return Predictions(
        task=Task.PROPOSALS,
        video_ids=given.video_ids,
        video=np.concatenate(video),
        segments=np.concatenate(segments),
        scores=np.concatenate(scores),
    )


def _row(what: str, truth: GroundTruth, given: Predictions, *, least: float | None = None) -> Row:
    result = proposals.evaluate(truth, given)
    note = (
        f"AR@1 {result.at(1):.4f}, AR@10 {result.at(10):.4f}, AR@50 {result.at(50):.4f}, {result.proposals} proposals"
    )
    if least is None:
        return Row(what=what, value=result.auc, unit="% AUC", note=note)
    return at_least(what, result.auc, least, unit="% AUC", note=note)

"""System 18 on the small playground: it fits, keeps suppression and quotas, knows its bound, and comes back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from small_world import shortened
from untrimmed.columns import ground_truth_of, predictions_of
from untrimmed.data import open_dataset
from untrimmed.evaluate import proposals
from untrimmed.features import learned, sequences
from untrimmed.features.extract import extract
from untrimmed.features.images import RgbImages
from untrimmed.features.joint_rows import JointRows
from untrimmed.features.sequences import Sequences
from untrimmed.features.store import FeatureStore
from untrimmed.nets.temporal_context import TemporalContextConfig
from untrimmed.propose.suppress import HardNms
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task
from untrimmed.report.suppression_curve import suppression_curve
from untrimmed.systems.temporal_context import LAPTOP, Ranked, TemporalContextNetwork, TemporalContextNetworkConfig
from untrimmed.timeline import tiou
from untrimmed.train import Run

GRID = 62 * 8
"""Candidates of LAPTOP's pyramid: 62 places, 8 lengths."""
RUN = Run(seed=3, device="cpu", loaders=0)


@dataclass(frozen=True)
class World:
    dataset: Dataset
    store: FeatureStore
    system: TemporalContextNetwork
    still: list[torch.Size]
    """Shapes of the parameters that never had a gradient."""


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Processes take seconds to start; what they do is tested with extraction."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (learned, sequences):
            patch.setattr(module, "extract", partial(extract, workers=0))
        yield


@pytest.fixture(scope="module")
def world(_one_process: None, small_playground: Path) -> World:
    dataset = open_dataset(small_playground / "untrimmed")
    store = FeatureStore(small_playground.parent / "store")
    moved: dict[int, tuple[torch.Size, bool]] = {}

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for parameter in (one for group in optimizer.param_groups for one in group["params"]):
            now = parameter.grad is not None and bool((parameter.grad != 0).any())
            moved[id(parameter)] = (parameter.shape, now or moved.get(id(parameter), (None, False))[1])

    handle = register_optimizer_step_pre_hook(look)
    system = TemporalContextNetwork(shortened(LAPTOP))
    system.fit(dataset, store=store, run=RUN)
    handle.remove()
    assert moved
    return World(dataset, store, system, [shape for shape, reached in moved.values() if not reached])


def _said(world: World, system: TemporalContextNetwork | None = None) -> list[Prediction]:
    return list((system or world.system).predict(world.dataset.subset("testing").videos, store=world.store))


def _flat(predictions: list[Prediction]) -> list[object]:
    return [one.proposals for one in predictions]


def test_every_parameter_gets_a_gradient(world: World) -> None:
    assert world.still == []


def test_proposals_are_in_falling_score_within_the_video_and_apart(world: World) -> None:
    found = _said(world)
    assert len(found) == len(world.dataset.subset("testing").videos)
    for prediction in found:
        assert prediction.proposals
        assert len(prediction.proposals) <= 100
        segments = np.array([one.segment for one in prediction.proposals])
        scores = [one.score for one in prediction.proposals]
        assert scores == sorted(scores, reverse=True)
        assert segments.min() >= 0
        assert segments.max() <= prediction.video.duration
        overlap = tiou(segments, segments)
        np.fill_diagonal(overlap, 0)
        assert overlap.max() <= 0.85


def test_quotas_limit_each_length(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    assert len(list(world.system.predict([video], store=world.store))) == 1  # measures what is missing
    ranked = world.system.ranked(video, store=world.store)
    assert len(ranked.segments) == GRID
    limited = world.system.proposals(ranked, rule=HardNms(tiou=1.0), quotas=(3, 0, 5, 0, 0, 0, 0, 1))
    assert len(limited) == 9
    allowed = np.isin(ranked.levels, (0, 2, 7))  # the ends of the video cut others to the same segments
    places = [int(np.flatnonzero((ranked.segments == one.segment).all(axis=1) & allowed)[0]) for one in limited]
    assert sorted(ranked.levels[places].tolist()) == [0, 0, 0, 2, 2, 2, 2, 2, 7]
    best = ranked.scores[ranked.levels == 2].max()
    assert any(one.score == pytest.approx(best) for one in limited)


def test_no_ranking_exceeds_the_bound_of_the_grid(world: World) -> None:
    bound = world.system.bound(world.dataset, "testing")
    testing = world.dataset.subset("testing").videos
    assert len(list(world.system.predict(testing, store=world.store))) == len(testing)  # measures what is missing
    every = TemporalContextNetwork(replace(world.system.config, proposal_count=GRID))
    vars(every).update({**vars(world.system), "config": every.config})
    said = []
    for video in world.dataset.subset("testing").videos:
        ranked = every.ranked(video, store=world.store)
        said.append(Prediction(video=video, proposals=every.proposals(ranked, rule=HardNms(tiou=1.0))))
    truth = ground_truth_of(world.dataset, "testing")
    columns = predictions_of(said, Task.PROPOSALS)
    whole = proposals.evaluate(truth, columns, max_average=None)
    np.testing.assert_allclose(whole.recall[:, -1], bound.recall)
    few = proposals.evaluate(truth, predictions_of(_said(world), Task.PROPOSALS))
    assert (few.recall[:, -1] <= bound.recall + 1e-12).all()
    curve = suppression_curve(
        {one.video.video_id: (one.segments, one.scores) for one in _all_ranked(world)}, truth, thresholds=(0.85,)
    )
    assert curve.auc[0] == pytest.approx(few.auc)


def _all_ranked(world: World) -> list[Ranked]:
    return [world.system.ranked(video, store=world.store) for video in world.dataset.subset("testing").videos]


def test_saved_and_loaded_elsewhere_it_says_the_same(world: World, tmp_path: Path) -> None:
    world.system.save(tmp_path / "saved")
    (tmp_path / "saved").rename(tmp_path / "moved")
    loaded = TemporalContextNetwork.load(tmp_path / "moved")
    assert loaded.config == world.system.config
    assert [item.key for item in loaded.features()] == [item.key for item in world.system.features()]
    assert _flat(_said(world, loaded)) == _flat(_said(world))


def test_the_same_seed_gives_the_same_numbers(world: World) -> None:
    again = TemporalContextNetwork(world.system.config)
    again.fit(world.dataset, store=world.store, run=RUN)
    assert _flat(_said(world, again)) == _flat(_said(world))


def test_features_side_by_side_and_ranking(world: World) -> None:
    net = TemporalContextConfig(hidden=8, loss="ranking", filters=4, other_tiou=0.7)
    system = TemporalContextNetwork(replace(world.system.config, evidence="features", net=net))
    system.fit(world.dataset, store=world.store, run=RUN)
    assert all(one.proposals for one in _said(world, system))


def test_published_values() -> None:
    config = TemporalContextNetworkConfig()
    assert config.suppression == HardNms(tiou=0.85)
    assert config.proposal_count == 100
    assert (config.schedule.batch_size, config.net.positives + config.net.others + config.net.negatives) == (16, 64)
    assert TemporalContextNetwork.tasks == {Task.PROPOSALS}


def test_words_of_errors(world: World, tmp_path: Path) -> None:
    fresh = TemporalContextNetwork(LAPTOP)
    with pytest.raises(NotTrained, match=r"system 18 \(temporal context network\) must be fitted or loaded first"):
        fresh.features()
    with pytest.raises(DataError, match="system 18 learns from segments of untrimmed videos, but training videos of"):
        fresh.fit(Dataset(name="none", annotations=(), labels=("red",)), store=world.store, run=RUN)
    world.system.save(tmp_path / "cut")
    text = (tmp_path / "cut" / "config.json").read_text()
    (tmp_path / "cut" / "config.json").write_text(text.replace('"ranker",', "").replace('"ranker"', '"rows-0"'))
    with pytest.raises(DataError, match=r"must hold the weights ranker.safetensors of a TemporalContextNetwork"):
        TemporalContextNetwork.load(tmp_path / "cut")
    with pytest.raises(
        DataError, match="evidence of scores needs sources that are nets on pictures; features take any"
    ):
        fresh._evidence(JointRows((Sequences(RgbImages()),)))

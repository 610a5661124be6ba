"""The proposals of report 17 on drawn rows: two nets of unequal worth find when something happens, re-ranking lifts
them, fusion is tuned on what validation says, and what was fitted comes back from its tables."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from untrimmed.columns import ground_truth_of, predictions_of
from untrimmed.configs import from_plain, to_plain
from untrimmed.evaluate import proposals
from untrimmed.features.learned import StreamFeature
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.tables import FeatureTable
from untrimmed.propose.actionness import ActionnessConfig
from untrimmed.propose.rerank import ProposalRows
from untrimmed.records import Annotation, DataError, Dataset, Instance, Prediction, Proposal, Task, Video
from untrimmed.systems.p3d_quantization import P3dQuantizationConfig
from untrimmed.systems.tag_reranking import ProposalPart, TagRerankingConfig, fit_proposals, restore_proposals
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", seed=1, loaders=0)
QUICK = Schedule(steps=40, batch_size=16, optimizer="adam", learning_rate=0.01)
STEPS, SECONDS = 40, 20.0


@dataclass
class World:
    dataset: Dataset
    store: FeatureStore
    part: ProposalPart
    config: TagRerankingConfig
    still: list[torch.Size]


def _config(folder: Path) -> TagRerankingConfig:
    tables = [FeatureTable(path=folder / f"{name}.h5") for name in ("clear", "noisy")]
    return TagRerankingConfig(
        streams=tuple(SequenceSource(rows=table) for table in tables),
        actionness=ActionnessConfig(hidden=8, dropout=0.0),
        actionness_schedule=QUICK,
        seen=ProposalRows(context=0.5),
        ranker=ActionnessConfig(hidden=8, dropout=0.0),
        ranker_schedule=QUICK,
        levels=4,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    folder, rng, known = tmp_path_factory.mktemp("rows"), np.random.default_rng(0), []
    with h5py.File(folder / "clear.h5", "w") as clear, h5py.File(folder / "noisy.h5", "w") as noisy:
        for number in range(30):
            subset = ("training",) * 4 + ("validation", "testing")
            start = rng.uniform(2, 10)
            span = (start, start + rng.uniform(3, 8))
            middles = (np.arange(STEPS) + 0.5) * SECONDS / STEPS
            inside = ((middles >= span[0]) & (middles < span[1])).astype(float)
            for file, noise in ((clear, 0.7), (noisy, 2.5)):
                rows = rng.normal(0, noise, (STEPS, 4))
                rows[:, 0] += inside
                file.create_group(f"v_x{number}").create_dataset("features", data=rows.astype(np.float32))
            video = Video(video_id=f"x{number}", duration=SECONDS, subset=subset[number % 6])
            known.append(Annotation(video=video, instances=(Instance(span, "move"),)))
    dataset, store, config = (
        Dataset(name="drawn", annotations=tuple(known)),
        FeatureStore(folder / "s"),
        _config(folder),
    )
    seen: dict[int, tuple[torch.Size, bool]] = {}

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            for one in group["params"]:
                moved = one.grad is not None and bool((one.grad != 0).any())
                seen[id(one)] = (one.shape, moved or seen.get(id(one), (one.shape, False))[1])

    handle = register_optimizer_step_pre_hook(look)
    part = fit_proposals(config, dataset, store=store, run=RUN)
    handle.remove()
    return World(dataset, store, part, config, [shape for shape, moved in seen.values() if not moved])


def _auc(world: World, subset: str, said: dict[str, tuple[Proposal, ...]]) -> float:
    videos = world.dataset.subset(subset).videos
    found = predictions_of([Prediction(video=v, proposals=said[v.video_id]) for v in videos], Task.PROPOSALS)
    return proposals.evaluate(ground_truth_of(world.dataset, subset), found).auc


def _alone(world: World, subset: str, stream: int, *, reranked: bool) -> dict[str, tuple[Proposal, ...]]:
    return {
        video.video_id: world.part.alone(video, stream, reranked=reranked, store=world.store)
        for video in world.dataset.subset(subset).videos
    }


def test_every_parameter_has_a_gradient(world: World) -> None:
    assert world.still == []


def test_proposals_keep_the_rules(world: World) -> None:
    for video in world.dataset.subset("testing").videos:
        found = world.part.propose(video, store=world.store)
        assert 0 < len(found) <= 100
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)
        assert min(scores) >= 0
        assert max(scores) <= 1
        for one in found:
            assert 0 <= one.segment[0] < one.segment[1] <= video.duration
        few = replace(world.part, config=replace(world.config, proposal_count=3))
        assert few.propose(video, store=world.store) == found[:3]


def test_reranking_leaves_the_segments_and_lifts_recall(world: World) -> None:
    plain, again = (_alone(world, "testing", 0, reranked=reranked) for reranked in (False, True))
    for name, found in plain.items():
        if len(found) < 100:
            assert {one.segment for one in found} == {one.segment for one in again[name]}
    assert _auc(world, "testing", again) > _auc(world, "testing", plain)


def test_the_voices_are_means_of_curves_and_the_rankers_words(world: World) -> None:
    video = world.dataset.subset("testing").videos[0]
    segments, voices = world.part.voices(video, store=world.store)
    assert voices.shape == (4, len(segments))
    by_segment = {(float(start), float(end)): column for (start, end), column in zip(segments, voices.T, strict=True)}
    for stream in (0, 1):
        for reranked, voice in ((False, stream), (True, 2 + stream)):
            for one in world.part.alone(video, stream, reranked=reranked, store=world.store):
                assert by_segment[one.segment][voice] == pytest.approx(one.score, abs=1e-6)


def test_the_fusion_is_tuned_on_validation_and_no_worse_than_its_parts_there(world: World) -> None:
    assert world.part.weights.sum() == pytest.approx(1)
    assert (world.part.weights >= 0).all()
    videos = world.dataset.subset("validation").videos

    def fused(weights: np.ndarray) -> float:
        part = replace(world.part, weights=weights)
        return _auc(world, "validation", {v.video_id: part.propose(v, store=world.store) for v in videos})

    mine = fused(world.part.weights)
    assert mine >= max(fused(weights) for weights in (np.full(4, 0.25), *np.eye(4))) - 1e-9
    unseen = replace(world.dataset, annotations=world.dataset.subset("training").annotations)
    assert len(unseen.subset("validation").annotations) == 0


def test_it_comes_back_from_tables_and_repeats_itself(world: World, tmp_path: Path) -> None:
    back = restore_proposals(world.config, world.part.tables(), folder=tmp_path)
    video = world.dataset.subset("testing").videos[1]
    assert back.propose(video, store=world.store) == world.part.propose(video, store=world.store)
    again = fit_proposals(world.config, world.dataset, store=world.store, run=RUN)
    assert again.propose(video, store=world.store) == world.part.propose(video, store=world.store)


def test_without_validation_videos_all_weigh_equally(world: World, caplog: pytest.LogCaptureFixture) -> None:
    training = Dataset(name="drawn", annotations=world.dataset.subset("training").annotations)
    short = Schedule(steps=2, batch_size=4)
    config = replace(world.config, streams=world.config.streams[:1], actionness_schedule=short, ranker_schedule=short)
    part = fit_proposals(config, training, store=world.store, run=RUN)
    assert part.weights.tolist() == [0.5, 0.5]
    assert "drawn has no validation videos to tune the proposals' fusion on" in caplog.text


def test_the_published_values() -> None:
    config = P3dQuantizationConfig().proposals
    rows = [source.rows for source in config.streams if isinstance(source.rows, StreamFeature)]
    assert [(one.stride, one.stream.sampling.frames) for one in rows] == [(8, 1), (8, 1), (8, 16)]
    assert config.proposal_count == 100
    assert config.seen == ProposalRows()
    assert from_plain(TagRerankingConfig, to_plain(config)) == config


def test_words_of_errors(world: World, tmp_path: Path) -> None:
    clips = replace(world.dataset, trimmed=True)
    with pytest.raises(
        DataError, match="proposals are learnt from segments of untrimmed videos, but training videos of"
    ):
        fit_proposals(world.config, clips, store=world.store, run=RUN)
    tables = world.part.tables()
    with pytest.raises(DataError, match=r"proposals.safetensors must hold 4 weights >= 0, got \[\]"):
        restore_proposals(world.config, {}, folder=tmp_path)
    del tables["proposals-ranker-1"]
    with pytest.raises(DataError, match=r"must hold the weights proposals-ranker-1.safetensors of its proposals"):
        restore_proposals(world.config, tables, folder=tmp_path)

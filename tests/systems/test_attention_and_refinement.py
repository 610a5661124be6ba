"""System 03: what is trained when, what the refinement touches, what outside videos add, what is kept."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from small_world import shortened
from untrimmed.classify.refine import RefinementConfig, candidates
from untrimmed.data import open_dataset
from untrimmed.features import extract as extraction
from untrimmed.features import learned as of_learned
from untrimmed.features import members as of_members
from untrimmed.features import sequences as of_sequences
from untrimmed.features.members import fit_members
from untrimmed.features.outside_videos import OutsideVideos
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError, Dataset, Video
from untrimmed.systems import attention_and_refinement as module
from untrimmed.systems.attention_and_refinement import LAPTOP, AttentionAndRefinement, AttentionAndRefinementConfig
from untrimmed.train import Run

World = tuple[Dataset, FeatureStore]
RUN = Run(seed=2, device="cpu", loaders=0)
CONFIG: AttentionAndRefinementConfig = shortened(
    replace(
        LAPTOP,
        members=tuple(one for one in LAPTOP.members if one.name in ("rgb", "attention")),
        baseline=("rgb",),
        refinement=RefinementConfig(classes=4, depth=3),
    )
)


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Worker processes would take longer to start than a few videos to measure."""
    with pytest.MonkeyPatch.context() as patch:
        for part in (of_members, of_sequences, of_learned):
            patch.setattr(part, "extract", lambda *given, **options: extraction.extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def world(small_playground: Path) -> World:
    torch.set_num_threads(1)
    return open_dataset(small_playground / "untrimmed"), FeatureStore(small_playground.parent / "store")


@pytest.fixture(scope="module")
def fitted(world: World) -> AttentionAndRefinement:
    system = AttentionAndRefinement(CONFIG)
    system.fit(world[0], store=world[1], run=RUN)
    assert len(list(system.predict(everybody(world[0]), store=world[1]))) == len(everybody(world[0]))
    return system


def everybody(dataset: Dataset) -> list[Video]:
    return [one.video for one in dataset.annotations if one.labels]


def test_refinement_deals_out_the_scores_of_the_refined_classes_and_of_no_other(
    fitted: AttentionAndRefinement, world: World
) -> None:
    dataset, store = world
    videos = everybody(dataset)
    before, after = fitted.unrefined(videos, store=store), fitted.fused(videos, store=store)
    np.testing.assert_allclose(before.sum(axis=1), 1.0)
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    refined = [fitted.labels.index(label) for label in fitted.refined_classes]
    assert 1 <= len(refined) <= 4
    others = [place for place in range(len(fitted.labels)) if place not in refined]
    np.testing.assert_array_equal(before[:, others], after[:, others])
    moved = before != after
    assert moved.any()
    assert not (moved & ~candidates(before, depth=3)).any()
    members = fitted.member_scores(videos, store=store)
    np.testing.assert_allclose(before, (members["rgb"] + members["attention"]) / 2)


def test_predictions_are_of_one_call_and_a_video_alone_keeps_its_scores(
    fitted: AttentionAndRefinement, world: World
) -> None:
    videos = everybody(world[0])
    together = list(fitted.predict(videos, store=world[1]))
    assert [one.video for one in together] == videos
    fused = fitted.fused(videos, store=world[1])
    for row, one in zip(fused, together, strict=True):
        assert one.classes is not None
        assert [one.classes.scores[label] for label in fitted.labels] == row.tolist()
    np.testing.assert_array_equal(
        fitted.fused(videos[:1], store=world[1]), fitted.unrefined(videos[:1], store=world[1])
    )
    assert list(fitted.predict([], store=world[1])) == []


def test_saved_it_says_the_same_and_a_foreign_refinement_is_refused(
    fitted: AttentionAndRefinement, world: World, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "saved")
    loaded = AttentionAndRefinement.load(tmp_path / "saved")
    videos = everybody(world[0])
    assert loaded.refined_classes == fitted.refined_classes
    np.testing.assert_array_equal(loaded.fused(videos, store=world[1]), fitted.fused(videos, store=world[1]))
    other = tmp_path / "saved" / "net-rgb.safetensors"
    (tmp_path / "saved" / "refinement.safetensors").write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=r"refinement\.safetensors must hold a row of 128 weights for some of 20"):
        AttentionAndRefinement.load(tmp_path / "saved")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Dataset, Run]]:
    seen: list[tuple[list[str], Dataset, Run]] = []

    def spied(configs, dataset, *, store, run):  # type: ignore[no-untyped-def]
        seen.append(([one.name for one in configs], dataset, run))
        return fit_members(configs, dataset, store=store, run=run)

    monkeypatch.setattr(module, "fit_members", spied)
    return seen


def test_once_confirmed_the_validation_and_outside_videos_are_learnt_from(
    world: World, tmp_path: Path, trainings: list[tuple[list[str], Dataset, Run]]
) -> None:
    """The baseline alone is trained first; then everything, on more videos, in a folder of its own."""
    dataset, store = world
    folder = tmp_path / "found"
    for number, one in enumerate(a for a in dataset.subset("testing").annotations if a.labels):
        assert one.video.path is not None
        content = one.video.path.read_bytes()
        place = folder / one.labels[0].upper().replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"twin{number}.mp4").write_bytes(content)  # the bytes of a test video
        (place / f"other{number}.mp4").write_bytes(content + b"\0" * number)  # as good as other bytes
    outside = OutsideVideos(path=folder, top=20, most=1000)
    system = AttentionAndRefinement(replace(CONFIG, outside=outside, learn_validation=True))
    system.fit(dataset, store=store, run=replace(RUN, folder=tmp_path / "run"))
    (names, first, before), (again, grown, after) = trainings
    assert (names, again) == (["rgb"], ["rgb", "attention"])
    assert first is dataset
    assert before.folder == tmp_path / "run"
    assert after.folder == tmp_path / "run" / "grown"
    assert grown.subset("validation").annotations == ()
    own = {one.video.video_id for one in dataset.annotations}
    added = [one for one in grown.subset("training").annotations if one.video.video_id not in own]
    assert added
    assert all(one.video.video_id.startswith("other") and one.labels[0] in dataset.labels for one in added)
    assert grown.labels == dataset.labels
    assert grown.subset("testing") == dataset.subset("testing")


def test_without_anything_to_add_every_member_is_trained_once(
    world: World, trainings: list[tuple[list[str], Dataset, Run]], caplog: pytest.LogCaptureFixture
) -> None:
    dataset, store = world
    some = replace(dataset, annotations=tuple(a for a in dataset.annotations if a.video.subset != "validation"))
    with caplog.at_level(logging.WARNING):
        AttentionAndRefinement(replace(CONFIG, learn_validation=True)).fit(some, store=store, run=RUN)
    assert [(names, data is some) for names, data, _ in trainings] == [(["rgb", "attention"], True)]
    assert "has no validation videos: the training videos tell which classes are hard" in caplog.text


def test_the_published_members_are_five_nets_of_each_stream_attention_and_sound() -> None:
    config = AttentionAndRefinementConfig()
    assert len(config.members) == 12
    assert config.baseline == tuple(member.name for member in config.members[:10])
    assert config.refinement == RefinementConfig(classes=100, depth=10, negatives=9)


def test_words() -> None:
    for baseline in ((), ("rgb", "unknown")):
        with pytest.raises(DataError, match="the baseline of system 03 must be some of the members"):
            replace(CONFIG, baseline=baseline)
    with pytest.raises(DataError, match="system 03 refines on a member with vectors, got 'rgb' of"):
        replace(CONFIG, refined_on="rgb")

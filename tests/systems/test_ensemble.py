"""An ensemble of one member of each kind: what it learns, keeps, leaves out and refuses."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from untrimmed.aggregate.heads import LstmHeadConfig
from untrimmed.aggregate.shifting import MultiGroupConfig, ShiftingConfig
from untrimmed.classify.linear import LinearConfig
from untrimmed.features import extract as extraction
from untrimmed.features import learned as of_learned
from untrimmed.features import members as of_members
from untrimmed.features import sequences as of_sequences
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.feature import Feature, FeatureSequence, Measurement, Rows
from untrimmed.features.given_files import given_files, kept_names, with_kept_files
from untrimmed.features.images import RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member, fit_members
from untrimmed.features.row_nets import RowItems, RowNet, rows_of
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.fusion import AnyFusion, Equal, Searched
from untrimmed.media.writer import write_video
from untrimmed.nets.zoo import SmallNet
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule

RUN = Run(device="cpu", loaders=0)
SCHEDULE = Schedule(steps=30, batch_size=8, optimizer="adam", learning_rate=0.02)
STREAM = Stream(
    net=SmallNet(width=4, input_size=(16, 16), dropout=0.0),
    images=RgbImages(size=(24, 24), per_second=5.0),
    sampling=Sampling(sections=1),
    augmentation=Augmentation(),
    schedule=SCHEDULE,
    views=TestViews(positions=2, ten_crop=False),
)
ROWS = SequenceSource(rows=StreamFeature(stream=STREAM, stride=1, learn=True))
MEMBERS = (
    Member(name="rgb", classifier=STREAM),
    Member(name="lstm", classifier=RowNet(sources=(ROWS,), head=LstmHeadConfig(cells=8), schedule=SCHEDULE, steps=4)),
    Member(
        name="groups",
        classifier=RowNet(
            sources=(ROWS, ROWS),
            head=MultiGroupConfig(groups=(ShiftingConfig(), ShiftingConfig())),
            schedule=SCHEDULE,
            window=0.5,
            balanced=True,
        ),
    ),
    Member(name="svm", classifier=VectorClassifier(vector=VideoVector(source=ROWS), linear=LinearConfig(cost=100.0))),
)


@dataclass(frozen=True, kw_only=True)
class FourConfig:
    """One member of each kind."""

    members: tuple[Member, ...] = MEMBERS
    fusion: AnyFusion = Searched()  # noqa: RUF009


class Four(EnsembleSystem[FourConfig]):
    """An ensemble for tests."""

    number: ClassVar[int] = 5
    config_class: ClassVar[type[Any]] = FourConfig


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> object:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (of_members, of_sequences, of_learned):
            patch.setattr(module, "extract", lambda *given, **options: extraction.extract(*given, workers=0, **options))
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore]:
    """Trimmed clips of one second, red or blue."""
    folder = tmp_path_factory.mktemp("ensemble")
    made = []
    for i in range(16):
        red = bool(i & 1)
        picture = np.full((32, 32, 3), 10 * (i // 2), np.uint8)
        picture[..., 0 if red else 2] += 120
        path = folder / f"v{i}.mp4"
        write_video(path, [picture] * 10, fps=10)
        subset = ("training", "training", "validation", "testing")[i // 4]
        video = Video(video_id=f"v{i}", duration=1.0, subset=subset, path=path)
        made.append(Annotation(video=video, instances=(Instance((0.0, 1.0), "red" if red else "blue"),)))
    return Dataset(name="colours", annotations=tuple(made), trimmed=True), FeatureStore(folder / "store")


@pytest.fixture(scope="module")
def fitted(world: tuple[Dataset, FeatureStore]) -> Four:
    system = Four(FourConfig())
    system.fit(world[0], store=world[1], run=RUN)
    return system


def test_every_kind_of_member_learns_and_the_fusion_is_of_them(
    fitted: Four, world: tuple[Dataset, FeatureStore]
) -> None:
    dataset, store = world
    videos = dataset.subset("testing").videos
    said = list(fitted.predict(videos, store=store))
    assert [one.video for one in said] == list(videos)
    members = fitted.member_scores(videos, store=store)
    assert list(members) == ["rgb", "lstm", "groups", "svm"]
    truth = [dataset.labels.index(a.labels[0]) for a in dataset.subset("testing").annotations]
    for name, scores in members.items():
        assert scores.sum(axis=1) == pytest.approx(1), name
        assert scores.argmax(axis=1).tolist() == truth, name
    assert fitted.fused(videos, store=store).argmax(axis=1).tolist() == truth


def test_saved_it_says_the_same(fitted: Four, world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    videos, store = world[0].subset("testing").videos, world[1]
    assert len(list(fitted.predict(videos, store=store))) == len(videos)  # measures what is missing
    fitted.save(tmp_path / "saved")
    loaded = Four.load(tmp_path / "saved")
    assert loaded.config == fitted.config
    assert loaded.labels == fitted.labels
    np.testing.assert_array_equal(loaded.fused(videos, store=store), fitted.fused(videos, store=store))
    (tmp_path / "saved" / "net-lstm.safetensors").write_bytes((tmp_path / "saved" / "net-rgb.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"net-lstm\.safetensors must hold the dims of 1 sources, got \[\]"):
        Four.load(tmp_path / "saved")


def test_without_validation_videos_members_weigh_equally(
    world: tuple[Dataset, FeatureStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset, store = world
    some = tuple(a for a in dataset.annotations if a.video.subset != "validation")
    system = Four(FourConfig(members=(MEMBERS[0], MEMBERS[3])))
    with caplog.at_level(logging.WARNING):
        system.fit(replace(dataset, annotations=some), store=store, run=RUN)
    assert "has no validation videos to learn a fusion from" in caplog.text
    videos = dataset.subset("testing").videos
    assert len(list(system.predict(videos, store=store))) == len(videos)  # measures what is missing
    parts = system.member_scores(videos, store=store)
    np.testing.assert_allclose(system.fused(videos, store=store), (parts["rgb"] + parts["svm"]) / 2)
    system.save(tmp_path / "saved")
    np.testing.assert_array_equal(
        Four.load(tmp_path / "saved").fused(videos, store=store), system.fused(videos, store=store)
    )


def test_equal_streams_are_trained_once(world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    run = replace(RUN, folder=tmp_path)
    twice = (MEMBERS[0], Member(name="again", classifier=STREAM), MEMBERS[1])
    fit_members(twice, world[0], store=world[1], run=run)
    assert len([place for place in tmp_path.iterdir() if place.name.startswith("net-")]) == 1


def test_names_and_sources_are_checked(world: tuple[Dataset, FeatureStore]) -> None:
    with pytest.raises(DataError, match=r"members of different names, got \['rgb', 'rgb'\]"):
        fit_members((MEMBERS[0], MEMBERS[0]), world[0], store=world[1], run=RUN)
    with pytest.raises(DataError, match="a head LstmHeadConfig needs one source of rows, got 2"):
        RowNet(sources=(ROWS, ROWS), head=LstmHeadConfig(), schedule=SCHEDULE)
    with pytest.raises(DataError, match="needs steps and window > 0, got 0 and None"):
        RowNet(sources=(ROWS,), head=LstmHeadConfig(), schedule=SCHEDULE, steps=0)
    untold = Dataset(name="untold", annotations=(Annotation(video=world[0].videos[0]),), trimmed=True)
    with pytest.raises(DataError, match="untold has none"):
        fit_members((MEMBERS[1],), untold, store=world[1], run=RUN)


def sequence(steps: int, *, stride: float) -> FeatureSequence:
    values = np.arange(steps, dtype=np.float32)[:, None]
    return FeatureSequence(values, TimeGrid(start=0.0, stride=stride, window=stride, steps=steps))


def test_rows_of_a_segment_are_its_own_and_at_most_so_many() -> None:
    both = [sequence(100, stride=0.1), sequence(10, stride=1.0)]
    rows = rows_of(both, (2.0, 6.0), steps=8)
    assert rows[0].flatten().tolist() == [22, 27, 32, 37, 42, 47, 52, 57]
    assert rows[1].flatten().tolist() == [2, 3, 4, 5]
    rng = np.random.default_rng(0)
    drawn = np.stack([rows_of(both, (2.0, 6.0), steps=8, generator=rng)[0].numpy().ravel() for _ in range(200)])
    for place in range(8):
        assert set(drawn[:, place]) == set(range(20 + 5 * place, 25 + 5 * place))


def test_items_are_windows_of_their_pieces() -> None:
    from untrimmed.features.clip_sets import Piece

    config = RowNet(sources=(ROWS,), head=LstmHeadConfig(), schedule=SCHEDULE, window=2.0)
    items = RowItems(
        config, [Piece("v", (1.0, 9.0), 3), Piece("v", None, 0)], load=lambda _: (sequence(100, stride=0.1),)
    )
    rng = np.random.default_rng(0)
    starts = []
    for _ in range(100):
        rows, label = items.at(0, rng)
        assert label == 3
        assert 20 <= len(rows[0]) <= 21
        starts.append(float(rows[0][0, 0]))
    assert 10 <= min(starts) < 15 < 65 < max(starts) <= 70
    rows, lengths, labels = items.collate([items[0], items[1]])
    assert rows[0].shape[0] == 2
    assert labels.tolist() == [3, 0]
    assert int(lengths[0].max()) == rows[0].shape[1]


@dataclass(frozen=True, kw_only=True)
class Learnt(Feature):
    """A feature that is measured with a file."""

    name = "learnt"
    weights: Path | None = None

    def rows(self, video: Path, given: Mapping[Feature, Measurement]) -> Rows:
        raise NotImplementedError


@dataclass(frozen=True)
class Holder:
    features: tuple[Learnt, ...]
    weights: Path
    fusion: AnyFusion = Equal()  # noqa: RUF009


def test_given_files_are_those_of_features_alone() -> None:
    first, second = Path("a.safetensors"), Path("b.onnx")
    config = Holder((Learnt(weights=first), Learnt(), Learnt(weights=second), Learnt(weights=first)), Path("c"))
    assert given_files(config) == [first, second]
    assert kept_names(config) == {"given-0.safetensors": first, "given-1.onnx": second}
    moved = with_kept_files(config, Path("x"))
    assert given_files(moved) == [Path("x/given-0.safetensors"), Path("x/given-1.onnx")]
    assert moved.weights == Path("c")

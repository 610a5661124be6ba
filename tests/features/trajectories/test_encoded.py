"""Rows of trajectories: streamed sums against everything at once, and codebooks that come from many videos."""

import logging
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.drawn import texture, write_clip
from untrimmed.aggregate.codebook import CodebookConfig, fit_codebook, to_tensors
from untrimmed.aggregate.fisher import RAW, fisher_vector
from untrimmed.aggregate.reservoir import Reservoir
from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.store import FeatureStore
from untrimmed.features.trajectories import learning
from untrimmed.features.trajectories.block import DESCRIPTORS, TrajectoryBlock
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.encoded import TrajectoryFisher, encoded, read_codebook
from untrimmed.features.trajectories.learning import TrajectoryEncoding, keep_codebook, learn_codebook
from untrimmed.features.trajectories.stream import track_video
from untrimmed.media.writer import write_video
from untrimmed.records import DataError, Video

SMALL = TrajectoryEncoding(
    trajectories=Trajectories(compensated=False), codebook=CodebookConfig(words=4, samples=300, iterations=5)
)


def drawn_block(count: int, *, seed: int = 0) -> TrajectoryBlock:
    """Trajectories made of noise."""
    rng = np.random.default_rng(seed)
    rows = {name: rng.normal(size=(count, dims)).astype(np.float32) for name, dims in DESCRIPTORS.items()}
    two, one = np.zeros((count, 2), np.float32), np.zeros(count, np.float32)
    return TrajectoryBlock(ends=np.zeros(count, np.int64), mean=two, variance=two, length=one, scale=one, **rows)


def drawn_codebook_file(folder: Path, descriptors: tuple[str, ...] = tuple(DESCRIPTORS)) -> Path:
    """A codebook of noise in a file."""
    block = drawn_block(400, seed=9)
    config = CodebookConfig(descriptors=descriptors, words=3, samples=400, iterations=3)
    return keep_codebook(fit_codebook({name: block.descriptor(name) for name in DESCRIPTORS}, config), folder)


def moving(path: Path, *, seed: int = 0, frames: int = 24) -> Video:
    """A texture that slides."""
    return write_clip(path, frames=frames, size=(64, 80), seed=seed)


def test_streamed_rows_are_those_of_everything_at_once(tmp_path: Path) -> None:
    path = drawn_codebook_file(tmp_path)
    codebook = read_codebook(path, tuple(DESCRIPTORS))
    blocks = [drawn_block(count, seed=count) for count in (3, 700, 1, 40)]
    whole = [
        fisher_vector(entry.pca.project(np.concatenate([block.descriptor(name) for block in blocks])), entry.mixture)
        for name, entry in codebook.items()
    ]
    row = encoded(blocks, codebook)
    np.testing.assert_allclose(row, np.concatenate(whole), atol=1e-4)
    assert len(row) == 2 * 3 * (15 + 48 + 54 + 96)
    np.testing.assert_allclose(np.linalg.norm(row), 2.0, rtol=1e-5)  # four vectors of length 1


def test_a_video_gives_one_row_for_its_whole_length(tmp_path: Path) -> None:
    video = moving(tmp_path / "v.mp4")
    assert video.path is not None
    blocks = list(track_video(video.path, SMALL.trajectories))
    rows = {name: np.concatenate([block.descriptor(name) for block in blocks]) for name in DESCRIPTORS}
    assert len(rows["hog"]) > 50
    feature = replace(SMALL.feature(drawn_codebook_file(tmp_path)), rule=RAW, descriptors=("mbh", "hog"))
    store = FeatureStore(tmp_path / "store")
    assert extract((feature,), [video], store=store).failed == {}
    found = store.load(feature, "v")
    assert isinstance(found, FeatureSequence)
    codebook = read_codebook(feature.codebook, ("mbh", "hog"))
    wanted = [
        fisher_vector(codebook[name].pca.project(rows[name]), codebook[name].mixture, rule=RAW)
        for name in ("mbh", "hog")
    ]
    np.testing.assert_allclose(found.values[0], np.concatenate(wanted), rtol=1e-3, atol=1e-4)
    assert (found.grid.start, found.grid.steps) == (0.0, 1)
    assert found.grid.window == pytest.approx(2.4, abs=0.11)


def test_a_video_without_trajectories_gives_zeros(tmp_path: Path) -> None:
    picture = np.repeat(texture(64, 80).astype(np.uint8)[..., None], 3, axis=2)
    write_video(tmp_path / "still.mp4", [picture] * 20, fps=10)
    feature = SMALL.feature(drawn_codebook_file(tmp_path))
    (row,) = feature.rows(tmp_path / "still.mp4", {})
    assert row.shape == (1, 2 * 3 * 213)
    assert row.dtype == np.float32
    assert not row.any()


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    codebook = read_codebook(drawn_codebook_file(tmp_path), tuple(DESCRIPTORS))

    def peak(count: int) -> int:
        def blocks() -> Iterator[TrajectoryBlock]:
            for number in range(count):
                yield drawn_block(200, seed=number)

        tracemalloc.start()
        encoded(blocks(), codebook)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(60) < peak(6) + 100_000


def test_the_codebook_counts_by_its_bytes(tmp_path: Path) -> None:
    path = drawn_codebook_file(tmp_path)
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(path.read_bytes())
    other = drawn_codebook_file(tmp_path, ("mbh", "hog", "hof", "trajectory"))
    keys = [TrajectoryFisher(codebook=each).key for each in (path, moved, other)]
    assert keys[0] == keys[1]
    fewer = drawn_codebook_file(tmp_path, ("mbh",))
    assert TrajectoryFisher(codebook=fewer).key != keys[0]


def test_learning_depends_neither_on_order_nor_on_processes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    videos = [moving(tmp_path / f"v{number}.mp4", seed=number) for number in range(3)]
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    videos.append(Video(video_id="bad", duration=1.0, path=tmp_path / "bad.mp4"))
    videos.append(Video(video_id="gone", duration=1.0))
    with caplog.at_level(logging.WARNING):
        first = learn_codebook(SMALL, videos, store=FeatureStore(tmp_path / "a"), workers=1)
    assert "video bad is left out of the codebook" in caplog.text
    assert "video gone is left out of the codebook: it has no file" in caplog.text
    second = learn_codebook(SMALL, videos[::-1], store=FeatureStore(tmp_path / "b"), workers=2)
    assert first.parent == tmp_path / "a" / "weights"
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    assert SMALL.feature(first).key == SMALL.feature(second).key
    codebook = read_codebook(first, tuple(DESCRIPTORS))
    assert [entry.mixture.means.shape for entry in codebook.values()] == [(4, 15), (4, 48), (4, 54), (4, 96)]


def fake_track(path: Path, *_: object, **__: object) -> Iterator[TrajectoryBlock]:
    """Trajectories that follow from the file's name; the number in it says how many."""
    count = int(path.stem.rpartition("-")[2])
    for number in range(0, count, 50):
        yield drawn_block(min(50, count - number), seed=number + len(path.stem))


def fake_videos(folder: Path, counts: list[int]) -> list[Video]:
    names = [f"{'v' * (place + 1)}-{count}" for place, count in enumerate(counts)]
    return [Video(video_id=name, duration=1.0, path=folder / f"{name}.mp4") for name in names]


def test_what_was_learnt_is_not_learnt_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(path: Path, *_: object, **__: object) -> Iterator[TrajectoryBlock]:
        calls.append(path.stem)
        return fake_track(path)

    monkeypatch.setattr(learning, "track_video", counted)
    store, videos = FeatureStore(tmp_path), fake_videos(tmp_path, [200, 300])
    first = learn_codebook(SMALL, videos, store=store, workers=1)
    assert learn_codebook(SMALL, videos[::-1], store=store, workers=1) == first
    assert len(calls) == 2
    first.unlink()
    assert learn_codebook(SMALL, videos, store=store, workers=1) == first
    assert len(calls) == 4


def test_some_videos_are_drawn_and_none_rules_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(learning, "track_video", fake_track)
    plain_join = Reservoir.join

    def watched(self: Reservoir, other: Reservoir) -> None:
        seen.append((other.seen, len(other.sample())))
        plain_join(self, other)

    monkeypatch.setattr(Reservoir, "join", watched)
    videos = fake_videos(tmp_path, [100, 200, 300, 400, 500, 600, 2000, 3000])
    config = replace(SMALL, videos_at_most=6, codebook=replace(SMALL.codebook, descriptors=("hog",)))
    learn_codebook(config, videos, store=FeatureStore(tmp_path), workers=1)
    assert len(seen) == 6
    assert all(kept == min(count, 4 * 300 // 6) for count, kept in seen)
    assert len({count for count, _ in seen}) == 6


def test_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drawn_codebook_file(tmp_path, ("hog",))
    with pytest.raises(DataError, match=r"codebook .*none\.safetensors is not there; learn one"):
        TrajectoryFisher(codebook=tmp_path / "none.safetensors")
    with pytest.raises(DataError, match=r"needs descriptors, each once, got \['hog', 'hog'\]"):
        TrajectoryFisher(codebook=path, descriptors=("hog", "hog"))
    with pytest.raises(DataError, match=r"a codebook must hold mbh\.pca\.mean, got hog"):
        read_codebook(path, ("mbh",))
    from safetensors.numpy import save_file

    entry = read_codebook(path, ("hog",))["hog"]
    save_file(to_tensors({"hof": entry}), tmp_path / "odd.safetensors")
    with pytest.raises(DataError, match=r"hof of a codebook must take 108 numbers, got 96 \(.*odd\.safetensors\)"):
        read_codebook(tmp_path / "odd.safetensors", ("hof",))
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"cut\.safetensors is damaged"):
        read_codebook(tmp_path / "cut.safetensors", ("hog",))
    with pytest.raises(DataError, match="must be one of trajectory, hog, hof, mbh, got sift"):
        TrajectoryEncoding(codebook=CodebookConfig(descriptors=("sift",)))
    with pytest.raises(DataError, match="videos_at_most of a trajectory codebook must be at least 1, got 0"):
        TrajectoryEncoding(videos_at_most=0)
    monkeypatch.setattr(learning, "track_video", fake_track)
    with pytest.raises(DataError, match="of 4 words and 15 directions of trajectory needs at least 16 rows, got 10"):
        learn_codebook(SMALL, fake_videos(tmp_path, [10]), store=FeatureStore(tmp_path), workers=1)

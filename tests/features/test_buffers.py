"""Buffers of a video: coverage for any length, overlap and stride, what is read, and what training buffers hold."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.features.buffers import Buffering, buffer_windows, read_buffer, video_buffers
from untrimmed.features.clip_sets import opened
from untrimmed.features.feature import Rows
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.labelled_buffers import BufferSet, labelled_buffers
from untrimmed.features.store import FeatureStore
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.timeline import TimeGrid
from untrimmed.train.batches import Batches

RGB = RgbImages(size=(16, 24), per_second=4)
FLOW = FlowImages(size=(16, 24), per_second=4)
SHORT = Buffering(frames=10, stride_frames=5, test_stride_frames=10, flips=False)
SIZE = (14, 14)


class Numbered(Rows):
    """Picture i is of one colour, 2 * i, brighter on its right half."""

    def __init__(self, steps: int, channels: int = 3) -> None:
        self.steps, self.channels = steps, channels

    def __iter__(self) -> Iterator[np.ndarray]:
        pictures = np.empty((self.steps, 16, 24, self.channels), np.uint8)
        pictures[:] = 2 * np.arange(self.steps, dtype=np.uint8)[:, None, None, None]
        pictures[:, :, 12:] += 40
        yield pictures

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.0, stride=0.25, window=0.25, steps=self.steps)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    made = FeatureStore(tmp_path_factory.mktemp("store"))
    made.write(RGB, "long", Numbered(43))
    made.write(RGB, "short", Numbered(6))
    made.write(FLOW, "long", Numbered(43, 2))
    return made


@given(st.integers(1, 900), st.integers(1, 120), st.data())
def test_buffers_cover_every_frame_and_hold_every_short_run(length: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    forward = buffer_windows(length, size=size, stride=stride)
    both = buffer_windows(length, size=size, stride=stride, two_way=True)
    for spans in (forward, both):
        seen = np.zeros(length, dtype=bool)
        for first, past in spans.tolist():
            assert 0 <= first < past <= length
            assert past - first == min(size, length)
            seen[first:past] = True
        assert seen.all()
    # what is no longer than the overlap lies in a buffer as a whole, wherever it begins
    run = min(length, max(1, size - stride))
    begin = np.arange(length - run + 1)
    held = (forward[:, 0] <= begin[:, None]) & (forward[:, 1] >= begin[:, None] + run)
    assert held.any(axis=1).all()
    starts = forward[:, 0]
    assert (np.diff(starts) <= stride).all()
    assert (np.diff(starts)[:-1] == stride).all()
    # two ways: the same seen from the end, no buffer twice
    assert len({tuple(span) for span in both.tolist()}) == len(both)
    assert {tuple(span) for span in both.tolist()} == {
        *(tuple(span) for span in forward.tolist()),
        *((length - past, length - first) for first, past in forward.tolist()),
    }
    assert both[: len(forward)].tolist() == forward.tolist()


@given(st.integers(1, 5000), st.integers(1, 9), st.floats(0.01, 3), st.floats(0, 5))
def test_frames_and_seconds_are_each_others_inverse(pictures: int, every: int, stride: float, start: float) -> None:
    buffering = Buffering(every=every)
    grid = TimeGrid(start=start, stride=stride, window=stride, steps=pictures)
    frames = np.linspace(0, buffering.length(pictures), 7)
    seconds = buffering.to_seconds(frames, grid)
    np.testing.assert_allclose(buffering.to_frames(seconds, grid), frames, atol=1e-6)
    np.testing.assert_allclose(seconds, start + frames * every * stride, rtol=1e-9, atol=1e-9)
    assert (buffering.length(pictures) - 1) * every < pictures <= buffering.length(pictures) * every


def _values(frames: np.ndarray) -> list[int]:
    """The number of each picture, from its left edge; pictures are stored as JPEG."""
    return np.rint(frames[0, :, :, 0].mean(axis=1) / 2).astype(int).tolist()


def test_a_buffer_holds_its_frames_in_order_and_what_is_missing_is_blank(store: FeatureStore) -> None:
    images = opened(store, RGB, "long")
    assert _values(read_buffer(images, (3, 13), SHORT, size=SIZE)) == list(range(3, 13))
    thinned = replace(SHORT, every=3)
    assert _values(read_buffer(images, (2, 12), thinned, size=SIZE)) == list(range(6, 36, 3))
    short = opened(store, RGB, "short")
    assert _values(read_buffer(short, (0, 6), SHORT, size=SIZE)) == [0, 1, 2, 3, 4, 5, 0, 0, 0, 0]
    last = replace(SHORT, padding="last")
    assert _values(read_buffer(short, (0, 6), last, size=SIZE)) == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]


def test_random_places_and_mirror_images_are_of_all_frames_alike(store: FeatureStore) -> None:
    images, flips = opened(store, RGB, "long"), replace(SHORT, flips=True)
    seen = set()
    for seed in range(30):
        frames = read_buffer(images, (5, 15), flips, size=SIZE, generator=np.random.default_rng(seed))
        assert frames.shape == (3, 10, 14, 14)
        bright = frames[0].astype(int).mean(axis=1) - 2 * np.arange(5, 15)[:, None] > 20
        assert (bright == bright[0]).all()  # the brighter half lies alike in every frame
        seen.add((bool(bright[0, 0]), int(bright[0].sum())))
    assert {mirrored for mirrored, _ in seen} == {True, False}
    assert len({width for _, width in seen}) > 3  # several places
    whole = read_buffer(images, (5, 15), replace(SHORT, whole=True), size=SIZE)
    assert (whole[0].astype(int).mean(axis=1) - 2 * np.arange(5, 15)[:, None] > 20).sum(axis=1).tolist() == [7] * 10


def test_mirrored_flow_turns_its_direction(store: FeatureStore) -> None:
    images, flips = opened(store, FLOW, "long"), replace(SHORT, flips=True, whole=True)
    plain = read_buffer(images, (5, 15), flips, size=SIZE).astype(int)
    turned = [read_buffer(images, (5, 15), flips, size=SIZE, generator=np.random.default_rng(s)) for s in range(8)]
    mirrored = [one.astype(int) for one in turned if not (one == plain).all()]
    assert 0 < len(mirrored) < 8
    for one in mirrored:
        assert (one[0] == 256 - plain[0, :, :, ::-1]).all()
        assert (one[1] == plain[1, :, :, ::-1]).all()


def test_a_video_comes_buffer_by_buffer(store: FeatureStore) -> None:
    images = opened(store, RGB, "long")
    for at_once in (1, 2, 9):
        parts = list(video_buffers(images, SHORT, size=SIZE, at_once=at_once))
        assert all(len(frames) == len(spans) <= at_once for spans, frames in parts)
        spans = np.concatenate([spans for spans, _ in parts])
        assert spans.tolist() == [[0, 10], [10, 20], [20, 30], [30, 40], [33, 43]]
        frames = np.concatenate([frames for _, frames in parts])
        assert [_values(one) for one in frames] == [list(range(*span)) for span in spans.tolist()]


def _dataset(*, short: tuple[float, float] = (0.5, 1.0)) -> Dataset:
    long = Video(video_id="long", duration=10.75, subset="training")
    other = Video(video_id="short", duration=1.5, subset="training")
    missing = Video(video_id="missing", duration=9.0, subset="training")
    return Dataset(
        name="numbers",
        annotations=(
            Annotation(video=long, instances=(Instance((1.0, 2.0), "a"), Instance((4.0, 9.75), "b"))),
            Annotation(video=other, instances=(Instance(short, "b"),)),
            Annotation(video=missing, instances=(Instance((1.0, 2.0), "a"),)),
            Annotation(video=Video(video_id="x", duration=1.0, subset="testing"), instances=()),
        ),
    )


def test_training_buffers_hold_instances_cut_to_them(store: FeatureStore, caplog: pytest.LogCaptureFixture) -> None:
    found = labelled_buffers(_dataset(short=(0.5, 1.5)), SHORT, images=RGB, store=store)
    assert "video missing is left out: its rgb pictures are not in the store" in caplog.text
    # (4.0, 9.75) has 23 frames of which no buffer of 10 holds 70 %; it is told, not learnt
    assert "1 instances of numbers are learnt from no buffer" in caplog.text
    places = [(one.video_id, one.first, one.past, one.segments.tolist(), one.labels.tolist()) for one in found]
    assert places == [
        ("long", 0, 10, [[4.0, 8.0]], [0]),
        ("long", 5, 15, [[0.0, 3.0]], [0]),  # 3 of 4 frames
        ("long", 3, 13, [[1.0, 5.0]], [0]),  # from the end
        ("short", 0, 6, [[2.0, 6.0]], [1]),
    ]
    wide = labelled_buffers(_dataset(), replace(SHORT, least_inside=0.4, two_way=False), images=RGB, store=store)
    # 40 % of it are 9.2 frames, which two buffers hold
    assert [(one.first, one.segments.tolist()) for one in wide if 1 in one.labels] == [
        (20, [[0.0, 10.0]]),
        (25, [[0.0, 10.0]]),
    ]


def test_batches_are_padded_and_the_same_for_the_same_seed(store: FeatureStore) -> None:
    buffers = labelled_buffers(_dataset(short=(0.5, 1.5)), replace(SHORT, least_inside=0.4), images=RGB, store=store)
    items = BufferSet(buffers, replace(SHORT, flips=True), images=RGB, store=store, size=SIZE)
    frames, lengths, segments, labels = items.collate([items[0], items[len(items) - 1]])
    assert frames.shape == (2, 3, 10, 14, 14)
    assert frames.dtype == torch.uint8
    assert lengths.tolist() == [10.0, 6.0]
    assert segments.shape == (2, 1, 2)
    assert labels.tolist() == [[0], [1]]
    first, again, other = (Batches(items, size=4, seed=seed).batch(2)[0] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert ((first[3] == -1) == (first[2].sum(dim=2) == 0)).all()
    changed = BufferSet(buffers[1:], items.buffering, images=RGB, store=store, size=SIZE)
    assert items.identity != changed.identity


def test_gaps_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"strides in \[1, frames\] .* got 10, 1 and \(11, 10\)"):
        Buffering(frames=10, stride_frames=11, test_stride_frames=10)

"""Clips about one centre: which pictures, what lies beyond the ends, coverage, and what is learnt in which ratio."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.clip_sets import opened
from untrimmed.features.feature import Rows
from untrimmed.features.images import RgbImages
from untrimmed.features.multi_scale_clips import (
    CentredClips,
    SampleSet,
    clip_places,
    read_samples,
    sampled_videos,
    video_samples,
)
from untrimmed.features.store import FeatureStore
from untrimmed.propose.centred import decode
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.timeline import TimeGrid
from untrimmed.train.batches import Batches

RGB = RgbImages(size=(16, 24), per_second=4)
CLIPS = CentredClips(scales=(4, 16), frames=4, stride=4)
SIZE = (14, 14)


class Numbered(Rows):
    """Picture i is of one colour, 2 * i + 10, brighter on its right half."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __iter__(self) -> Iterator[np.ndarray]:
        pictures = np.empty((self.steps, 16, 24, 3), np.uint8)
        pictures[:] = 2 * np.arange(self.steps, dtype=np.uint8)[:, None, None, None] + 10
        pictures[:, :, 12:] += 40
        yield pictures

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.0, stride=0.25, window=0.25, steps=self.steps)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    made = FeatureStore(tmp_path_factory.mktemp("store"))
    for name, steps in (("long", 60), ("full", 24), ("tiny", 3)):
        made.write(RGB, name, Numbered(steps))
    return made


def _numbers(clip: np.ndarray) -> list[int]:
    """The number of each picture, from its left edge; -5 for zeros. Pictures are stored as JPEG."""
    return np.rint((clip[0, :, :, 0].mean(axis=1) - 10) / 2).astype(int).tolist()


@given(
    st.integers(0, 4000),
    st.sampled_from((4, 8, 16)),
    st.lists(st.integers(1, 600), min_size=1, max_size=4, unique=True),
)
def test_clips_are_even_centred_and_thinned(centre: int, frames: int, factors: list[int]) -> None:
    scales = tuple(frames * factor for factor in sorted(factors))
    places = clip_places(np.array([centre, centre + 7.0]), scales=scales, frames=frames)
    assert (places[1] - places[0] == 7).all()  # moving the centre moves all pictures
    for factor, row in zip(sorted(factors), places[0], strict=True):
        assert (np.diff(row) == factor).all()
        length = frames * factor
        assert centre - length / 2 <= row[0]
        assert row[-1] < centre + length / 2
        # as many pictures before as behind, to a picture's half
        assert abs((row + 0.5).mean() - centre) <= 0.5
        if factor == 1:
            assert row.tolist() == list(range(centre - frames // 2, centre + frames // 2))


@given(st.integers(1, 500), st.integers(1, 16))
def test_samples_cover_the_video(length: int, stride: int) -> None:
    clips = CentredClips(scales=(16, 64), stride=stride)
    samples = clips.samples(length)
    seen = np.zeros(length, dtype=bool)
    for first, past in samples.astype(int).tolist():
        assert past - first == min(16, length)
        seen[first:past] = True
    assert seen.all()
    assert (np.diff(samples[:, 0]) <= stride).all()
    assert len(clips.samples(length, stride=1)) == max(1, length - 15)


def test_what_is_read_and_what_lies_beyond_the_ends(store: FeatureStore) -> None:
    images = opened(store, RGB, "long")
    (one,) = read_samples(images, np.array([30.0]), CLIPS, size=SIZE)
    assert one.shape == (2, 3, 4, 14, 14)
    assert [_numbers(clip) for clip in one] == [[28, 29, 30, 31], [24, 28, 32, 36]]
    first, last = read_samples(images, np.array([2.0, 58.0]), CLIPS, size=SIZE)
    assert [_numbers(clip) for clip in first] == [[0, 1, 2, 3], [0, 0, 4, 8]]
    assert [_numbers(clip) for clip in last] == [[56, 57, 58, 59], [52, 56, 59, 59]]
    (blank,) = read_samples(images, np.array([2.0]), replace(CLIPS, padding="blank"), size=SIZE)
    assert _numbers(blank[1]) == [-5, 0, 4, 8]
    whole = read_samples(images, np.array([30.0]), replace(CLIPS, whole=True), size=SIZE)[0, 0, 0, 0]
    assert (np.diff((whole > 90).astype(int), axis=1).sum(axis=1) == 1).all()  # both halves of the picture are there


def test_a_video_is_read_some_samples_at_a_time(store: FeatureStore) -> None:
    images = opened(store, RGB, "long")
    parts = {n: list(video_samples(images, CLIPS, size=SIZE, at_once=n)) for n in (1, 4, 99)}
    for size, blocks in parts.items():
        assert all(len(samples) == len(clips) <= size for samples, clips in blocks)
        np.testing.assert_array_equal(np.concatenate([s for s, _ in blocks]), CLIPS.samples(60))
        np.testing.assert_array_equal(np.concatenate([c for _, c in blocks]), parts[99][0][1])
    ((samples, clips),) = video_samples(opened(store, RGB, "tiny"), CLIPS, size=SIZE)
    assert samples.tolist() == [[0.0, 3.0]]
    assert _numbers(clips[0, 1]) == [0, 0, 2, 2]


def _dataset(*, short: tuple[float, float] = (14.0, 14.3)) -> Dataset:
    def video(name: str, duration: float, *instances: Instance) -> Annotation:
        return Annotation(video=Video(video_id=name, duration=duration, subset="training"), instances=tuple(instances))

    return Dataset(
        name="numbers",
        annotations=(
            video("long", 15.0, Instance((2.0, 6.0), "a"), Instance((8.0, 12.0), "b"), Instance(short, "a")),
            video("full", 6.0, Instance((0.0, 6.0), "a")),
            video("missing", 9.0, Instance((1.0, 2.0), "a")),
            Annotation(video=Video(video_id="x", duration=1.0, subset="testing"), instances=()),
        ),
    )


def test_samples_are_drawn_one_to_one_and_tell_their_instance(
    store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    videos = sampled_videos(_dataset(), CLIPS, images=RGB, store=store)
    assert "video missing is left out: its rgb pictures are not in the store" in caplog.text
    assert "1 instances of numbers are learnt from no sample" in caplog.text  # a sample is a second, it 0.3
    assert [(one.video_id, one.learnt.tolist(), one.empty) for one in videos] == [
        ("long", [0, 1], True),
        ("full", [0], False),
    ]
    items = SampleSet(videos, CLIPS, images=RGB, store=store, size=SIZE)
    assert len(items) == 6
    truth = [(8.0, 24.0), (32.0, 48.0), (0.0, 24.0)]
    spots = set()
    for index in range(6):
        for generator in (None, *(np.random.default_rng(seed) for seed in range(25))):
            clips, kind, told = items[index] if generator is None else items.at(index, generator)
            numbers = _numbers(clips[0].numpy())
            assert numbers == list(range(numbers[0], numbers[0] + 4))
            first, past = numbers[0], numbers[0] + 4
            if index % 2 == 0:
                start, end = truth[index // 2]
                assert kind == 1
                assert (min(past, end) - max(first, start)) / 4 > 0.7
                centre = np.array([first + 2.0])
                decoded = decode(centre, told.double().numpy()[None], size=4)[0]
                np.testing.assert_allclose(decoded, (start, end), atol=1e-4)
                spots.add((index, first))
            else:  # the video that is all action has none, so another one's is taken
                assert kind == 0
                assert told.tolist() == [0.0, 0.0]
                assert all((min(past, end) - max(first, start)) / 4 <= 0.3 for start, end in truth[:2])
    assert len(spots) > 20


def test_batches_hold_as_many_of_both_and_are_the_same_for_the_same_seed(store: FeatureStore) -> None:
    videos = sampled_videos(_dataset(), CLIPS, images=RGB, store=store)
    flips = replace(CLIPS, flips=True, whole=True)
    items = SampleSet(videos, flips, images=RGB, store=store, size=SIZE)
    made = Batches(items, size=4, seed=1)
    for step in range(5):
        (clips, kind, told), count = made.batch(step)
        assert (count, clips.shape, clips.dtype) == (4, (4, 2, 3, 4, 14, 14), torch.uint8)
        assert kind.tolist() == [1, 0, 1, 0]
        assert told.dtype == torch.float32
    assert sorted(items.order(np.random.default_rng(0)).tolist()) == list(range(6))
    again = Batches(items, size=4, seed=1).batch(2)[0]
    assert all(torch.equal(a, b) for a, b in zip(made.batch(2)[0], again, strict=True))
    other = Batches(items, size=4, seed=2).batch(2)[0]
    assert not torch.equal(other[0], again[0])
    right = [items.at(0, np.random.default_rng(seed))[0][:, 0].float() for seed in range(12)]
    brighter = {bool(one[..., -1].mean() > one[..., 0].mean()) for one in right}
    assert brighter == {True, False}  # mirrored and not
    assert items.identity != SampleSet(videos[:1], flips, images=RGB, store=store, size=SIZE).identity
    assert items.identity != SampleSet(videos, CLIPS, images=RGB, store=store, size=SIZE).identity


def test_gaps_are_named(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must rise from at least 16 frames, got \(8, 64\)"):
        CentredClips(scales=(8, 64))
    with pytest.raises(DataError, match=r"must rise from at least 16 frames, got \(64, 16\)"):
        CentredClips(scales=(64, 16))
    with pytest.raises(DataError, match=r"stride in \[1, the smallest scale\] .* got 16 and 17"):
        CentredClips(stride=17)
    full = Dataset(name="full", annotations=_dataset().annotations[1:2])
    with pytest.raises(DataError, match="training videos of full must have samples inside and outside of actions"):
        sampled_videos(full, CLIPS, images=RGB, store=store)
    assert from_plain(CentredClips, to_plain(CLIPS)) == CLIPS

"""Clips from stored pictures: which pictures, in which layout, the same for the same generator."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from untrimmed.features.clip_sets import (
    Augmentation,
    ClipSet,
    Piece,
    Sampling,
    TestViews,
    arranged,
    opened,
    pieces_of,
    views_of,
)
from untrimmed.features.feature import Rows
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.timeline import TimeGrid

RGB = RgbImages(size=(16, 20), per_second=4)
FLOW = FlowImages(size=(16, 20), per_second=4)
STILL = Augmentation(scales=(1.0,), flips=False)


class Numbered(Rows):
    """Picture i is of one colour, 8 * i."""

    def __init__(self, steps: int, channels: int) -> None:
        self.steps, self.channels = steps, channels

    def __iter__(self) -> Iterator[np.ndarray]:
        values = 8 * np.arange(self.steps, dtype=np.uint8)
        yield np.broadcast_to(values[:, None, None, None], (self.steps, 16, 20, self.channels)).copy()

    def grid(self) -> TimeGrid:
        return TimeGrid(start=0.0, stride=0.25, window=0.25, steps=self.steps)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    made = FeatureStore(tmp_path_factory.mktemp("store"))
    made.write(RGB, "a", Numbered(20, 3))
    made.write(FLOW, "a", Numbered(20, 2))
    made.write(RGB, "short", Numbered(3, 3))
    return made


def clip_set(
    store: FeatureStore, *, pieces: list[Piece], images: RgbImages | FlowImages = RGB, **more: object
) -> ClipSet:
    settings = {
        "sampling": Sampling(sections=2, frames=4),
        "augmentation": STILL,
        "size": (14, 14),
        "solid": False,
        **more,
    }
    return ClipSet(pieces, images=images, store=store, **settings)  # type: ignore[arg-type]


def numbers(clip: torch.Tensor) -> list[int]:
    """Which pictures a clip holds, by their colour."""
    return [round(float(value) / 8) for value in clip.float().mean((-2, -1)).flatten()]


def test_pictures_and_layout(store: FeatureStore) -> None:
    whole = clip_set(store, pieces=[Piece("a", None, 3)], images=FLOW)
    stacked, label = whole[0]
    assert label == 3
    assert stacked.shape == (2, 8, 14, 14)
    assert stacked.dtype == torch.uint8
    starts = [4, 12]  # the middles of two sections of 17 possible beginnings
    assert numbers(stacked) == [start + step for start in starts for step in range(4) for _ in range(2)]
    solid = clip_set(store, pieces=[Piece("a", None, 3)], images=FLOW, solid=True)[0][0]
    assert solid.shape == (2, 2, 4, 14, 14)
    assert torch.equal(solid.permute(0, 2, 1, 3, 4).reshape(2, 8, 14, 14), stacked)


def test_an_instance_is_seen_alone(store: FeatureStore) -> None:
    data = clip_set(store, pieces=[Piece("a", (2.0, 3.5), 0)], sampling=Sampling(sections=3, frames=2, stride=2))
    seen = set()
    for seed in range(30):
        clips, _ = data.at(0, np.random.default_rng(seed))
        found = np.array(numbers(clips)).reshape(3, 2, 3)[:, :, 0]
        assert (found[:, 1] - found[:, 0] == 2).all()
        seen |= set(found.ravel())
    assert seen == {8, 9, 10, 11, 12, 13}


def test_a_short_video_stands_still_at_its_end(store: FeatureStore) -> None:
    clips, _ = clip_set(store, pieces=[Piece("short", None, 0)], sampling=Sampling(sections=1, frames=5))[0]
    assert numbers(clips)[::3] == [0, 1, 2, 2, 2]


def test_a_generator_decides_everything(store: FeatureStore) -> None:
    data = clip_set(store, pieces=[Piece("a", None, 0)], augmentation=Augmentation(scales=(1.0, 0.75)))
    first, again, other = (data.at(0, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_mirrored_flow_changes_its_sign(store: FeatureStore) -> None:
    data = clip_set(
        store, pieces=[Piece("a", None, 0)], images=FLOW, augmentation=Augmentation(scales=(1.0,)), solid=True
    )
    sums = []
    for seed in range(20):
        clips, _ = data.at(0, np.random.default_rng(seed))
        x, y = clips[:, 0].int(), clips[:, 1].int()
        assert (x == y).all() or ((x + y - 256).abs() <= 2).all()  # JPEG may be a level off
        sums.append(bool((x == y).all()))
    assert 3 < sum(sums) < 17


def test_balanced_order() -> None:
    pieces = [Piece(f"v{number}", None, 0) for number in range(9)] + [Piece("w", None, 1)]
    data = clip_set(FeatureStore(Path("nowhere")), pieces=pieces, balanced=True)
    order = data.order(np.random.default_rng(0))
    labels = [pieces[index].label for index in order]
    assert labels.count(1) == labels.count(0) == 5
    plain = clip_set(FeatureStore(Path("nowhere")), pieces=pieces)
    assert sorted(plain.order(np.random.default_rng(0))) == list(range(10))


def test_views_cover_positions_and_crops(store: FeatureStore) -> None:
    images = opened(store, RGB, "a")
    sampling = Sampling(sections=9, frames=2)
    one = list(
        views_of(
            images,
            sampling=sampling,
            views=TestViews(positions=5, ten_crop=False),
            size=(14, 14),
            solid=True,
            at_once=2,
        )
    )
    assert [block.shape[0] for block in one] == [2, 2, 1]
    joined = torch.from_numpy(np.concatenate(one))
    assert joined.shape == (5, 3, 2, 14, 14)
    assert numbers(joined[:, 0, 0]) == [1, 5, 9, 13, 17]
    ten = np.concatenate(
        list(
            views_of(
                images, sampling=sampling, views=TestViews(positions=5), size=(14, 14), solid=False, resized_to=(32, 40)
            )
        )
    )
    assert ten.shape == (50, 6, 14, 14)


def test_arranged_is_undone_by_hand() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (6, 4, 5, 2)).astype(np.uint8)
    stacked = arranged(pictures, frames=3, solid=False)
    solid = arranged(pictures, frames=3, solid=True)
    for clip in range(2):
        for frame in range(3):
            for channel in range(2):
                plane = pictures[3 * clip + frame, :, :, channel]
                assert np.array_equal(stacked[clip, 2 * frame + channel], plane)
                assert np.array_equal(solid[clip, channel, frame], plane)


def test_pieces() -> None:
    video = Video(video_id="v", duration=9.0, subset="training")
    instances = (Instance((0, 1), "b"), Instance((2, 3), "a"), Instance((4, 5), "b"))
    long = Dataset(name="x", annotations=(Annotation(video=video, instances=instances),))
    assert pieces_of(long) == (Piece("v", (0, 1), 1), Piece("v", (2, 3), 0), Piece("v", (4, 5), 1))
    assert pieces_of(long, whole=True) == (Piece("v", None, 1), Piece("v", None, 0))


def test_only_pictures_will_do() -> None:
    class Holding:
        def load(self, feature: object, video_id: str) -> object:
            return object()

    holding: FeatureStore = FeatureStore(Path("nowhere"))
    holding.load = Holding().load  # type: ignore[method-assign, assignment]
    with pytest.raises(DataError, match=r"feature rgb-\w+ of video v must be pictures, got object"):
        opened(holding, RGB, "v")

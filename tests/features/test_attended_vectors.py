"""Rows under attention: which box stands when and where, what a net sees, the plain mean without boxes, words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.aggregate.attended import TiedObjects, attention, evidence
from untrimmed.features.attended_vectors import (
    AttendedRows,
    AttendedStream,
    Attention,
    flat,
    map_shape,
    seen_part,
    standing,
    within,
)
from untrimmed.features.backbone import BackboneFeature, net_input
from untrimmed.features.boxes import Boxes, to_row
from untrimmed.features.detectors import HogPeople, sorted_detections
from untrimmed.features.feature import FeatureSequence, ImageSequence
from untrimmed.features.images import RgbImages
from untrimmed.features.laptop_streams import RGB_CLIPS, RGB_TSN
from untrimmed.features.learned import StreamFeature
from untrimmed.features.object_table import COCO_OBJECTS
from untrimmed.features.tubelets import Linking, Tubelet
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.small import SmallNet
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

torch.set_num_threads(1)


@settings(deadline=None)
@given(seed=st.integers(0, 200), offset=st.floats(-1.0, 1.0))
def test_a_box_stands_where_the_middle_of_a_step_lies_in_its_stretch(seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    measured = TimeGrid(start=0.0, stride=0.5, window=0.5, steps=6)
    wanted = TimeGrid(start=offset, stride=0.3, window=0.7, steps=9)
    step = rng.integers(0, 6, 8)
    box, at = standing(step, measured, wanted)
    found = set(zip(box.tolist(), at.tolist(), strict=True))
    assert len(found) == len(box)
    for n in range(8):
        for t, middle in enumerate(wanted.centres):
            place = min(max(int(np.floor(middle / 0.5)), 0), 5)
            assert ((n, t) in found) == (step[n] == place)
    assert (np.diff(at) >= 0).all()
    assert [len(part) for part in standing(np.zeros(0, np.int64), measured, wanted)] == [0, 0]


def test_on_its_own_grid_every_box_stands_once_at_its_step() -> None:
    grid = TimeGrid(start=0.1, stride=0.5, window=0.4, steps=5)
    step = np.array([3, 0, 3, 4])
    box, at = standing(step, grid, grid)
    assert sorted(zip(box.tolist(), at.tolist(), strict=True)) == list(enumerate(step.tolist()))


@pytest.mark.parametrize("resized_to", [None, (64, 80)])
@pytest.mark.parametrize("whole", [False, True])
def test_boxes_are_laid_on_the_part_that_the_net_sees(whole: bool, resized_to: tuple[int, int] | None) -> None:
    """A lit square, found in the net's input, lies where its box is put."""
    feature = BackboneFeature(
        net=SmallNet(input_size=(140, 140)), images=RgbImages(size=(96, 160)), whole=whole, resized_to=resized_to
    )
    picture = np.zeros((1, 96, 160, 3), np.uint8)
    picture[0, 24:60, 56:96] = 255
    seen = net_input(picture, feature=feature, size=(140, 140))[0, :, :, 0] > 127
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    box = within(np.array([[56 / 160, 24 / 96, 96 / 160, 60 / 96]]), seen_part((96, 160, 3), feature))[0]
    edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 140
    np.testing.assert_allclose(box, edges, atol=0.02)


class Colours(ImageSequence):
    """Pictures that were drawn."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.grid = TimeGrid(start=0.0, stride=0.25, window=0.25, steps=len(pictures))
        self.shape = pictures.shape[1:]
        self._pictures = pictures

    def frames(self, indices: np.ndarray) -> np.ndarray:
        return self._pictures[indices]


IMAGES = RgbImages(size=(64, 64), per_second=4.0)
BOXES = Boxes(detector=HogPeople(), per_second=2.0)
OF = BackboneFeature(net=SmallNet(width=4, input_size=(112, 112)), images=IMAGES, output="positions", whole=True)


def boxes_of(rows: list[tuple[int, tuple[float, float, float, float], float]], *, steps: int) -> FeatureSequence:
    """A stored measurement of people: (step, box, score)."""
    table = []
    for step in range(steps):
        mine = [(box, score) for at, box, score in rows if at == step]
        boxes, scores = np.array([box for box, _ in mine]).reshape(-1, 4), np.array([score for _, score in mine], float)
        found = sorted_detections(boxes, scores, np.zeros(len(mine), np.int64))
        table.append(to_row(found, most=BOXES.most, size=(1, 1)))
    return FeatureSequence(np.stack(table), TimeGrid(start=0.0, stride=0.5, window=0.5, steps=steps))


def measured(feature: AttendedRows, boxes: FeatureSequence, *, steps: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """The rows, and the features of all positions that they are made of."""
    pictures = np.random.default_rng(0).integers(0, 256, (steps, 64, 64, 3)).astype(np.uint8)
    given = {IMAGES: Colours(pictures), feature.attention.boxes: boxes}
    rows = feature.rows(Path("video.mp4"), given)
    values = np.concatenate(list(rows))
    assert rows.grid() == TimeGrid(start=0.0, stride=0.25, window=0.25, steps=steps)
    maps = np.concatenate(list(OF.rows(Path("video.mp4"), given)))
    return values, maps.reshape(steps, 4, 4, -1)


@pytest.mark.parametrize("everywhere", [False, True])
def test_without_boxes_or_with_uniform_ones_rows_are_those_of_the_net(everywhere: bool) -> None:
    feature = AttendedRows(of=OF, attention=Attention(boxes=BOXES))
    boxes = boxes_of([(step, (0.0, 0.0, 1.0, 1.0), 0.7) for step in range(4) if everywhere], steps=4)
    values, maps = measured(feature, boxes)
    np.testing.assert_allclose(values, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


def test_the_mean_of_the_rows_is_the_attended_vector() -> None:
    feature = AttendedRows(of=OF, attention=Attention(boxes=BOXES, floor=0.1))
    values, maps = measured(feature, boxes_of([(1, (0.5, 0.0, 1.0, 0.5), 1.0)], steps=4))
    there = evidence(
        np.tile([0.5, 0.0, 1.0, 0.5], (2, 1)), np.ones(2), np.array([2, 3]), steps=8, positions=(4, 4)
    )  # the second half second has the third and the fourth of four pictures a second
    weights = attention(there, floor=0.1)
    vector = np.tensordot(weights, maps, axes=3)
    np.testing.assert_allclose(values.mean(axis=0), vector, rtol=1e-4, atol=1e-6)
    assert not np.allclose(vector, maps.mean(axis=(0, 1, 2)))


def test_people_and_objects_have_weights_of_their_own() -> None:
    table = (TiedObjects(label="Tango", objects=("cup", "person")), TiedObjects(label="Archery", objects=("bowl",)))
    words = ("bowl", "person", "cup", "car")
    people, objects = Attention(table=table).groups(words)
    assert people.tolist() == [False, True, False, False]
    assert objects.tolist() == [True, False, True, False]
    assert [group.tolist() for group in Attention().groups(words)] == [people.tolist()]
    with pytest.raises(DataError, match="object 'cup' of class 'Tango' must be one that the detector finds"):
        Attention(table=table).groups(("person",))


def test_a_box_counts_as_its_tubelet_and_short_ones_need_not() -> None:
    first = Tubelet(2, np.arange(8.0).reshape(2, 4), np.array([0.2, 0.6]), 0)
    second = Tubelet(0, np.ones((1, 4)), np.array([3.0]), 1)
    boxes, strength, step, kind = flat([first, second])
    assert np.array_equal(boxes, np.concatenate([first.boxes, second.boxes]))
    np.testing.assert_allclose(strength, [0.4, 0.4, 1.0])
    assert (step.tolist(), kind.tolist()) == ([2, 3, 0], [0, 0, 1])
    assert [len(part) for part in flat([])] == [0, 0, 0, 0]
    seen = [(1, (0.0, 0.0, 0.5, 1.0), 1.0)]
    look = Attention(boxes=BOXES, linking=Linking(least_frames=2))
    values, maps = measured(AttendedRows(of=OF, attention=look), boxes_of(seen, steps=4))
    np.testing.assert_allclose(values, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)  # seen for a moment only


@pytest.mark.parametrize(
    ("net", "positions", "shape"),
    [
        (SmallNet(), 4, (2, 2)),
        (FrameNet(), 64, (8, 8)),
        (SmallNet(input_size=(64, 128)), 8, (2, 4)),
        (SmallNet(), 1, (1, 1)),
    ],
)
def test_maps_have_the_shape_of_the_input(net: SmallNet, positions: int, shape: tuple[int, int]) -> None:
    assert map_shape(positions, BackboneFeature(net=net)) == shape


def test_the_object_table_names_objects_of_coco_and_classes_once() -> None:
    from untrimmed.nets.detection_nets import coco_words

    words = coco_words("fasterrcnn_resnet50_fpn")
    assert {name for row in COCO_OBJECTS for name in row.objects} <= set(words)
    labels = [row.label for row in COCO_OBJECTS]
    assert len(labels) == len(set(labels))


def test_the_object_table_names_classes_of_activitynet() -> None:
    from shared_folder import shared
    from untrimmed.data import read_ground_truth

    known = read_ground_truth(shared("data/activitynet/activity_net.v1-3.json.gz"), None).labels
    assert {row.label for row in COCO_OBJECTS} <= set(known)


def test_words() -> None:
    with pytest.raises(DataError, match="attention in space needs a 2-D net, got Small3d"):
        AttendedStream(frames=StreamFeature(stream=RGB_CLIPS, stride=8))
    with pytest.raises(DataError, match=r"attention needs a floor in \(0, 1\], got 0"):
        Attention(floor=0.0)
    with pytest.raises(DataError, match="5 positions of a SmallNet make no map of 56 to 56"):
        map_shape(5, BackboneFeature(net=SmallNet()))
    feature = AttendedStream(frames=StreamFeature(stream=RGB_TSN, stride=8)).feature(None)
    rows = FeatureSequence(np.zeros((1, 3)), TimeGrid(start=0.0, stride=1.0, window=1.0, steps=1))
    with pytest.raises(DataError, match="is measured from pictures and rows of boxes"):
        feature.rows(Path("video.mp4"), {feature.of.images: rows, feature.attention.boxes: rows})

"""Boxes over time: the best chain by brute force, every box once, rows of boxes and back, detectors."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import write_clip

from untrimmed.configs import from_plain, to_plain
from untrimmed.features.boxes import Boxes, detections, from_row, to_row
from untrimmed.features.detectors import (
    Detections,
    HogPeople,
    PosePeople,
    TorchvisionDetector,
    boxes_about,
    detector,
    sorted_detections,
)
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.pose_estimators import SmallPose
from untrimmed.features.store import FeatureStore
from untrimmed.features.tubelets import Linking, box_overlap, link_tubelets
from untrimmed.nets.pose_net import NarrowPose
from untrimmed.records import DataError, MissingExtra
from untrimmed.timeline import TimeGrid

LINKING = Linking(overlap_weight=0.7, least_overlap=0.15)


def some_boxes(generator: np.random.Generator, count: int, labels: int = 1) -> Detections:
    corner = generator.uniform(0, 6, (count, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(2, 6, (count, 2))], axis=1)
    return sorted_detections(boxes, generator.random(count), generator.integers(0, labels, count))


def best_by_brute_force(frames: list[Detections], linking: Linking) -> float:
    """The highest value of all chains of one label, tried one by one."""

    def onward(t: int, box: int) -> float:
        best = 0.0
        if t + 1 < len(frames):
            for other in range(len(frames[t + 1])):
                overlap = float(
                    box_overlap(frames[t].boxes[box : box + 1], frames[t + 1].boxes[other : other + 1])[0, 0]
                )
                if overlap >= linking.least_overlap and frames[t].labels[box] == frames[t + 1].labels[other]:
                    best = max(best, linking.overlap_weight * overlap + onward(t + 1, other))
        return float(frames[t].scores[box]) + best

    return max(onward(t, box) for t, frame in enumerate(frames) for box in range(len(frame)))


def value(tube_boxes: np.ndarray, scores: np.ndarray, linking: Linking) -> float:
    links = [box_overlap(tube_boxes[i : i + 1], tube_boxes[i + 1 : i + 2])[0, 0] for i in range(len(tube_boxes) - 1)]
    assert all(link >= linking.least_overlap for link in links)
    return float(scores.sum() + linking.overlap_weight * sum(links))


@pytest.mark.parametrize("seed", range(12))
def test_the_first_tubelet_is_the_best_chain_there_is(seed: int) -> None:
    generator = np.random.default_rng(seed)
    frames = [some_boxes(generator, int(generator.integers(0, 4)), labels=1 + seed % 2) for _ in range(6)]
    frames.append(some_boxes(generator, 2))
    tubes = link_tubelets(frames, linking=LINKING)
    assert value(tubes[0].boxes, tubes[0].scores, LINKING) == pytest.approx(best_by_brute_force(frames, LINKING))


@pytest.mark.parametrize("seed", range(6))
def test_every_box_is_in_one_tubelet_and_values_fall(seed: int) -> None:
    generator = np.random.default_rng(100 + seed)
    frames = [some_boxes(generator, int(generator.integers(0, 5)), labels=3) for _ in range(8)]
    tubes = link_tubelets(frames, linking=LINKING)
    assert sum(len(tube.boxes) for tube in tubes) == sum(map(len, frames))
    values = [value(tube.boxes, tube.scores, LINKING) for tube in tubes]
    assert values == sorted(values, reverse=True)
    for tube in tubes:
        for t, box in enumerate(tube.boxes, tube.first):
            same = (frames[t].boxes == box).all(axis=1)
            assert frames[t].labels[same].tolist() == [tube.label]
    longer = link_tubelets(frames, linking=Linking(overlap_weight=0.7, least_overlap=0.15, least_frames=3))
    assert [tube.first for tube in longer] == [tube.first for tube in tubes if tube.past - tube.first >= 3]


def test_two_things_that_pass_stay_two_tubelets() -> None:
    frames = []
    for t in range(9):
        boxes = np.array([[4.0 * t, 0, 4 * t + 10, 10], [40 - 4.0 * t, 6, 50 - 4 * t, 16]])
        frames.append(Detections(boxes, np.array([0.9, 0.9]), np.zeros(2, np.int64)))
    tubes = link_tubelets(frames)
    assert [len(tube.boxes) for tube in tubes] == [9, 9]
    assert {float(tube.boxes[0, 0]) for tube in tubes} == {0.0, 40.0}
    for tube in tubes:
        assert len({float(row[1]) for row in tube.boxes}) == 1


def test_nothing_to_link_gives_nothing() -> None:
    none = some_boxes(np.random.default_rng(0), 0)
    assert link_tubelets([]) == ()
    assert link_tubelets([none, none]) == ()


def test_overlap_of_boxes() -> None:
    one = np.array([[0.0, 0, 2, 2], [0, 0, 0, 0]])
    np.testing.assert_allclose(box_overlap(one, np.array([[1.0, 1, 3, 3], [0, 0, 2, 2]])), [[1 / 7, 1], [0, 0]])


def test_rows_of_boxes_come_back() -> None:
    frame = some_boxes(np.random.default_rng(3), 5, labels=4)
    row = to_row(frame, most=3, size=(20, 30))
    back = from_row(row, size=(20, 30))
    np.testing.assert_allclose(back.boxes, frame.boxes[:3], rtol=1e-6)
    np.testing.assert_allclose(back.scores, frame.scores[:3], rtol=1e-6)
    assert (back.labels == frame.labels[:3]).all()
    assert len(from_row(to_row(some_boxes(np.random.default_rng(0), 0), most=2, size=(9, 9)))) == 0
    grid = TimeGrid(start=0, stride=1, window=1, steps=1)
    with pytest.raises(DataError, match="rows of boxes must have a multiple of 6 numbers, got 7"):
        detections(FeatureSequence(np.zeros((1, 7)), grid))


def test_boxes_about_people_hold_their_joints() -> None:
    people = np.zeros((2, 18, 3))
    people[0, :3] = [(4, 5, 1), (8, 15, 0.5), (6, 9, 1)]
    people[1, 7] = (3, 3, 1)
    np.testing.assert_allclose(boxes_about(people, margin=0.1), [[3, 4, 9, 16], [3, 3, 3, 3]])
    assert boxes_about(people[:0], margin=0.1).shape == (0, 4)


SMALL = PosePeople(estimator=SmallPose(net=NarrowPose(width=2), size=(32, 48)))


@pytest.mark.parametrize("config", [Boxes(detector=SMALL, most=2, every=3), Boxes(detector=HogPeople(), per_second=4)])
def test_boxes_of_a_video_are_stored(tmp_path: Path, config: Boxes) -> None:
    video = write_clip(tmp_path / "clip.mp4", frames=12)
    assert video.path is not None
    store = FeatureStore(tmp_path / "store")
    store.write(config, "clip", config.rows(video.path, {}))
    found = store.load(config, "clip")
    assert isinstance(found, FeatureSequence)
    assert found.values.shape == (4 if config.per_second is None else 5, config.dims)
    assert all((frame.labels == 0).all() for frame in detections(found, size=(48, 64)))
    assert config.words == ("person",)
    assert from_plain(Boxes, to_plain(config)) == config


def test_opencvs_detector_finds_no_pedestrian_in_texture_but_keeps_boxes_inside() -> None:
    picture = np.full((160, 120, 3), 200, np.uint8)
    cv2.ellipse(picture, (60, 30), (11, 14), 0, 0, 360, (60, 50, 50), -1)
    cv2.rectangle(picture, (44, 44), (76, 95), (60, 50, 50), -1)
    cv2.rectangle(picture, (46, 95), (58, 148), (60, 50, 50), -1)
    cv2.rectangle(picture, (62, 95), (74, 148), (60, 50, 50), -1)
    found = detector(HogPeople(), None).found(np.stack([picture, np.zeros_like(picture)]))
    assert len(found[1]) == 0
    for box in found[0].boxes:
        assert 0 <= box[0] <= box[2] <= 120
        assert 0 <= box[1] <= box[3] <= 160


def test_torchvisions_net_speaks_in_words() -> None:
    config = TorchvisionDetector(net="ssdlite320_mobilenet_v3_large", pretrained=False, least=0.0)
    net = detector(config, None)
    assert net.words[1] == "person"
    (found,) = net.found(np.random.default_rng(0).integers(0, 256, (1, 60, 80, 3), dtype=np.uint8))
    assert (found.labels < len(net.words)).all()
    assert (np.diff(found.scores) <= 0).all()


def test_weights_that_cannot_be_had_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch.hub
    from torchvision.models import get_model_weights

    def no_network(*given: object, **options: object) -> None:
        raise OSError("no network")

    kind = type(get_model_weights("fasterrcnn_resnet50_fpn").DEFAULT)
    monkeypatch.setattr(kind, "get_state_dict", no_network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingExtra, match=r"COCO weights of fasterrcnn_resnet50_fpn cannot be had .*put that file at"):
        detector(TorchvisionDetector(), None)
    other = tmp_path / "other.pth"
    torch.save({"x": torch.zeros(1)}, other)
    with pytest.raises(DataError, match="do not fit ssdlite320_mobilenet_v3_large"):
        detector(TorchvisionDetector(net="ssdlite320_mobilenet_v3_large"), other)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    boxes, scores, labels = np.array([[0.0, 0, 1, 1], [0, 0, 2, 2]]), np.array([0.2, 0.4]), np.zeros(2, np.int64)
    with pytest.raises(DataError, match="scores of detections must not rise"):
        Detections(boxes, scores, labels)
    with pytest.raises(DataError, match="boxes of detections must be finite, left <= right and top <= bottom"):
        Detections(boxes[:, ::-1], scores[::-1], labels)
    with pytest.raises(DataError, match="boxes that are linked must have scores of 0 or more"):
        link_tubelets([Detections(boxes, np.array([0.1, -1.0]), labels)])
    with pytest.raises(DataError, match="linking needs overlap_weight >= 0"):
        Linking(overlap_weight=-1)
    with pytest.raises(DataError, match="boxes need most >= 1, got 0"):
        Boxes(most=0)
    with pytest.raises(DataError, match=r"boxes need every >= 1 and per_second in \(0, 1000\] or None, got 0 and None"):
        Boxes(every=0)
    with pytest.raises(DataError, match=r"a detector needs least in \[0, 1\]"):
        TorchvisionDetector(least=2)
    with pytest.raises(DataError, match="margin of boxes about poses must not be negative"):
        PosePeople(margin=-0.1)
    with pytest.raises(DataError, match="OpenCV's people detector takes no weights"):
        detector(HogPeople(), tmp_path)

"""Columns: made from records, parts of them, words."""

import numpy as np
import pytest

from untrimmed.columns import GroundTruth, ground_truth_of, predictions_of, references_of, sentences_of
from untrimmed.records import (
    Annotation,
    ClassScores,
    DataError,
    Dataset,
    Detection,
    Event,
    Instance,
    Prediction,
    Proposal,
    Task,
    Video,
)


def annotated(name: str, *instances: Instance, subset: str = "validation") -> Annotation:
    return Annotation(video=Video(video_id=name, duration=10.0, subset=subset), instances=instances)


DATASET = Dataset(
    name="made",
    annotations=(
        annotated("a", Instance((0.0, 1.0), "y"), Instance((2.0, 3.0), "x")),
        annotated("n"),
        annotated("b", Instance((4.0, 5.0), "z")),
        annotated("t", Instance((4.0, 5.0), "w"), subset="training"),
    ),
)


def test_ground_truth_of_a_data_set() -> None:
    found = ground_truth_of(DATASET)
    assert (found.name, found.subset, found.video_ids) == ("made", "validation", ("a", "n", "b"))
    assert found.video.tolist() == [0, 0, 2]
    assert found.labels == ("x", "y", "z")
    assert found.label_index.tolist() == [1, 0, 2]
    assert found.segments.tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(DataError, match="subset testing of data set made holds no annotated instance"):
        ground_truth_of(DATASET, "testing")
    with pytest.raises(DataError, match="subset must be one of training, validation, testing, got 'val'"):
        ground_truth_of(DATASET, "val")


def test_without_videos_numbers_and_classes_stay_in_step() -> None:
    found = ground_truth_of(DATASET)
    left = GroundTruth(
        **{
            **{name: getattr(found, name) for name in found.__dataclass_fields__},
            "ambiguous_video": np.array([0, 2]),
            "ambiguous_segments": np.array([[0.0, 1.0], [5.0, 6.0]]),
        }
    ).without(["a", "stranger"])
    assert left.video_ids == ("n", "b")
    assert left.labels == ("z",)
    assert left.video.tolist() == [1]
    assert left.label_index.tolist() == [0]
    assert left.ambiguous_video.tolist() == [1]
    assert left.ambiguous_segments.tolist() == [[5.0, 6.0]]


def test_predictions_of_a_system() -> None:
    said = [
        Prediction(video=Video(video_id="a", duration=9.0), detections=(), classes=ClassScores({"x": 1.0, "y": 2.0})),
        Prediction(
            video=Video(video_id="b", duration=9.0),
            detections=(Detection((0.0, 1.0), 0.5, "x"), Detection((1.0, 2.0), 0.25, "y")),
            proposals=(Proposal((0.0, 1.0), 0.5),),
            classes=ClassScores({"y": 3.0}),
        ),
    ]
    found = predictions_of(said, Task.LOCALIZATION)
    assert found.video.tolist() == [1, 1]
    assert found.labels == ("x", "y")
    left = found.without(["a"])
    assert (left.video_ids, left.video.tolist()) == (("b",), [0, 0])
    classes = predictions_of(said, Task.CLASSIFICATION)
    assert classes.video.tolist() == [0, 0, 1]
    assert classes.segments is None
    assert predictions_of(said[1:], Task.PROPOSALS).label_index is None
    with pytest.raises(DataError, match="prediction of video a holds nothing for proposals"):
        predictions_of(said, Task.PROPOSALS)
    with pytest.raises(DataError, match="captions have columns of their own: use sentences_of"):
        predictions_of(said, Task.CAPTIONING)
    with pytest.raises(DataError, match="prediction of video a holds nothing for captioning"):
        sentences_of(said)


def test_references_of_two_annotators() -> None:
    first, second = Event((0.0, 1.0), "one"), Event((1.0, 2.0), "two")
    dataset = Dataset(
        name="made",
        annotations=(
            Annotation(
                video=Video(video_id="a", duration=9.0, subset="validation"), events=((first,), (second, first))
            ),
            Annotation(video=Video(video_id="b", duration=9.0, subset="validation"), events=((second,),)),
        ),
    )
    found = references_of(dataset)
    assert [one.video_ids for one in found] == [("a", "b"), ("a",)]
    assert [one.sentences for one in found] == [("one", "two"), ("two", "one")]
    with pytest.raises(DataError, match="subset training of data set made holds no sentence"):
        references_of(dataset, "training")

"""Records refuse what cannot be used, in words."""

import math
import pickle
from dataclasses import FrozenInstanceError

import pytest

from untrimmed.records import (
    Annotation,
    Caption,
    ClassScores,
    DataError,
    Dataset,
    Detection,
    Event,
    Instance,
    Proposal,
    Task,
    Video,
)


def video(video_id: str = "v1", subset: str = "training") -> Video:
    return Video(video_id=video_id, duration=10.0, subset=subset)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Instance((12.5, 12.5), "jump"), r"segment of an instance of 'jump' must have start < end, got \[12.5"),
        (lambda: Event((2.0, 1.0), "a man"), r"segment of an event must have start < end, got \[2.0, 1.0\]"),
        (lambda: Proposal((0.0, math.nan), 1.0), "must have finite times"),
        (lambda: Proposal((0.0, 1.0), math.inf), "score of a proposal must be finite, got inf"),
        (lambda: Detection((0.0, 1.0), 0.5, " "), "label of a detection must not be empty"),
        (lambda: Caption((1.0, 0.0), 0.5, "x"), "segment of a caption"),
        (lambda: Event((0.0, 1.0), ""), "sentence of an event must not be empty"),
        (lambda: ClassScores({"a": math.nan}), "score of class 'a' must be finite"),
        (lambda: Video(video_id="v", duration=0.0), "duration of video v must be positive seconds, got 0.0"),
        (lambda: Video(video_id="v", duration=1.0, subset="val"), "must be one of training, validation, testing"),
        (lambda: Video(video_id="", duration=1.0), "video_id must not be empty"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(build: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        build()  # type: ignore[operator]


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Instance((0.0, 1.0), "jump").label = "run"  # type: ignore[misc]


def test_class_scores_cannot_be_changed_and_cross_a_process_border() -> None:
    given = {"a": 0.5, "b": 0.9, "c": 0.9}
    scores = ClassScores(given)
    given["a"] = 7.0
    assert scores.best(2) == [("b", 0.9), ("c", 0.9)]
    assert dict(pickle.loads(pickle.dumps(scores)).scores) == {"a": 0.5, "b": 0.9, "c": 0.9}  # noqa: S301


def test_a_dataset_has_every_video_once_and_knows_its_labels() -> None:
    first = Annotation(video=video("v1"), instances=(Instance((0, 1), "run"), Instance((2, 3), "jump")))
    second = Annotation(video=video("v2", "validation"), instances=(Instance((0, 1), "run"),))
    dataset = Dataset(name="d", annotations=(first, second))
    assert dataset.labels == ("jump", "run")
    assert first.labels == ("run", "jump")
    part = dataset.subset("validation")
    assert [item.video_id for item in part.videos] == ["v2"]
    assert part.labels == dataset.labels
    with pytest.raises(DataError, match="video_id v1 appears twice in data set d"):
        Dataset(name="d", annotations=(first, first))
    with pytest.raises(DataError, match="subset must be one of"):
        dataset.subset("val")


def test_the_five_tasks_are_counted_as_in_the_challenge() -> None:
    assert [task.code for task in Task] == ["T1", "T2", "T3", "T4", "T5"]

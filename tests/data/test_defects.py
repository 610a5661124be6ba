"""The defect report and the policies, on made and on real annotations."""

import logging
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.data import Policy, open_dataset, read_raw, survey
from untrimmed.data.defects import Kind, counts, other_durations, to_dataset
from untrimmed.data.durations import read_durations
from untrimmed.data.raw import RawDataset, RawVideo, Span
from untrimmed.records import DataError

GOOD = Span(1.0, 2.0, "x")


def raw(*videos: RawVideo, labels: tuple[str, ...] = ()) -> RawDataset:
    return RawDataset(name="made", source=Path("made.json"), videos=list(videos), labels=labels)


def video(*spans: Span, name: str = "a", subset: str = "training", duration: float = 10.0) -> RawVideo:
    return RawVideo(video_id=name, duration=duration, subset=subset, instances=list(spans))


@pytest.mark.parametrize(
    ("made", "kind", "words"),
    [
        (video(Span(2.0, 2.0, "x")), Kind.ZERO_LENGTH, r"zero length of video a: \[2, 2\] 'x'"),
        (video(Span(3.0, 2.0, "x")), Kind.NEGATIVE_LENGTH, r"negative length of video a: \[3, 2\] 'x'"),
        (video(Span(-1.0, 2.0, "x")), Kind.BEFORE_START, r"starts before the video of video a"),
        (video(Span(1.0, 12.0, "x")), Kind.AFTER_END, r"\[1, 12\] 'x', the video has 10 s"),
        (video(Span(1.0, math.nan, "x")), Kind.NOT_A_TIME, r"not a time of video a"),
        (video(GOOD, GOOD), Kind.DUPLICATE, r"duplicate annotation of video a: \[1, 2\] 'x'"),
        (video(Span(1.0, 2.0, " ")), Kind.NO_TEXT, r"no label or sentence of video a"),
        (video(Span(1.0, 2.0, "z")), Kind.UNKNOWN_LABEL, r"'z' is none of the 2 classes"),
        (video(GOOD, duration=0.0), Kind.NO_DURATION, r"wanted positive seconds, got 0"),
        (video(GOOD, subset="val"), Kind.MISNAMED_SUBSET, r"'val' is none of .*, did you mean validation\?"),
        (video(GOOD, subset="foo"), Kind.MISNAMED_SUBSET, r"'foo' is none of training, validation, testing$"),
        (video(), Kind.NOT_ANNOTATED, r"video without annotation of video a: it is in subset 'training'"),
    ],
)
def test_every_defect_is_named(made: RawVideo, kind: Kind, words: str) -> None:
    found = survey(raw(made, labels=("x", "y")))
    assert kind in {defect.kind for defect in found}
    with pytest.raises(ValueError, match=words):
        raise ValueError(next(str(defect) for defect in found if defect.kind is kind))


def test_defects_of_the_whole_file() -> None:
    whole = raw(video(GOOD), video(GOOD))
    whole.whole = True
    kinds = counts(survey(whole, files=True))
    assert kinds == {"video file missing": 2, "empty subset": 2, "duplicate video": 1}


def test_testing_videos_need_no_annotation() -> None:
    assert survey(raw(video(subset="testing"))) == ()


SPANS = (
    GOOD,
    Span(2.0, 2.0, "x"),
    Span(5.0, 4.0, "x"),
    Span(-1.0, 3.0, "x"),
    Span(8.0, 12.0, "x"),
    Span(11.0, 12.0, "x"),
    GOOD,
    Span(1.0, math.inf, "x"),
)


@pytest.mark.parametrize(
    ("policy", "segments"),
    [
        (Policy.KEEP, [(1, 2), (-1, 3), (8, 12), (11, 12), (1, 2)]),
        (Policy.CLIP, [(1, 2), (0, 3), (8, 10), (1, 2)]),
        (Policy.DROP, [(1, 2)]),
    ],
)
def test_policies(policy: Policy, segments: list, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = to_dataset(raw(video(*SPANS)), policy)
    assert [item.segment for item in dataset.annotations[0].instances] == segments
    assert f"left out {len(SPANS) - len(segments)} instances (policy {policy.value})" in caplog.text


def test_refuse_stops_at_the_first_defect_and_lets_the_harmless_pass() -> None:
    with pytest.raises(DataError, match=r"made.json has 7 defects, the first is zero length of video a: \[2, 2\] 'x'"):
        to_dataset(raw(video(*SPANS)), Policy.REFUSE)
    assert len(to_dataset(raw(video(GOOD), video(name="b")), Policy.REFUSE).annotations) == 2


def test_unusable_videos_are_left_out_and_aliases_of_subsets_understood(caplog: pytest.LogCaptureFixture) -> None:
    made = raw(
        video(GOOD, subset="val"), video(name="b", duration=math.nan), video(name="c", subset="foo"), video(name="a")
    )
    with caplog.at_level(logging.WARNING):
        dataset = to_dataset(made)
    assert [(one.video.video_id, one.video.subset) for one in dataset.annotations] == [("a", "validation")]
    assert "left out 3 videos" in caplog.text
    with pytest.raises(DataError, match="has no video that can be used; 1 were left out"):
        to_dataset(raw(video(duration=math.nan)))


times = st.floats(-5, 15)


@given(st.lists(st.builds(Span, times, times, st.sampled_from("xy")), max_size=8), st.sampled_from(list(Policy)[:3]))
def test_what_a_policy_lets_through_is_a_record_and_after_clip_and_drop_without_defect(
    spans: list[Span], policy: Policy
) -> None:
    logging.disable()
    dataset = to_dataset(raw(video(*spans)), policy)
    logging.disable(logging.NOTSET)
    kept = [Span(*item.segment, item.label) for item in dataset.annotations[0].instances]
    if policy is not Policy.KEEP:
        kinds = {defect.kind for defect in survey(raw(video(*kept)))}
        assert kinds <= {Kind.NOT_ANNOTATED, Kind.DUPLICATE}
    again = to_dataset(raw(video(*kept)), policy)
    assert again.annotations == dataset.annotations


def test_the_official_file_has_the_known_defects() -> None:
    whole = read_raw(shared("data/activitynet/activity_net.v1-3.json.gz"))
    found = counts(survey(whole))
    assert found["ends after the video"] == 225
    assert found["zero length"] == 12
    assert set(found) == {"ends after the video", "zero length", "duplicate annotation"}
    copies = read_durations(shared("data/activitynet/video_info.csv.gz"), name="duration_30fps_s")
    told = other_durations(whole, copies)
    assert len(told) == 7218
    assert len(other_durations(whole, copies, tolerance=1.0)) == 83
    assert len(other_durations(whole, copies, tolerance=10.0)) == 9
    assert "s here, " in str(told[0])


def test_the_official_training_captions_have_the_known_defects() -> None:
    found = counts(survey(read_raw(shared("data/activitynet_captions/train.json.gz"))))
    assert found["zero length"] + found["negative length"] == 4


@pytest.mark.slow  # the run-time type checker looks at 43,000 records
def test_policies_on_the_official_file(caplog: pytest.LogCaptureFixture) -> None:
    path = shared("data/activitynet/activity_net.v1-3.json.gz")
    with caplog.at_level(logging.WARNING):
        dataset = open_dataset(path)
    assert "left out 12 instances (policy clip)" in caplog.text
    assert [len(dataset.subset(name).annotations) for name in ("training", "validation", "testing")] == [
        10024,
        4926,
        5044,
    ]
    assert len(dataset.labels) == 200
    with pytest.raises(DataError, match=r"has 284 defects, the first is"):
        open_dataset(path, policy=Policy.REFUSE)

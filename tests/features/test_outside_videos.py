"""Outside videos: agreement, balance, no video twice, and the data set that comes of it."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import write_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.features.outside_videos import (
    OutsideVideos,
    agreed,
    balanced,
    searched,
    strangers,
    with_outside,
    with_validation,
)
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video

LABELS = ("Long jump", "Playing pool", "Tango")


def annotated(name: str, label: str, *, subset: str = "training", path: Path | None = None) -> Annotation:
    video = Video(video_id=name, duration=2.0, subset=subset, path=path)
    return Annotation(video=video, instances=(Instance((0.0, 2.0), label),))


@settings(deadline=None)
@given(seed=st.integers(0, 300), top=st.integers(1, 6), levels=st.sampled_from([0, 3]))
def test_a_video_agrees_where_fewer_than_top_classes_come_before_its_keyword(seed: int, top: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((12, 5)) if not levels else rng.integers(0, levels, (12, 5)).astype(float)
    keywords = rng.integers(0, 5, 12)
    found = agreed(keywords, scores, top=top)
    for row, keyword, mine in zip(scores, keywords, found, strict=True):
        before = sum(score > row[keyword] or (score == row[keyword] and k < keyword) for k, score in enumerate(row))
        assert mine == (before < top)
    assert not (found & ~agreed(keywords, scores, top=top + 1)).any()  # more that count, more that agree
    assert agreed(keywords, scores, top=5).all()


@settings(deadline=None)
@given(seed=st.integers(0, 300), most=st.integers(0, 8))
def test_classes_are_filled_with_the_surest_and_never_beyond(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    keywords, sureness, counts = rng.integers(0, 4, 20), rng.random(20), rng.integers(0, 6, 4)
    taken = balanced(keywords, sureness, counts, most=most)
    for label in range(4):
        mine = keywords == label
        assert taken[mine].sum() == min(mine.sum(), max(0, most - counts[label]))
        if taken[mine].any() and not taken[mine].all():
            assert sureness[mine & taken].min() > sureness[mine & ~taken].max()


def test_ids_and_bytes_that_are_known_are_strangers_no_more(tmp_path: Path) -> None:
    content = {"test": b"one", "new": b"two", "copy": b"one", "again": b"two", "alike": b"six"}
    paths = {name: tmp_path / f"{name}.mp4" for name in content}
    for name, text in content.items():
        paths[name].write_bytes(text)
    videos = {name: Video(video_id=name, duration=1.0, path=path) for name, path in paths.items()}
    known = [videos["test"], Video(video_id="named", duration=1.0)]
    offered = [
        Video(video_id="named", duration=1.0, path=paths["new"]),  # the id of a known one
        videos["copy"],  # the bytes of a known one
        videos["new"],
        videos["again"],  # the bytes of one before
        videos["alike"],  # of equal size only
        Video(video_id="gone", duration=1.0, path=tmp_path / "gone.mp4"),
        replace(videos["new"], path=None),  # the id of one before
    ]
    assert [video.video_id for video in strangers(offered, known)] == ["new", "alike", "gone"]


def test_a_data_set_grows_by_what_the_baseline_confirms() -> None:
    tangos = [annotated(f"own-{n}", "Tango") for n in range(2)]
    own = (*tangos, annotated("test", "Long jump", subset="testing"))
    dataset = Dataset(name="small", annotations=own, labels=LABELS)
    words = {"a": "Long jump", "b": "Long jump", "c": "Tango", "d": "Tango", "e": "Playing pool", "f": "Tango"}
    outside = Dataset(name="found", annotations=tuple(annotated(n, w, subset="testing") for n, w in words.items()))
    scores = {
        "a": np.array([0.9, 0.1, 0.0]),
        "b": np.array([0.2, 0.5, 0.3]),  # ranks its keyword third
        "c": np.array([0.1, 0.0, 0.9]),
        "d": np.array([0.4, 0.0, 0.6]),  # confirmed, but Tango has three then
        "e": np.array([0.1, 0.8, 0.1]),
    }
    found = with_outside(dataset, outside, scores, OutsideVideos(path=Path("outside"), top=2, most=3))
    assert found.annotations[:3] == own
    assert found.labels == LABELS
    assert [(one.video.video_id, one.labels) for one in found.annotations[3:]] == [
        ("a", ("Long jump",)),
        ("c", ("Tango",)),
        ("e", ("Playing pool",)),
    ]
    assert {one.video.subset for one in found.annotations[3:]} == {"training"}
    assert found.subset("testing") == dataset.subset("testing")
    assert with_outside(dataset, outside, {}, OutsideVideos(path=Path("outside"))) == dataset


def test_validation_videos_with_classes_are_learnt_from_and_nothing_else_moves() -> None:
    told, test = annotated("told", "Tango", subset="validation"), annotated("test", "Tango", subset="testing")
    untold = Annotation(video=Video(video_id="untold", duration=1.0, subset="validation"))
    dataset = Dataset(name="small", annotations=(told, test, untold, annotated("own", "Tango")), labels=LABELS)
    found = with_validation(dataset)
    assert [one.video.subset for one in found.annotations] == ["training", "testing", "validation", "training"]
    assert [one.instances for one in found.annotations] == [one.instances for one in dataset.annotations]
    assert found.labels == LABELS


def test_a_folder_of_keywords_is_searched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, keyword in enumerate(("long_jump", "TANGO", "Knitting")):
        (tmp_path / "found" / keyword).mkdir(parents=True)
        write_clip(tmp_path / "found" / keyword / f"clip{number}.mp4", frames=4, seed=number)
    twin = tmp_path / "test.mp4"
    twin.write_bytes((tmp_path / "found" / "TANGO" / "clip1.mp4").read_bytes())
    dataset = Dataset(
        name="small",
        annotations=(annotated("test", "Tango", subset="testing", path=twin), annotated("own", "Playing pool")),
        labels=LABELS,
    )
    with caplog.at_level(logging.INFO):
        found = searched(OutsideVideos(path=tmp_path / "found"), dataset)
    assert [one.labels for one in found.annotations] == [("Long jump",)]
    assert found.labels == LABELS
    assert "1 keywords of" in caplog.text
    assert "it has the bytes of test.mp4" in caplog.text
    with pytest.raises(DataError, match="outside videos need keywords that are classes of small, got none in"):
        searched(OutsideVideos(path=tmp_path / "found"), replace(dataset, labels=("Fencing",)))


def test_words() -> None:
    for wrong in ({"top": 0}, {"most": -1}):
        with pytest.raises(DataError, match="outside videos need top >= 1 and most >= 0, got"):
            OutsideVideos(path=Path("found"), **wrong)

"""Any classes are stamped on any proposals from the command line: files, weights, scales, suppression, and one line for
every mistake. Systems stand in for themselves: any that gives classes, any that gives proposals."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from untrimmed.cli import call
from untrimmed.records import ClassScores, Prediction, Proposal, Task, Video
from untrimmed.systems import catalogue

DURATIONS = {"one": 20.0, "two": 30.0}


def write(path: Path, results: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"version": "VERSION 1.3", "results": results, "external_data": {}}))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    database = {
        name: {
            "duration": seconds,
            "subset": "validation",
            "url": "",
            "resolution": "64x48",
            "annotations": [{"label": "run", "segment": [1.0, 5.0]}, {"label": "jump", "segment": [8.0, 9.0]}],
        }
        for name, seconds in DURATIONS.items()
    }
    path = tmp_path / "activitynet.json"
    path.write_text(json.dumps({"version": "VERSION 1.3", "database": database, "taxonomy": []}))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    classes = {name: [{"label": "run", "score": 0.6}, {"label": "jump", "score": 0.4}] for name in DURATIONS}
    others = {name: [{"label": "jump", "score": 0.9}] for name in DURATIONS}
    first = {
        name: [{"score": 0.5, "segment": [1.0, 5.0]}, {"score": 0.8, "segment": [2.0, 40.0]}] for name in DURATIONS
    }
    second = {name: [{"score": 0.9, "segment": [1.0, 5.0]}] for name in DURATIONS}
    return {
        "classes": write(tmp_path / "classes.json", classes),
        "others": write(tmp_path / "others.json", others),
        "first": write(tmp_path / "first.json", first),
        "second": write(tmp_path / "second.json", second),
    }


def stamp_words(data: Path, output: Path, *more: object) -> list[str]:
    return ["predict", str(data), "--output", str(output), *map(str, more)]


def said(output: Path, task: str = "localization") -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads((output / f"{task}.json").read_text())["results"]
    return found


def test_a_file_of_classes_is_stamped_on_a_file_of_proposals(
    data: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert call(stamp_words(data, out, "--classifier", files["classes"], "--proposals", files["first"])) == 0
    assert said(out)["one"] == [
        {"label": "run", "score": pytest.approx(0.48), "segment": [2.0, 20.0]},  # cut to the video
        {"label": "run", "score": pytest.approx(0.3), "segment": [1.0, 5.0]},
    ]
    assert [item["score"] for item in said(out, "proposals")["two"]] == [0.8, 0.5]
    assert said(out, "classification")["two"][0] == {"label": "run", "score": 0.6}


def test_several_sources_are_fused_by_their_weights(data: Path, files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--classifier", files["classes"], files["others"], "--proposals", files["first"], files["second"]]
    weights = ["--classifier-weights", "3", "1", "--proposal-weights", "1", "3"]
    more = ["--classes", "2", "--most", "1", "--combine", "mean", "--combine-weights", "1", "3"]
    assert call(stamp_words(data, out, *words, *weights, *more)) == 0
    proposal = (0.5 + 3 * 0.9) / 4
    jump, run = (3 * 0.4 + 0.9) / 4, 3 * 0.6 / 4
    assert said(out)["two"] == [
        {"label": "jump", "score": pytest.approx((proposal + 3 * jump) / 4), "segment": [1.0, 5.0]},
        {"label": "run", "score": pytest.approx((proposal + 3 * run) / 4), "segment": [1.0, 5.0]},
    ]


def test_scores_above_one_are_refused_or_scaled(
    data: Path, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = write(
        tmp_path / "cuhk.json",
        {n: [{"label": "run", "score": 3.0}, {"label": "jump", "score": 1.0}] for n in DURATIONS},
    )
    words = ["--classifier", loud, "--proposals", files["second"]]
    assert call(stamp_words(data, tmp_path / "a", *words)) == 2
    error = capsys.readouterr().err
    assert (
        "cuhk.json must be in [0, 1], got 3; say how to bring them there: share, highest, softmax or sigmoid" in error
    )
    for scale, wanted in (("share", 0.75), ("highest", 1.0), ("sigmoid", 0.9525741), ("softmax", 0.8807971)):
        out = tmp_path / scale
        assert call(stamp_words(data, out, *words, "--class-scale", scale, "--combine", "class")) == 0
        assert said(out)["one"][0]["score"] == pytest.approx(wanted)


def test_detections_are_suppressed_by_a_named_rule(data: Path, files: dict[str, Path], tmp_path: Path) -> None:
    near = {n: [{"score": 0.9, "segment": [1.0, 5.0]}, {"score": 0.8, "segment": [1.1, 5.0]}] for n in DURATIONS}
    words = ["--classifier", files["classes"], "--proposals", write(tmp_path / "near.json", near)]
    assert call(stamp_words(data, tmp_path / "all", *words)) == 0
    assert call(stamp_words(data, tmp_path / "hard", *words, "--suppress", "hard")) == 0
    assert call(stamp_words(data, tmp_path / "bmn", *words, "--suppress", "bmn")) == 0
    assert len(said(tmp_path / "all")["one"]) == 2
    assert said(tmp_path / "hard")["one"] == said(tmp_path / "all")["one"][:1]
    assert said(tmp_path / "bmn")["one"][1]["score"] < 0.8 * 0.6


def test_a_video_that_a_side_does_not_know_is_left_out(
    data: Path,
    files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    half = write(tmp_path / "half.json", {"two": [{"label": "jump", "score": 0.7}]})
    out = tmp_path / "out"
    assert call(stamp_words(data, out, "--classifier", half, "--proposals", files["first"])) == 1
    assert list(said(out)) == ["two"]
    assert "video one is left out: no classifier has it" in caplog.text
    assert "1 of 2 videos could not be predicted" in capsys.readouterr().out
    both = ["--classifier", half, files["classes"], "--proposals", files["first"]]
    assert call(stamp_words(data, tmp_path / "both", *both)) == 0  # the one that does not know it abstains
    assert said(tmp_path / "both")["one"][0]["score"] == pytest.approx(0.48)


class Voice:
    """A system that knows what is in a file of words."""

    tasks = frozenset({Task.PROPOSALS})
    number = 99
    asked = 0

    def __init__(self, folder: Path) -> None:
        self.classes = (folder / "classes").exists()

    def predict(self, videos: Sequence[Video], *, store: object) -> Iterator[Prediction]:
        Voice.asked += 1
        for video in videos:
            classes = ClassScores({"run": 0.75, "jump": 0.25}) if self.classes else None
            yield Prediction(video=video, classes=classes, proposals=(Proposal((0.0, 4.0), 0.5),))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setattr(catalogue, "load_system", Voice)
    Voice.asked = 0
    found = {}
    for name in ("both", "silent"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        found[name] = folder
    (found["both"] / "classes").touch()
    return found


def test_systems_give_classes_and_proposals_and_are_asked_once(
    data: Path, files: dict[str, Path], folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both, out, store = folders["both"], tmp_path / "out", tmp_path / "store"
    assert call(stamp_words(data, out, "--classifier", both, "--proposals", both, "--store", store)) == 0
    assert Voice.asked == 1
    assert said(out)["one"] == [{"label": "run", "score": 0.375, "segment": [0.0, 4.0]}]
    mixed = ["--classifier", files["others"], "--proposals", folders["silent"], files["second"], "--store", store]
    assert call(stamp_words(data, tmp_path / "mixed", *mixed)) == 0
    assert [item["segment"] for item in said(tmp_path / "mixed")["one"]] == [[1.0, 5.0], [0.0, 4.0]]
    capsys.readouterr()
    words = ["--classifier", folders["silent"], "--proposals", both, "--store", store]
    assert call(stamp_words(data, tmp_path / "none", *words)) == 2
    assert f"the system in {folders['silent']} gives no classes of whole videos" in capsys.readouterr().err


def test_suppression_without_stamping_needs_detections(
    data: Path, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(folders["both"]), str(data), "--output", str(tmp_path / "o"), "--store", str(tmp_path)]
    assert call(words) == 0
    assert call([*words, "--suppress", "hard"]) == 2
    assert "suppression hard needs detections, but video one was given none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--classifier", "c.json"], "stamping needs both --classifier and --proposals"),
        ([], "predict takes SYSTEM DATA, got"),
        (
            ["--classifier", "c", "--proposals", "p", "x"],
            "predict takes DATA alone beside --classifier and --proposals",
        ),
        (["--classifier", "FIRST", "--proposals", "FIRST"], "label"),
        (
            ["--classifier", "CLASSES", "--proposals", "FIRST", "--classifier-weights", "1", "2"],
            "fusing 1 sources needs a weight >= 0 for each and not all 0, got (1.0, 2.0)",
        ),
        (["--classifier", "CLASSES", "--proposals", "FIRST", "--suppress", "nms"], "suppression must be one of hard, "),
        (["--classifier", "CLASSES", "--proposals", "FIRST", "--classes", "0"], "stamping needs counts >= 1, got 0"),
    ],
)
def test_mistakes_are_one_line(
    data: Path,
    files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    named = {"FIRST": str(files["first"]), "CLASSES": str(files["classes"])}
    words = stamp_words(data, tmp_path / "out", *(named.get(word, word) for word in more))
    if more[-1:] == ["x"]:
        words = ["predict", "x", *words[1:-1]]
    assert call(words) == 2
    assert message in capsys.readouterr().err

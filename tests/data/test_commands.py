"""untrimmed check, convert and stats, as a user calls them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared_folder import shared
from untrimmed import cli
from untrimmed.data import activitynet, read_captions, read_ground_truth, read_predictions
from untrimmed.data.conversion import Target, convert
from untrimmed.data.prediction_defects import survey_predictions
from untrimmed.records import Annotation, DataError, Dataset, Event, Instance, Task, Video

SAID = {
    "version": "VERSION 1.3",
    "external_data": {},
    "results": {
        "one": [
            {"label": "Jump", "score": 0.5, "segment": [1.0, 4.0]},
            {"label": "Jump", "score": 0.5, "segment": [1.0, 4.0]},
            {"label": "Fly", "score": 0.25, "segment": [6.0, 5.0]},
            {"label": "Run", "score": 0.125, "segment": [6.0, 20.0]},
        ],
        "stranger": [],
    },
}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    dataset = Dataset(
        name="activitynet-1.3",
        annotations=(
            Annotation(
                video=Video(video_id="one", duration=10.0, subset="validation"),
                instances=(Instance((1.0, 4.0), "Jump"), Instance((3.0, 6.0), "Run")),
                events=((Event((1.0, 4.0), "A man jumps high."),),),
            ),
            Annotation(
                video=Video(video_id="two", duration=10.0, subset="validation"),
                instances=(Instance((0.0, 5.0), "Run"),),
            ),
            Annotation(
                video=Video(video_id="three", duration=3600.0, subset="training"),
                instances=(Instance((0.0, 1800.0), "Jump"),),
            ),
            Annotation(video=Video(video_id="four", duration=5.0, subset="testing")),
        ),
    )
    activitynet.write(tmp_path / "truth.json", dataset)
    return tmp_path / "truth.json"


@pytest.fixture
def said(tmp_path: Path) -> Path:
    path = tmp_path / "said.json"
    path.write_text(json.dumps(SAID))
    return path


def test_check_a_valid_file(truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["check", str(truth)]) == 0
    printed = capsys.readouterr().out
    assert "ActivityNet annotations, 4 videos, 4 instances, 0 sentences" in printed
    assert "valid, no defect found" in printed


def test_check_predictions_beside_their_ground_truth(
    truth: Path, said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert cli.call(["check", str(said), "--ground-truth", str(truth), "--output", str(report)]) == 1
    printed = capsys.readouterr().out
    assert "submission for localization, 4 predictions in 2 videos" in printed
    assert "one: 'Fly' is none of the 2 classes of subset validation of activitynet-1.3" in printed
    found = json.loads(report.read_text())
    assert found["counts"] == {
        "negative length": 1,
        "duplicate annotation": 1,
        "unknown label": 1,
        "unknown video": 1,
        "video without prediction": 1,
        "ends after the video": 1,
    }
    assert {"kind": "unknown video", "video_id": "stranger"}.items() <= found["defects"][3].items()


def test_nearly_equal_predictions_are_no_duplicates(said: Path) -> None:
    content = json.loads(json.dumps(SAID))
    near = [{"label": "Jump", "score": 0.5, "segment": [1109.668 + step / 1000, 2000.0]} for step in range(5)]
    content["results"]["one"] = [*near, near[2], {**near[0], "label": "Run"}]
    said.write_text(json.dumps(content))
    (found,) = survey_predictions(read_predictions(said, Task.LOCALIZATION))
    assert str(found) == "duplicate annotation of video one: [1109.67, 2000] 'Jump' stands twice"


def test_check_tells_repeated_keys(truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = truth.read_text()
    truth.write_text(text.replace('"two":', '"one":'))
    assert cli.call(["check", str(truth)]) == 1
    assert "one: the key stands twice, the last one counts" in capsys.readouterr().out


def test_check_shows_at_most_so_many(truth: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert cli.call(["check", str(truth), "--videos", str(tmp_path / "none"), "--limit", "2"]) == 1
    printed = capsys.readouterr().out
    assert "4 x video file missing" in printed
    assert "... and 2 more" in printed


def test_check_other_durations(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "copies.csv").write_text("video_id,duration,seconds\none,10.05,10\ntwo,10.2,10\nfive,,\n")
    assert cli.call(["check", str(truth), "--durations", str(tmp_path / "copies.csv")]) == 1
    assert "two: 10 s here, 10.2 s in the other copy" in capsys.readouterr().out
    words = ["check", str(truth), "--durations", str(tmp_path / "copies.csv"), "--column", "seconds"]
    assert cli.call(words) == 0


def test_stats_counts(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "stats.json"
    assert cli.call(["stats", str(truth), "--output", str(output)]) == 0
    assert "activitynet-1.3" in capsys.readouterr().out
    counts = {one["subset"]: one for one in json.loads(output.read_text())["subsets"]}
    assert counts["training"]["hours"] == 1.0
    assert counts["validation"]["videos"] == 2
    assert counts["validation"]["instances"] == 3
    assert counts["validation"]["share"] == pytest.approx((0.5 + 0.5) / 2)  # overlapping time counts once
    assert counts["validation"]["frequent"][0] == ["Run", 2]
    assert counts["testing"]["annotated"] == 0


def test_stats_of_the_official_captions(tmp_path: Path) -> None:
    output = tmp_path / "stats.json"
    assert cli.call(["stats", str(shared("data/activitynet_captions/val_1.json.gz")), "--output", str(output)]) == 0
    (one,) = json.loads(output.read_text())["subsets"]
    assert (one["videos"], one["sentences"]) == (4917, 17505)
    assert one["words"] / one["sentences"] == pytest.approx(13.6, abs=0.5)


def test_convert_annotations_there_and_back(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["convert", str(truth), str(tmp_path / "a.csv")]) == 0
    assert "4 instances in 4 videos (ActivityNet annotations) as segments" in capsys.readouterr().out
    assert cli.call(["convert", str(tmp_path / "a.csv"), str(tmp_path / "b.json.gz")]) == 0
    first, second = read_ground_truth(truth), read_ground_truth(tmp_path / "b.json.gz")
    np.testing.assert_array_equal(first.segments, second.segments)
    assert first.labels == second.labels


def test_convert_predictions(said: Path, tmp_path: Path) -> None:
    convert(said, tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text().splitlines()[2] == "one 6.0 5.0 Fly 0.25"
    convert(tmp_path / "a.txt", tmp_path / "b.json")
    again = read_predictions(tmp_path / "b.json", Task.LOCALIZATION)
    first = read_predictions(said, Task.LOCALIZATION)
    assert first.segments is not None
    assert again.segments is not None
    np.testing.assert_array_equal(again.segments, first.segments)
    np.testing.assert_array_equal(again.scores, first.scores)
    assert again.labels == first.labels
    convert(said, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text().splitlines()[0] == "video,start,end,label,score"
    (tmp_path / "classes.txt").write_text("Jump Springen\nFly Fliegen\nRun Rennen\n")
    words = ["convert", str(said), str(tmp_path / "d.json"), "--classes", str(tmp_path / "classes.txt")]
    assert cli.call(words) == 0
    assert read_predictions(tmp_path / "d.json", Task.LOCALIZATION).labels == ("Springen", "Fliegen", "Rennen")


def test_convert_timechat_to_a_submission(tmp_path: Path) -> None:
    source = shared("data/youcook2/timechat_val_predictions.json")
    convert(source, tmp_path / "a.json")
    first, again = read_captions(source), read_captions(tmp_path / "a.json")
    assert first.sentences == again.sentences
    assert first.video_ids == again.video_ids
    np.testing.assert_array_equal(first.segments, again.segments)


def test_words_of_conversion(truth: Path, said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"does not say what to write; end it in .json or .csv"):
        convert(truth, tmp_path / "a.bin")
    with pytest.raises(DataError, match="is ActivityNet annotations, which cannot become a submission"):
        convert(truth, tmp_path / "a.json", to=Target.SUBMISSION)
    with pytest.raises(DataError, match="predictions of this task cannot become a clips"):
        convert(said, tmp_path / "a.csv", to=Target.CLIPS)
    spaced = json.loads(json.dumps(SAID))
    spaced["results"]["one"][0]["label"] = "Long jump"
    said.write_text(json.dumps(spaced))
    with pytest.raises(DataError, match="a label must be one word, got 'Long jump'"):
        convert(said, tmp_path / "a.txt")
    assert cli.call(["convert", str(tmp_path / "none.json"), str(tmp_path / "a.json")]) == 2
    assert capsys.readouterr().err.startswith("untrimmed convert: ")
    assert not (tmp_path / "a.txt").exists()


def test_readers_and_evaluators_load_nothing_heavy() -> None:
    program = (
        "import sys, untrimmed.data, untrimmed.evaluate.localization, untrimmed.evaluate.proposals\n"
        "import untrimmed.evaluate.classification, untrimmed.data.inspection\n"
        "heavy = {'torch', 'cv2', 'av', 'numba', 'h5py', 'scipy', 'sklearn', 'matplotlib', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"

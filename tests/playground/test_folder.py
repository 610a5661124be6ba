"""The folder: official files, the same bytes for any number of workers, resumed after a stop, refused when not ours."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from untrimmed.cli import call
from untrimmed.data.playground import LABELS, PlaygroundConfig, untrimmed_plans, write_playground
from untrimmed.records import DataError

CONFIG = PlaygroundConfig(
    training=2,
    validation=1,
    testing=1,
    training_clips=0,
    validation_clips=0,
    testing_clips=1,
    width=48,
    height=36,
    fps=6,
    audio_rate=8000,
    shortest=10.0,
    longest=12.0,
    truth=True,
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "playground"
    assert write_playground(folder, CONFIG, workers=1) == 4 + 20
    return folder


def test_the_number_of_workers_does_not_matter(drawn: Path, tmp_path: Path) -> None:
    write_playground(tmp_path / "two", CONFIG, workers=2)
    assert contents(tmp_path / "two") == contents(drawn)


def test_the_activitynet_file_is_official(drawn: Path) -> None:
    found = json.loads((drawn / "untrimmed" / "activitynet.json").read_text())
    assert list(found) == ["version", "taxonomy", "database"]
    assert found["version"] == "VERSION 1.3"
    nodes = {row["nodeId"]: row for row in found["taxonomy"]}
    assert len(nodes) == len(found["taxonomy"])
    parents = {row["parentId"] for row in found["taxonomy"]}
    leaves = [row for row in found["taxonomy"] if row["nodeId"] not in parents]
    assert [row["nodeName"] for row in leaves] == list(LABELS)
    for row in found["taxonomy"]:
        assert set(row) == {"parentName", "nodeName", "nodeId", "parentId"}
        if row["parentId"] is not None:
            assert nodes[row["parentId"]]["nodeName"] == row["parentName"]
    subsets = [entry["subset"] for entry in found["database"].values()]
    assert subsets == ["training", "training", "validation", "testing"]
    for video_id, entry in found["database"].items():
        assert set(entry) == {"duration", "subset", "resolution", "url", "annotations"}
        assert (drawn / "untrimmed" / entry["url"]).name == f"{video_id}.mp4"
        assert (drawn / "untrimmed" / entry["url"]).exists()
        assert entry["annotations"]
        for annotation in entry["annotations"]:
            start, end = annotation["segment"]
            assert 0 <= start < end <= entry["duration"]
            assert annotation["label"] in LABELS


def test_the_caption_files_are_official(drawn: Path) -> None:
    database = json.loads((drawn / "untrimmed" / "activitynet.json").read_text())["database"]
    for name in ("training", "validation_1", "validation_2", "testing_1", "testing_2"):
        found = json.loads((drawn / "untrimmed" / "captions" / f"{name}.json").read_text())
        subset = name.split("_")[0]
        assert set(found) == {f"v_{key}" for key, entry in database.items() if entry["subset"] == subset}
        for key, entry in found.items():
            assert set(entry) == {"duration", "timestamps", "sentences"}
            assert entry["duration"] == database[key[2:]]["duration"]
            assert len(entry["timestamps"]) == len(entry["sentences"]) >= 1
            assert all(0 <= start < end <= entry["duration"] for start, end in entry["timestamps"])


def test_the_clip_list_names_every_clip(drawn: Path) -> None:
    with (drawn / "trimmed" / "clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["video", "label", "subset", "duration"]
    assert sorted(row["label"] for row in rows) == sorted(LABELS)
    for row in rows:
        assert (drawn / "trimmed" / "videos" / row["label"] / f"{row['video']}.mp4").exists()
        assert 1.8 <= float(row["duration"]) <= 6.2


def test_the_files_hold_what_the_plans_say(drawn: Path) -> None:
    import av

    for plan in untrimmed_plans(CONFIG):
        with av.open(str(drawn / "untrimmed" / "videos" / f"{plan.video_id}.mp4")) as container:
            pictures = sum(1 for _ in container.decode(video=0))
            assert pictures == plan.frames
            assert container.streams.audio[0].codec_context.name == "aac"
            assert container.streams.video[0].codec_context.name == "h264"
            assert float(container.duration / 1e6) == pytest.approx(plan.duration, abs=0.35)


def test_truth_is_written_beside_the_videos(drawn: Path) -> None:
    from safetensors.numpy import load_file

    names = sorted(path.stem for path in (drawn / "truth").iterdir())
    assert names == sorted(plan.video_id for plan in untrimmed_plans(CONFIG))
    arrays = load_file(drawn / "truth" / f"{names[0]}.safetensors")
    assert set(arrays) == {"seconds", "key_points", "iuv", "depth", "boxes", "boxes_word"}


def test_a_stopped_run_is_completed_and_nothing_drawn_twice(drawn: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, testing_clips=0, truth=False)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert write_playground(whole, config, workers=1) == 4
    assert write_playground(stopped, config, workers=1) == 4
    victim = stopped / "untrimmed" / "videos" / "training_0001.mp4"
    victim.unlink()
    (stopped / "untrimmed" / "activitynet.json").unlink()
    kept = (stopped / "untrimmed" / "videos" / "training_0000.mp4").stat().st_mtime_ns
    assert write_playground(stopped, config, workers=1) == 1
    assert (stopped / "untrimmed" / "videos" / "training_0000.mp4").stat().st_mtime_ns == kept
    assert contents(stopped) == contents(whole)
    assert write_playground(stopped, config, workers=1) == 0


def test_other_folders_are_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds another playground \(version 1, configuration \w+\), wanted version 1"):
        write_playground(drawn, replace(CONFIG, seed=1), workers=1)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a playground needs a new or empty folder, got .*strange with 'holiday.jpg'"):
        write_playground(strange, CONFIG, workers=1)
    assert sorted(path.name for path in strange.iterdir()) == ["holiday.jpg"]
    with pytest.raises(DataError, match=r"a playground needs a folder, got the file .*holiday.jpg"):
        write_playground(strange / "holiday.jpg", CONFIG, workers=1)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "playground.json").write_text("[]")
    with pytest.raises(DataError, match=r"playground.json is not the card of a playground: .*; choose an empty folder"):
        write_playground(broken, CONFIG, workers=1)
    with pytest.raises(DataError, match="workers must be at least 1, got 0"):
        write_playground(tmp_path / "new", CONFIG, workers=0)


def test_the_command_draws_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--training 1 --validation 0 --testing 0 --training-clips 0 --validation-clips 0 --testing-clips 0 "
    words += "--width 48 --height 36 --fps 6 --shortest 10 --longest 11 --workers 1 --quiet"
    folder = tmp_path / "mine"
    assert call(["playground", str(folder), *words.split()]) == 0
    out = capsys.readouterr().out
    assert f"{folder}: 1 videos with" in out
    assert "1 of them drawn now" in out
    assert call(["playground", str(folder), *words.split(), "--seed", "5"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("untrimmed playground: ")
    assert "holds another playground" in error
    assert error.count("\n") == 1


def test_plans_need_neither_opencv_nor_pyav() -> None:
    code = (
        "import sys, untrimmed.data.playground as p; p.untrimmed_plans(p.DEMO); print({'cv2', 'av'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

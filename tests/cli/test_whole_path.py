"""The commands as a user calls them, on the small playground with trainings of a few steps."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from small_world import TINY, shortened
from untrimmed.cli import call
from untrimmed.features import organisers
from untrimmed.systems import (
    context_captions,
    expert_windows,
    frame_votes,
    multitask_lstm,
    prop_ssad,
    six_votes,
    three_features,
    tsn_and_c3d,
)

MODULES: tuple[ModuleType, ...] = (
    tsn_and_c3d,
    prop_ssad,
    context_captions,
    three_features,
    expert_windows,
    six_votes,
    frame_votes,
    multitask_lstm,
)


@pytest.fixture(scope="module")
def patched() -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    for module in MODULES:
        patch.setattr(module, "LAPTOP", shortened(module.LAPTOP))
    for name in ("SMALL_C3D", "SMALL_SHUFFLE"):
        patch.setattr(organisers, name, shortened(getattr(organisers, name)))
    patch.setattr("untrimmed.data.playground.DEMO", TINY)
    return patch


@pytest.fixture(scope="module")
def demo(patched: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert call(["demo", str(folder)]) == 0
    return folder


def test_the_demo_leaves_systems_scores_submissions_and_a_page(demo: Path) -> None:
    assert (demo / "index.html").stat().st_size > 50_000
    assert sorted(path.name for path in (demo / "systems").iterdir()) == ["06", "19", "22"]
    names = {"classification", "recognition", "proposals", "localization", "captioning"}
    assert {path.stem for path in (demo / "predictions").iterdir()} == names
    (rows,) = (json.loads(path.read_text()) for path in (demo / "rows").iterdir())
    assert {row["task"] for row in rows} == {"T1", "T2", "T3", "T4", "T5"}
    ceiling = {row["name"]: row["figures"] for row in rows if row["task"] == "T4"}
    assert ceiling["ceiling: perfect proposals"]["average"] >= ceiling["whole video"]["average"]


def test_a_second_call_only_shows_what_is_there(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*") if path.is_file()}
    assert call(["demo", str(demo)]) == 0
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*") if path.is_file()} == before
    text = capsys.readouterr().out
    assert "T5 dense captions" in text
    assert str(demo / "index.html") in text.replace("\n", "")


@pytest.mark.parametrize("task", ["classification", "proposals", "localization"])
def test_its_submissions_are_scored_by_the_evaluate_command(demo: Path, task: str, tmp_path: Path) -> None:
    words = ["evaluate", task, "--ground-truth", str(demo / "playground/untrimmed/activitynet.json")]
    words += ["--predictions", str(demo / f"predictions/{task}.json"), "--subset", "testing", "--ignore-unknown"]
    assert call([*words, "--output", str(tmp_path / "result.json")]) == 0
    assert "untrimmed:" in (tmp_path / "result.json").read_text()


def test_any_video_is_analyzed(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = next((demo / "playground/untrimmed/videos").glob("testing*.mp4"))
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    output = tmp_path / "out"
    words = ["analyze", str(video), str(bad), "--systems", str(demo / "systems"), "--output", str(output)]
    assert call(words) == 1
    text = capsys.readouterr().out.replace("\n", "")
    assert f"not analysed: {bad} cannot be read" in text
    for name in ("classification", "proposals", "localization", "captioning"):
        assert list(json.loads((output / f"{name}.json").read_text())["results"]) == [
            f"v_{video.stem}" if name == "captioning" else video.stem
        ]
    assert (output / f"{video.stem}.vtt").read_text().startswith("WEBVTT")
    assert (output / f"{video.stem}.srt").exists()
    assert "</html>" in (output / "index.html").read_text()


def test_training_and_predicting_from_the_command_line(
    patched: pytest.MonkeyPatch, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from untrimmed.systems import catalogue

    entries = tuple(replace(entry, laptop=shortened(entry.laptop)) for entry in catalogue.SYSTEMS)
    patched.setattr(catalogue, "SYSTEMS", entries)
    data, store = str(demo / "playground/untrimmed"), str(demo / "features")
    output = tmp_path / "system"
    assert call(["train", "19", data, "--size", "laptop", "--output", str(output), "--store", store]) == 0
    said = tmp_path / "said"
    words = ["predict", str(output), data, "--subset", "testing", "--output", str(said), "--store", store]
    assert call(words) == 0
    assert sorted(path.name for path in said.iterdir()) == ["localization.json", "proposals.json"]
    capsys.readouterr()
    assert call(["train", "19", data, "--size", "laptop", "--output", str(output), "--store", store]) == 2
    assert "exists already" in capsys.readouterr().err


def test_all_findings_are_measured_and_written(
    patched: pytest.MonkeyPatch, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "results.md"
    document.write_text(
        "# Results\n\n<!-- results main_path begin -->\nstale words\n<!-- results main_path end -->\nafter\n"
    )
    words = ["results", str(demo), "--seeds", "2", "--small", "--groups", "main_path", "--document", str(document)]
    assert call(words) == 0
    text = document.read_text()
    assert "stale words" not in text
    assert text.endswith("after\n")
    for words_of_findings in ("RGB above compensated flow", "refined above unrefined", "attention above mean pooling"):
        assert words_of_findings in text
    assert " ± " in text
    (tmp_path / "bare.md").write_text("no markers")
    again = ["results", str(demo), "--seeds", "1", "--small", "--groups", "main_path"]
    assert call([*again, "--document", str(tmp_path / "bare.md")]) == 2
    assert "must have the lines <!-- results main_path begin -->" in capsys.readouterr().err


def test_the_classical_systems_are_measured_on_nets_of_other_videos(
    patched: pytest.MonkeyPatch, demo: Path, tmp_path: Path
) -> None:
    document = tmp_path / "results.md"
    words = ["results", str(demo), "--seeds", "1", "--small", "--groups", "classical", "--document", str(document)]
    assert call(words) == 0
    text = document.read_text()
    assert text.startswith("<!-- results classical begin -->")
    for name in ("01 mbh", "01 vote", "02 c3d-lstm", "04 frames-softmax", "10 forests on mbh", "11 Lact + SVMs"):
        assert f"| {name} |" in text
    assert "### T2" not in text
    assert "the vote above mbh | 74.30 against 53.47" in text


def test_mistakes_are_one_line_and_exit_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [
        (["frobnicate"], "no command 'frobnicate'"),
        (["analyze", str(tmp_path / "none.mp4")], "none.mp4 must be a video or a folder"),
        (["train", "19", str(tmp_path / "none"), "--output", str(tmp_path / "o")], "none"),
        (["train", "23", "x", "--output", "y"], "number of a system must be 1 to 22, got 23"),
        (["train"], "the first word must be a system's number"),
        (["predict", str(tmp_path), "x", "--output", "y"], "holds no trained system"),
        (["results", str(tmp_path), "--seeds", "0"], "results need seeds >= 1, got 0"),
    ]
    for words, message in cases:
        assert call(words) == 2, words
        error = capsys.readouterr().err
        assert message in error.replace("\n", " "), words
        assert error.count("\n") == 1, error


def test_the_list_of_systems(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["systems", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["number"] for row in rows if row["built"]] == list(range(1, 23))
    assert len(rows) == 22
    assert call(["systems", "--inputs"]) == 0
    assert "22 of 22 are built" in capsys.readouterr().out
    assert call(["systems", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("01: three features")
    for part in ("Source:", "Recipe:", "Published:", "Finding:", "Choices:"):
        assert part in text
    assert call(["systems", "23"]) == 2
    assert "number of a system must be 1 to 22, got 23" in capsys.readouterr().err


def test_help_is_fast() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from untrimmed.cli import call; call(['--help']);"
        "heavy = {'torch', 'numba', 'cv2', 'av', 'matplotlib', 'scipy', 'numpy', 'tyro', 'rich'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

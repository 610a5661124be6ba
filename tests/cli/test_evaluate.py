"""untrimmed evaluate: figures with the official names, signatures, pages, and one line for what cannot be scored."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared_folder import shared
from untrimmed import cli
from untrimmed.cli.evaluate import Arguments
from untrimmed.cli.scoring import plain

LABELS = ("run", "sit")


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    database = {
        f"v{i}": {
            "subset": "validation",
            "duration": 100.0,
            "annotations": [{"label": LABELS[i % 2], "segment": [5.0, 25.0 + i]}],
        }
        for i in range(6)
    }
    return write(tmp_path / "truth.json", {"database": database, "taxonomy": [], "version": "mine 1"})


def submission(tmp_path: Path, kind: str, *, name: str = "said.json", shift: float = 0.0) -> Path:
    results: dict[str, Any] = {}
    for i in range(6):
        label, segment = LABELS[(i + (i == 3)) % 2], [5.0 + shift, 25.0 + i]
        rows = {
            "classification": [{"label": label, "score": 0.9}, {"label": LABELS[i % 2 - 1], "score": 0.1}],
            "proposals": [{"score": 0.9, "segment": segment}, {"score": 0.2, "segment": [50, 60]}],
            "localization": [{"label": label, "score": 0.9 - i / 10, "segment": segment}],
        }
        results[f"v{i}"] = rows[kind]
    return write(tmp_path / name, {"version": "1", "external_data": {}, "results": results})


def run(*words: object) -> int:
    return cli.call(["evaluate", *map(str, words)])


@pytest.mark.parametrize(
    ("task", "kind", "names"),
    [
        (
            "classification",
            "classification",
            {"mAP", "hit@1", "hit@3", "avg_hit@1", "error@1", "ap_by_class", "n_gt_pairs"},
        ),
        ("recognition", "classification", {"average_error", "mAP", "hit@1", "hit@5", "error@5", "ap_by_class"}),
        (
            "proposals",
            "proposals",
            {"auc_percent", "area", "avg_recall", "proposals_per_video", "recall_by_tiou", "n_gt"},
        ),
        ("localization", "localization", {"average_mAP", "mAP", "ap_by_class", "n_gt", "n_pred", "n_classes"}),
    ],
)
def test_each_task_with_the_official_names(
    task: str, kind: str, names: set[str], truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "figures.json"
    page, plots = tmp_path / "page.html", tmp_path / "plots"
    words = ["--ground-truth", truth, "--predictions", submission(tmp_path, kind), "--output", output]
    assert run(task, *words, "--page", page, "--plots", plots, "--bootstrap", 20) == 0
    figures = json.loads(output.read_text())
    assert names <= figures.keys()
    assert figures["task"] == task
    assert all("|mine-1|" in line or "|mine 1|" in line for line in figures["signatures"]) or figures["signatures"]
    assert figures["signatures"][0] in capsys.readouterr().out.replace("\n", "")
    assert figures["intervals"]
    for one in figures["intervals"].values():
        assert one["low"] <= one["figure"] + 1e-12
        assert one["figure"] <= one["high"] + 1e-12
    text = page.read_text()
    assert text.count("data:image/svg+xml;base64,") == len(list(plots.glob("*.svg"))) > 0
    assert "http" not in text.replace("http-equiv", "")
    for png in plots.glob("*.png"):
        assert png.read_bytes().startswith(b"\x89PNG")


def test_two_submissions_are_compared(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "figures.json"
    first = submission(tmp_path, "localization", name="first.json", shift=10)
    second = submission(tmp_path, "localization", name="second.json")
    words = ["--ground-truth", truth, "--predictions", first, "--predictions-b", second, "--bootstrap", 50]
    assert run("localization", *words, "--output", output, "--diagnose") == 0
    figures = json.loads(output.read_text())
    found = figures["comparison"]["average_mAP"]
    assert found["first"] == figures["first"]["average_mAP"] < figures["second"]["average_mAP"] == found["second"]
    assert found["difference"]["figure"] == pytest.approx(found["second"] - found["first"])
    assert figures["first"]["diagnosis"]["gain"].keys() == figures["second"]["diagnosis"]["gain"].keys()
    assert "a is first, b is second" in capsys.readouterr().out


def test_labels_and_names_cannot_become_markup(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = truth.read_text().replace('"run"', '"<script>alert(1)</script>[red]$x$"')
    truth.write_text(content)
    said = submission(tmp_path, "localization")
    said.write_text(said.read_text().replace('"run"', '"<script>alert(1)</script>[red]$x$"'))
    page = tmp_path / "page.html"
    assert run("localization", "--ground-truth", truth, "--predictions", said, "--page", page) == 0
    assert "<script>" not in page.read_text()
    assert "[red]" in capsys.readouterr().out


def captions(tmp_path: Path) -> tuple[Path, Path]:
    references = {
        f"v_{i}": {
            "duration": 60.0,
            "timestamps": [[0, 20.0 + i], [30, 50]],
            "sentences": ["A man runs.", "He sits down."],
        }
        for i in range(4)
    }
    results = {
        f"v_{i}": [
            {"sentence": "a man runs fast", "timestamp": [0, 20.0]},
            {"sentence": "he sits", "timestamp": [31, 50]},
        ]
        for i in range(4)
    }
    said = {"version": "VERSION 1.0", "external_data": {}, "results": results}
    return write(tmp_path / "val_1.json", references), write(tmp_path / "said.json", said)


def test_captions_without_meteor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, said = captions(tmp_path)
    output = tmp_path / "figures.json"
    words = ["--ground-truth", truth, truth, "--predictions", said, "--no-meteor", "--floors", "--bootstrap", 10]
    training = ["--training", truth, "--page", tmp_path / "page.html"]
    assert run("captioning", *words, "--rules", "METEOR2021", "--output", output, *training) == 0
    figures = json.loads(output.read_text())
    assert {"Bleu_1", "Bleu_4", "ROUGE_L", "CIDEr", "Recall", "Precision", "average", "floors"} <= figures.keys()
    assert "METEOR" not in figures
    assert figures["rules"] == "2019-06"
    assert figures["Recall"] == [1.0, 1.0, 1.0, pytest.approx(7 / 8)]
    assert set(figures["floors"]) == {"constant sentence", "the same, even segments", "random sentence"}
    assert "rules:2019-06" in capsys.readouterr().out


def test_meteor_is_the_same_from_python_and_from_its_own_program(tmp_path: Path) -> None:
    truth, said = captions(tmp_path)
    found = {}
    for backend in ("python", "java"):
        output = tmp_path / f"{backend}.json"
        words = ["--ground-truth", truth, truth, "--predictions", said, "--output", output]
        assert run("captioning", *words, "--meteor-backend", backend) == 0
        found[backend] = json.loads(output.read_text())["METEOR"]
    assert found["python"] == pytest.approx(found["java"], abs=1e-12)
    assert 0 < found["python"][3] < found["python"][0] < 1


def test_a_reference_case_through_the_command(tmp_path: Path) -> None:
    folder = shared("reference/cap-corners")
    expected = json.loads((folder / "expected.json").read_text())["expected"]["v2018_05"]
    references = [folder / "ref_1.json.gz", folder / "ref_2.json.gz"]
    words = ["--ground-truth", *references, "--predictions", folder / "pred.json.gz", "--output", tmp_path / "o.json"]
    assert run("captioning", *words, "--soda", "--paragraphs") == 0
    figures = json.loads((tmp_path / "o.json").read_text())
    for name, values in expected.items():
        assert figures[name] == pytest.approx(values, abs=1e-9), name
    assert {"soda_c_merged", "soda_c_multi", "soda_c_pdvc_mean_f1"} <= figures["soda"].keys()
    assert 0 < figures["paragraphs"]["METEOR"] < 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["localization", "--rules", "2018"], "rules of localization must be activitynet or thumos14, got '2018'"),
        (["localization", "--subset", "testing"], "holds no annotated instance in subset 'testing'"),
        (["localization", "--tious", "0.05", "--diagnose"], "errors are told apart at thresholds above 0.1, got 0.05"),
        (["localization", "--tious", "1.5"], "tIoU thresholds must be in (0, 1], got [1.5]"),
        (["proposals"], "object missing required field segment"),
        (["localization", "--bootstrap", "1"], "a bootstrap needs at least 2 draws"),
        (
            ["localization", "--rules", "thumos14", "--bootstrap", "9"],
            "there is no bootstrap for the rules of THUMOS'14",
        ),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_exit_code_2(
    words: list[str], message: str, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = submission(tmp_path, "localization" if words[0] == "localization" else "classification")
    assert run(*words, "--ground-truth", truth, "--predictions", said) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("untrimmed evaluate: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_more_that_is_said_in_one_line(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = submission(tmp_path, "localization")
    assert run("localization", "--ground-truth", truth, truth, "--predictions", said) == 2
    assert "localization needs one file of ground truth, got 2" in capsys.readouterr().err
    assert run("localization", "--ground-truth", truth, "--predictions", tmp_path / "none.json") == 2
    assert "none.json" in capsys.readouterr().err
    assert run("localization", "--ground-truth", truth, "--predictions", said, "--classes", said) == 2
    assert run("captioning", "--ground-truth", truth, "--predictions", said, "--no-meteor", "--soda") == 2
    assert "SODA and paragraph scores are made of METEOR" in capsys.readouterr().err
    numbers = tmp_path / "classes.txt"
    numbers.write_text("7\n")
    assert run("localization", "--ground-truth", truth, "--predictions", said, "--classes", numbers) == 2
    assert "classes.txt line 1 must be a number and a name, got '7'" in capsys.readouterr().err


def test_blocked_videos_leave_both_sides(truth: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked.txt"
    blocked.write_text("v3\n\nv5\n")
    output = tmp_path / "o.json"
    words = ["--ground-truth", truth, "--predictions", submission(tmp_path, "localization"), "--output", output]
    assert run("localization", *words, "--blocked", blocked, "--bootstrap", 10) == 0
    figures = json.loads(output.read_text())
    assert (figures["n_gt"], figures["average_mAP"]) == (4, 1.0)
    assert "|blocked:2|" in figures["signatures"][0]
    blocked.write_text('["v3", "v5"]')
    assert run("localization", *words, "--blocked", blocked) == 0
    assert json.loads(output.read_text())["n_gt"] == 4


def test_what_is_no_number_becomes_null() -> None:
    import numpy as np

    value = {"a": np.float64("nan"), "b": [np.int64(3), (np.inf,)], "c": np.array([1.0, 2.0]), 4: np.bool_(True)}
    assert plain(value) == {"a": None, "b": [3, [None]], "c": [1.0, 2.0], "4": True}
    assert json.dumps(plain(value))


def test_scoring_needs_no_torch_and_help_is_there(truth: Path, tmp_path: Path) -> None:
    said = submission(tmp_path, "localization")
    code = (
        "import sys; from untrimmed import cli\n"
        f"words = ['localization', '--ground-truth', {str(truth)!r}, '--predictions', {str(said)!r}]\n"
        "assert cli.call(['evaluate', *words]) == 0\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules, 'too much is imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Arguments.__doc__ is not None


def test_packed_files_are_read(truth: Path, tmp_path: Path) -> None:
    said = submission(tmp_path, "localization")
    packed = tmp_path / "said.json.gz"
    packed.write_bytes(gzip.compress(said.read_bytes()))
    assert run("localization", "--ground-truth", truth, "--predictions", packed) == 0

"""Scores in parts from the command line: figures, tables and plots of the groups and the classes."""

import json
from pathlib import Path

import numpy as np
import pytest

from untrimmed import cli
from untrimmed.report.breakdown_plot import class_table


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    database = {
        f"v{i}": {
            "subset": "validation",
            "duration": 100.0,
            "annotations": [
                {"label": "run", "segment": [5.0, 25.0 + i]},
                {"label": "sit <b>", "segment": [40.0, 95.0]},
            ],
        }
        for i in range(4)
    }
    found = {f"v{i}": [("run", 0.9, [5.0, 25.0]), ("sit <b>", 0.8, [40.0, 60.0])] for i in range(4)}
    results = {
        "localization": {n: [{"label": a, "score": s, "segment": t} for a, s, t in rows] for n, rows in found.items()},
        "proposals": {n: [{"score": s, "segment": t} for _, s, t in rows] for n, rows in found.items()},
    }
    paths = {"truth": tmp_path / "truth.json"}
    paths["truth"].write_text(json.dumps({"database": database, "taxonomy": [], "version": "mine 1"}))
    for task, rows in results.items():
        paths[task] = tmp_path / f"{task}.json"
        paths[task].write_text(json.dumps({"version": "1", "external_data": {}, "results": rows}))
    return paths


@pytest.mark.parametrize("task", ["localization", "proposals"])
def test_parts_are_shown_written_and_drawn(
    task: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, page, plots = tmp_path / "out.json", tmp_path / "page.html", tmp_path / "plots"
    words = ["evaluate", task, "--ground-truth", str(files["truth"]), "--predictions", str(files[task]), "--breakdown"]
    assert cli.call([*words, "--output", str(output), "--page", str(page), "--plots", str(plots)]) == 0
    groups = json.loads(output.read_text())["by_length"]
    assert [(group["kind"], group["group"]) for group in groups[:2]] == [("length", "XS"), ("length", "S")]
    assert [group["instances"] for group in groups[:2]] == [4, 4]
    assert groups[0]["average_recall"] > 0.9
    assert groups[1]["average_recall"] == 0.0
    assert groups[4]["average_recall"] is None  # nothing is so long
    assert ("average_mAP" in groups[0]) == (task == "localization")
    text = capsys.readouterr().out
    assert "length XS: to 30 s" in text
    assert ("AP by class" in text) == (task == "localization")
    assert (plots / "by_length.png").stat().st_size > 5000
    html = page.read_text()
    assert "By the length of instances" in html
    assert "sit <b>" not in html


def test_without_the_flag_there_are_no_parts(files: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    words = ["evaluate", "localization", "--ground-truth", str(files["truth"])]
    assert cli.call([*words, "--predictions", str(files["localization"]), "--output", str(output)]) == 0
    assert "by_length" not in json.loads(output.read_text())


def test_classes_are_ranked_by_their_average() -> None:
    ap = np.array([[0.2, 0.1, 0.0], [0.9, 0.6, 0.3]])
    table = class_table(("a", "b"), np.array([3, 5]), ap, np.array([0.5, 0.7, 0.9]))
    assert table.header == ("class", "instances", "AP@0.50", "AP@0.70", "AP@0.90", "average")
    assert table.rows[0] == ("b", "5", "0.9000", "0.6000", "0.3000", "0.6000")
    assert [row[0] for row in table.rows] == ["b", "a"]

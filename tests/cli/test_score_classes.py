"""The easiest and the hardest classes from the command line: figures, table and plot, as report 03 lists them."""

import json
from pathlib import Path

import pytest

from untrimmed import cli
from untrimmed.evaluate.hardness import ClassFigures, Hardness
from untrimmed.report.class_errors import bars_by_error, hardness_table

LABELS = ("dance", "run <b>", "sit")
RIGHT = {"dance": 4, "run <b>": 1, "sit": 3}
"""Of four videos each, how many are told."""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command's words but for the task."""
    database, results = {}, {}
    for place, label in enumerate(LABELS):
        for number in range(4):
            name = f"{label[0]}{number}"
            annotations = [{"label": label, "segment": [0.0, 10.0]}]
            database[name] = {"subset": "validation", "duration": 10.0, "annotations": annotations}
            other = LABELS[(place + 1) % 3]
            first, second = (label, other) if number < RIGHT[label] else (other, label)
            results[name] = [{"label": first, "score": 0.9}, {"label": second, "score": 0.4}]
    truth, predictions = tmp_path / "truth.json", tmp_path / "said.json"
    truth.write_text(json.dumps({"database": database, "taxonomy": [], "version": "mine 1"}))
    predictions.write_text(json.dumps({"version": "1", "external_data": {}, "results": results}))
    return ["--ground-truth", str(truth), "--predictions", str(predictions)]


@pytest.mark.parametrize("task", ["classification", "recognition"])
def test_hardest_and_easiest_are_shown_written_and_drawn(
    task: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, page, plots = tmp_path / "out.json", tmp_path / "page.html", tmp_path / "plots"
    files = ["--output", str(output), "--page", str(page), "--plots", str(plots)]
    assert cli.call(["evaluate", task, *words, "--breakdown", *files]) == 0
    found = json.loads(output.read_text())
    assert [(one["label"], one["videos"], one["error@1"]) for one in found["by_class"]] == [
        ("run <b>", 4, 0.75),
        ("sit", 4, 0.25),
        ("dance", 4, 0.0),
    ]
    assert sum(one["error@1"] for one in found["by_class"]) / 3 == pytest.approx(1 - found["hit@1"])
    assert found["signatures"][1].startswith("error@1 by class|truth|validation|videos:12|top:1|untrimmed:")
    text = capsys.readouterr().out
    assert "easiest and hardest by top-1 error" in text
    assert "75.00 %" in text
    assert (plots / "class_errors.png").stat().st_size > 5000
    html = page.read_text()
    assert "Top-1 error by class" in html
    assert "the hardest class first. All 3 classes." in html
    assert "run <b>" not in html


def test_without_the_flag_classes_are_not_told_apart(words: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    assert cli.call(["evaluate", "classification", *words, "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert "by_class" not in found
    assert len(found["signatures"]) == 1


def test_two_submissions_have_a_table_each(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [*words, "--predictions-b", words[-1], "--bootstrap", "20", "--breakdown"]
    assert cli.call(["evaluate", "classification", *both]) == 0
    text = capsys.readouterr().out
    for letter in "ab":
        assert f"{letter}: easiest and hardest by top-1 error" in text


def of(errors: list[float]) -> Hardness:
    classes = tuple(
        ClassFigures(label=f"class {place:03d}", videos=place + 1, error=error, ap=1 - error)
        for place, error in enumerate(errors)
    )
    return Hardness(classes=classes, signature="")


def test_a_class_stands_on_one_side_and_the_table_is_as_long_as_the_reports() -> None:
    table = hardness_table(of([0.5, 0.0, 1.0, 0.25]))
    assert table.rows == (
        ("class 001", "0.00 %", "class 002", "100.00 %", "3"),
        ("class 003", "25.00 %", "class 000", "50.00 %", "1"),
    )
    assert len(hardness_table(of([place / 200 for place in range(200)])).rows) == 50
    assert len(hardness_table(of([0.3])).rows) == 1


def test_of_many_classes_the_plot_has_both_ends() -> None:
    plot = bars_by_error(of([place / 200 for place in range(200)]))
    assert plot.words.endswith("The best and the worst of 200 classes.")
    names = [label.get_text() for label in plot.figure().axes[0].get_yticklabels()]
    assert names == [f"class {place:03d}" for place in [*range(199, 179, -1), *range(19, -1, -1)]]

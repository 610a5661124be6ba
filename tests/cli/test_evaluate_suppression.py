"""Recall over the threshold of suppression from the command line: table, figures, picture and page."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from untrimmed import cli
from untrimmed.propose.pyramid import Pyramid
from untrimmed.propose.suppress import HardNms, suppress
from untrimmed.timeline import tiou

LENGTH = 100.0
REPORTED = ("0.3", "0.45", "0.6", "0.75", "0.8", "0.85", "0.9")
"""Those of report 18."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Candidates of a pyramid that overlap and some noise rank; and what is left of them at 0.6, all and 20."""
    folder, rng = tmp_path_factory.mktemp("candidates"), np.random.default_rng(3)
    segments = LENGTH * Pyramid().anchors()
    database, whole, thinned, few = {}, {}, {}, {}
    for number in range(10):
        starts = np.sort(rng.uniform(0, 85, 2))
        instances = np.stack([starts, np.minimum(LENGTH, starts + rng.uniform(5, 40, 2))], axis=1)
        database[f"v{number}"] = {
            "subset": "validation",
            "duration": LENGTH,
            "annotations": [{"label": "run", "segment": one} for one in instances.tolist()],
        }
        scores = tiou(segments, instances).max(axis=1) + rng.normal(0, 0.1, len(segments))
        kept = suppress(segments, scores, HardNms(tiou=0.6, most=100))
        whole[f"v{number}"] = _rows(segments, scores)
        thinned[f"v{number}"] = _rows(kept.segments, kept.scores)
        few[f"v{number}"] = thinned[f"v{number}"][:20]
    contents = {
        "truth": {"database": database, "taxonomy": [], "version": "drawn"},
        "candidates": {"version": "1", "external_data": {}, "results": whole},
        "at-0.6": {"version": "1", "external_data": {}, "results": thinned},
        "at-0.6-twenty": {"version": "1", "external_data": {}, "results": few},
    }
    paths = {name: folder / f"{name}.json" for name in contents}
    for name, content in contents.items():
        paths[name].write_text(json.dumps(content))
    return paths


def _rows(segments: np.ndarray, scores: np.ndarray) -> list[dict[str, object]]:
    return [{"score": s, "segment": t} for s, t in zip(scores.tolist(), segments.tolist(), strict=True)]


def _words(files: dict[str, Path], name: str, *more: object) -> list[str]:
    words = ["evaluate", "proposals", "--ground-truth", files["truth"], "--predictions", files[name], *more]
    return [str(word) for word in words]


def test_the_curve_is_shown_written_and_drawn(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, page, plots = tmp_path / "out.json", tmp_path / "page.html", tmp_path / "plots"
    words = _words(files, "candidates", "--suppression", *REPORTED, "--output", output, "--page", page)
    assert cli.call([*words, "--plots", str(plots)]) == 0
    curve = json.loads(output.read_text())["by_suppression"]
    assert curve["tious"] == [float(one) for one in REPORTED]
    best = curve["tious"][int(np.argmax(curve["auc_percent"]))]
    assert curve["best"]["auc"] == best
    assert len(set(curve["AR@1"])) == 1  # the first is never suppressed
    text = capsys.readouterr().out
    table = text[text.index("by the tIoU of suppression") :].splitlines()
    starred = [line for line in table if f" {best:g} " in line and f"{max(curve['auc_percent']):.2f}*" in line]
    assert len(starred) == 1
    assert (plots / "suppression.png").read_bytes()[:4] == b"\x89PNG"
    assert "suppression above tIoU" in (plots / "suppression.svg").read_text()
    html = page.read_text()
    assert "Recall over the threshold of suppression" in html
    assert "by the tIoU of suppression" in html


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("at-0.6", ()),
        ("at-0.6", ("--mode", "corrected")),
        ("at-0.6", ("--tious", "0.5", "0.7")),
        ("at-0.6-twenty", ("--max-average", "20")),
    ],
)
def test_each_point_is_the_score_of_the_suppressed_file(
    name: str, more: tuple[str, ...], files: dict[str, Path], tmp_path: Path
) -> None:
    curve, plain = tmp_path / "curve.json", tmp_path / "plain.json"
    assert cli.call(_words(files, "candidates", "--suppression", 0.6, *more, "--output", curve)) == 0
    assert cli.call(_words(files, name, *more, "--output", plain)) == 0
    found, wanted = json.loads(curve.read_text())["by_suppression"], json.loads(plain.read_text())
    assert found["auc_percent"] == [pytest.approx(wanted["auc_percent"])]
    assert "by_suppression" not in wanted


def test_two_submissions_have_a_curve_each(files: dict[str, Path], tmp_path: Path) -> None:
    output, plots = tmp_path / "out.json", tmp_path / "plots"
    more = ("--predictions-b", files["at-0.6"], "--bootstrap", 2, "--output", output, "--plots", plots)
    assert cli.call(_words(files, "candidates", "--suppression", 0.45, 0.6, *more)) == 0
    found = json.loads(output.read_text())
    first, second = (found[name]["by_suppression"]["auc_percent"][1] for name in ("candidates", "at-0.6"))
    assert first == pytest.approx(second)  # what is suppressed at 0.6 stays at 0.6
    assert {path.name for path in plots.glob("*suppression.png")} == {"a_suppression.png", "b_suppression.png"}


def test_what_cannot_be_suppressed_is_one_line(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(_words(files, "candidates", "--suppression", 1.5)) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "candidates of video v0 cannot be suppressed: HardNms needs a tiou in [0, 1], got 1.5" in said
    content = json.loads(files["candidates"].read_text())
    content["results"] = {"other": content["results"]["v0"], "v1": []}
    strange = tmp_path / "strange.json"
    strange.write_text(json.dumps(content))
    assert cli.call(_words({**files, "strange": strange}, "strange", "--suppression", 0.5)) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) <= 2


def test_it_needs_no_torch(files: dict[str, Path]) -> None:
    words = _words(files, "at-0.6", "--suppression", 0.5)
    code = f"import sys; from untrimmed import cli; assert cli.call({words!r}) == 0; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

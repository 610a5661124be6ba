"""What `untrimmed train` says of a system when it has been fitted: of 18, how far its grid lets recall reach."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from small_world import shortened
from untrimmed.cli import call
from untrimmed.data import open_dataset
from untrimmed.features import learned, sequences
from untrimmed.features.extract import extract
from untrimmed.records import Annotation, DataError, Dataset, Instance, Video
from untrimmed.systems import catalogue
from untrimmed.systems.prop_ssad import PropSsad, PropSsadConfig
from untrimmed.systems.temporal_context import LAPTOP, TemporalContextNetwork, TemporalContextNetworkConfig


def test_training_18_prints_the_bound_of_its_grid(
    small_playground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (learned, sequences):
        monkeypatch.setattr(module, "extract", partial(extract, workers=0))
    entries = tuple(replace(entry, laptop=shortened(entry.laptop)) for entry in catalogue.SYSTEMS)
    monkeypatch.setattr(catalogue, "SYSTEMS", entries)
    data, store = small_playground / "untrimmed", small_playground.parent / "store"
    words = ["train", "18", str(data), "--size", "laptop", "--output", str(tmp_path / "18"), "--store", str(store)]
    assert call(words) == 0
    lines = capsys.readouterr().out.splitlines()
    bound = TemporalContextNetwork(LAPTOP).bound(open_dataset(data), "validation")
    (line,) = [line for line in lines if line.startswith("the grid of 496 candidates")]
    assert f"bounds average recall on validation at {bound.average:.1%}" in line
    assert f"{bound.recall[0]:.1%} at tIoU 0.50" in line
    assert f"{bound.recall[-1]:.1%} at tIoU 0.95" in line


def test_without_instances_of_validation_the_bound_is_that_of_training() -> None:
    known = (Instance((0.0, 100.0), "run"), Instance((0.0, 1.0), "sit"))
    annotations = (
        Annotation(video=Video(video_id="a", duration=100.0, subset="training"), instances=known),
        Annotation(video=Video(video_id="b", duration=100.0, subset="validation"), instances=()),
    )
    system = TemporalContextNetwork(TemporalContextNetworkConfig())
    (line,) = system.remarks(Dataset(name="drawn", annotations=annotations))
    assert line == (
        "the grid of 372 candidates bounds average recall on training at 50.0%, however they are ranked: "
        "50.0% at tIoU 0.50, 50.0% at tIoU 0.75, 50.0% at tIoU 0.95"
    )
    with pytest.raises(DataError, match="a bound on recall needs at least one instance"):
        system.remarks(Dataset(name="drawn", annotations=annotations[1:]))


def test_most_systems_have_nothing_to_say() -> None:
    assert PropSsad(PropSsadConfig()).remarks(Dataset(name="drawn", annotations=())) == ()

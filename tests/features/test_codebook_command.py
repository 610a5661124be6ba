"""`untrimmed codebook` and `untrimmed extract --feature trajectories` as people type them."""

from pathlib import Path

import pytest
from drawn import write_clip

from untrimmed.cli import call
from untrimmed.features.store import FeatureStore
from untrimmed.features.trajectories.encoded import TrajectoryFisher, descriptors_of
from untrimmed.records import DataError


def test_a_codebook_is_learnt_and_videos_are_encoded_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, store = tmp_path / "videos", str(tmp_path / "store")
    videos.mkdir()
    for number in range(2):
        write_clip(videos / f"v_{number}.mp4", frames=30, size=(64, 80), seed=number)
    codebook = tmp_path / "codebook.safetensors"
    learn = ["codebook", str(videos), "--output", str(codebook), "--store", store, "--workers", "1"]
    learn += ["--config.codebook.words", "3", "--config.codebook.samples", "400"]
    learn += ["--config.codebook.descriptors", "hog", "mbh", "--config.trajectories.no-compensated"]
    assert call(learn) == 0
    assert "next: untrimmed extract VIDEOS --feature trajectories --codebook" in capsys.readouterr().out
    assert descriptors_of(codebook) == ("hog", "mbh")
    assert call(learn) == 2
    assert "exists already; choose another file" in capsys.readouterr().err
    measure = ["extract", str(videos), "--store", store, "--workers", "1", "--feature", "trajectories"]
    assert call([*measure, "--codebook", str(codebook)]) == 0
    assert "2 measured, 0 there already, 0 failed" in capsys.readouterr().out
    found = FeatureStore(Path(store)).load(TrajectoryFisher(codebook=codebook, descriptors=("hog", "mbh")), "0")
    assert found.values.shape == (1, 2 * 3 * (48 + 96))  # type: ignore[union-attr]


def test_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "v.mp4", frames=4)
    words = ["extract", str(tmp_path / "v.mp4"), "--feature", "trajectories"]
    assert call(words) == 2
    wanted = "feature trajectories needs --codebook FILE; untrimmed codebook VIDEOS learns one"
    assert wanted in capsys.readouterr().err
    assert call([*words, "--codebook", str(tmp_path / "none")]) == 2
    assert "none is not there; learn one or put the safetensors file there" in capsys.readouterr().err
    assert call(["codebook"]) == 2
    assert "codebook needs videos or folders, got none" in capsys.readouterr().err
    with pytest.raises(DataError, match="is not there"):
        descriptors_of(tmp_path / "none")

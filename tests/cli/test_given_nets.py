"""Nets that a system is given by `untrimmed train` and that `untrimmed learn` writes: what does not fit is said."""

from pathlib import Path

import pytest

from untrimmed.cli import call


@pytest.mark.parametrize(
    ("number", "option", "feature"), [("19", "dense-pose", "dense_pose"), ("19", "joints", "keypoints")]
)
def test_a_net_is_given_only_where_it_is_wanted(
    small_playground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: str, option: str, feature: str
) -> None:
    words = [
        "train",
        number,
        str(small_playground / "untrimmed"),
        "--size",
        "laptop",
        "--output",
        str(tmp_path / "out"),
    ]
    assert call([*words, f"--{option}", "net.safetensors"]) == 2
    error = capsys.readouterr().err
    assert f"PropSsadConfig has no feature {feature} that net.safetensors could be given to" in error


def test_a_missing_net_is_named(small_playground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "21", str(small_playground / "untrimmed"), "--size", "laptop", "--output", str(tmp_path / "out")]
    weights = tmp_path / "net.safetensors"
    assert call([*words, "--store", str(tmp_path / "store"), "--dense-pose", str(weights)]) == 2
    assert f"file {weights} that a configuration names cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["joints", "depth", "dense-pose"])
def test_learn_overwrites_nothing(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "net.safetensors"
    output.write_bytes(b"")
    assert call(["learn", what, "--output", str(output)]) == 2
    assert "exists already; choose another file or remove it" in capsys.readouterr().err

"""`untrimmed extract` as people type it."""

from pathlib import Path

import pytest
from drawn import write_clip

from untrimmed.cli import call
from untrimmed.cli.video_paths import find_videos
from untrimmed.features.images import Dis, FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    write_clip(folder / "v_abc.mp4", frames=6)
    write_clip(folder / "deep" / "-x.mp4", frames=6, seed=1)
    (folder / "notes.txt").write_text("no video")
    return folder


def test_a_folder_is_measured_and_the_second_run_finds_all(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["extract", str(folder), "--store", str(tmp_path / "s"), "--workers", "1", "--options.size", "24", "32"]
    assert call(words) == 0
    assert "2 measured, 0 there already, 0 failed" in capsys.readouterr().out
    assert call([*words, "--pack"]) == 0
    out = capsys.readouterr().out
    assert "0 measured, 2 there already" in out
    assert "packed: " in out
    store = FeatureStore(tmp_path / "s")
    assert store.video_ids(RgbImages(size=(24, 32))) == ("-x", "abc")
    assert call(["extract", "--status", "--store", str(tmp_path / "s")]) == 0
    assert RgbImages(size=(24, 32)).key in capsys.readouterr().out


def test_videos_that_fail_are_listed_and_the_exit_code_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "[red]odd.mp4").write_bytes(b"no video at all")
    store = tmp_path / "s"
    words = ["extract", str(folder), "--store", str(store), "--feature", "flow", "--method=dis", "--workers", "0"]
    words += ["--options.size", "24", "32", "--options.method.preset", "fast"]
    assert call(words) == 1
    out = capsys.readouterr().out
    assert "2 measured, 0 there already, 1 failed" in out
    assert "[red]odd" in out
    assert FeatureStore(store).video_ids(FlowImages(size=(24, 32), method=Dis(preset="fast"))) == ("-x", "abc")
    assert call([*words, "--retry"]) == 1


def test_nets_and_sound_have_their_options(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = [str(folder / "v_abc.mp4"), "--store", str(tmp_path / "s"), "--workers", "0"]
    net = ["--feature", "backbone", "--net", "small3d", "--options.net.width", "4", "--options.net.frames", "4"]
    assert call(["extract", *common, *net, "--options.frames", "4", "--options.images.size", "32", "40"]) == 0
    assert "backbone-" in capsys.readouterr().out
    assert call(["extract", *common, "--feature", "audio"]) == 1
    assert "has no sound" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "extract needs videos or folders, got none; untrimmed extract --help says more"),
        (["/nowhere/at/all"], "/nowhere/at/all must be a video or a folder, got nothing there"),
        (["VIDEO", "--shard", "3"], "shard must be i/n, e.g. 0/8, got '3'"),
        (["VIDEO", "--shard", "3/2"], "shard must be i/n with 0 <= i < n, got 3/2"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(folder / "v_abc.mp4") if word == "VIDEO" else word for word in words]
    assert call(["extract", *words, "--store", str(tmp_path / "s")]) == 2
    assert capsys.readouterr().err == f"untrimmed extract: {message}\n"


def test_videos_are_called_by_their_names(tmp_path: Path) -> None:
    for name in ("a/v_one.mp4", "a/two.avi", "b/two.webm", "b/three.mp4", "b/three.mkv", "b/no.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_videos([tmp_path])
    assert set(found) == {"one", "a/two", "b/two", "b/three.mp4", "b/three.mkv"}
    assert set(find_videos([tmp_path / "b" / "no.txt"])) == {"no"}
    with pytest.raises(DataError, match=r"video_id v_one\.mp4 must belong to one file, got"):
        find_videos([tmp_path / "a" / "v_one.mp4", tmp_path / "a" / "v_one.mp4"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty must hold videos \(.*\.mp4.*\), got none"):
        find_videos([tmp_path / "empty"])

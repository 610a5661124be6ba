"""Extraction: everything is measured once, nothing stops it, and a kill at any moment changes nothing."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import Numbers, write_clip, write_files

from untrimmed.features.extract import all_features, extract, sharded
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.images import RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.features.tensor_file import TEMPORARY
from untrimmed.features.workers import Crash, run_tasks
from untrimmed.records import DataError, Video

FEATURE = Numbers()


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_video_is_measured_once(store: FeatureStore, tmp_path: Path, workers: int) -> None:
    videos = write_files(tmp_path / "in", [f"v{place}" for place in range(5)])
    report = extract([FEATURE], videos, store=store, workers=workers)
    assert (report.done, report.present, report.failed) == (5, 0, {})
    times = {path: path.stat().st_mtime_ns for path in store.folder(FEATURE).iterdir()}
    again = extract([FEATURE], videos, store=store, workers=workers)
    assert (again.done, again.present, again.failed) == (0, 5, {})
    assert times == {path: path.stat().st_mtime_ns for path in store.folder(FEATURE).iterdir()}
    loaded = store.load(FEATURE, "v3")
    assert isinstance(loaded, FeatureSequence)
    assert loaded.values[:, 0].tolist() == [13, 13, 14, 14, 15, 15, 16, 16, 17, 17]


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_videos_stop_nobody(
    store: FeatureStore, tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    videos = write_files(tmp_path / "in", ["a", "bad", "b", "bug", "c"])
    videos.append(Video(video_id="lost", duration=9.0))
    report = extract([FEATURE], videos, store=store, workers=workers)
    reasons = {
        "bad": "bad.bin cannot be read: it is bad",
        "bug": "ZeroDivisionError: a mistake in the program",
        "lost": "it has no file",
    }
    assert (report.done, report.failed) == (3, reasons)
    assert "video bad failed: bad.bin cannot be read" in caplog.text
    assert store.failures(FEATURE) == {key: reasons[key] for key in ("bad", "bug")}
    again = extract([FEATURE], videos, store=store, workers=0)
    assert (again.done, again.present, again.failed) == (0, 3, reasons)


def test_a_process_that_dies_costs_its_video_only(store: FeatureStore, tmp_path: Path) -> None:
    videos = write_files(tmp_path / "in", ["crash1", "a", "b", "crash2", "c", "d"])
    needy = Numbers(dims=2, of=FEATURE)
    report = extract([needy], videos, store=store, workers=2)
    reason = "its process was ended by signal SIGABRT"
    assert report.failed == {"crash1": reason, "crash2": reason}
    assert report.done == 4
    assert store.video_ids(needy) == store.video_ids(FEATURE) == ("a", "b", "c", "d")
    assert store.failure(FEATURE, "crash1") == store.failure(needy, "crash1") == reason
    assert extract([needy], videos, store=store, workers=0).failed == report.failed  # not tried again: it would end us


def test_failures_are_tried_again_when_asked_or_when_the_file_changes(store: FeatureStore, tmp_path: Path) -> None:
    videos = write_files(tmp_path / "in", ["bad"])
    assert extract([FEATURE], videos, store=store, workers=0).failed
    better = [replace(videos[0], path=tmp_path / "good.bin")]
    (tmp_path / "good.bin").write_bytes(videos[0].path.read_bytes())
    assert extract([FEATURE], better, store=store, workers=0).failed  # of the same size: taken for the same
    assert extract([FEATURE], better, store=store, workers=0, retry=True).done == 1
    assert store.failures(FEATURE) == {}
    (tmp_path / "good.bin").write_bytes(b"x" * 1234)
    assert extract([FEATURE], better, store=store, workers=0).done == 1  # stale
    assert extract([FEATURE], videos, store=store, workers=0).failed


def test_what_a_feature_needs_is_measured_first_and_kept(store: FeatureStore, tmp_path: Path) -> None:
    videos = write_files(tmp_path / "in", ["a", "bad"])
    middle = Numbers(dims=4, of=FEATURE)
    top = Numbers(dims=5, of=middle)
    assert all_features([top, middle]) == (FEATURE, middle, top)
    report = extract([top], videos, store=store, workers=0)
    assert (report.done, list(report.failed)) == (1, ["bad"])
    for feature in (FEATURE, middle, top):
        assert store.has(feature, "a")
        assert "bad" in store.failures(feature)


def test_damaged_measurements_are_measured_again(store: FeatureStore, tmp_path: Path) -> None:
    videos = write_files(tmp_path / "in", ["a"])
    extract([FEATURE], videos, store=store, workers=0)
    whole = store.path(FEATURE, "a").read_bytes()
    os.truncate(store.path(FEATURE, "a"), 50)
    assert extract([FEATURE], videos, store=store, workers=0).done == 1
    assert store.path(FEATURE, "a").read_bytes() == whole


def test_shards_are_parts_that_follow_from_the_id() -> None:
    videos = [Video(video_id=f"v{place}", duration=1.0) for place in range(200)]
    parts = [sharded(videos, (part, 4)) for part in range(4)]
    assert sorted(video.video_id for part in parts for video in part) == sorted(video.video_id for video in videos)
    assert all(30 <= len(part) <= 70 for part in parts)
    assert sharded(videos[100:], (1, 4)) == [video for video in parts[1] if video in videos[100:]]
    assert sharded(videos, None) == videos
    with pytest.raises(DataError, match="shard must be i/n with 0 <= i < n, got 4/4"):
        sharded(videos, (4, 4))


def test_a_video_id_may_appear_once(store: FeatureStore) -> None:
    with pytest.raises(DataError, match="video_id a appears twice"):
        extract([FEATURE], [Video(video_id="a", duration=1.0)] * 2, store=store)


def test_a_full_disk_ends_the_extraction(store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Numbers, video: Path, given: Mapping[object, object]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Numbers, "rows", full)
    with pytest.raises(DataError, match=r"the store .* cannot be written: No space left on device"):
        extract([FEATURE], write_files(tmp_path / "in", ["a"]), store=store, workers=0)
    assert store.failures(FEATURE) == {}


def test_leftovers_are_cleaned(store: FeatureStore, tmp_path: Path) -> None:
    videos = write_files(tmp_path / "in", ["a", "b"])
    extract([FEATURE], videos[:1], store=store, workers=0)
    old = store.folder(FEATURE) / f"{TEMPORARY}old"
    old.write_bytes(b"half")
    os.utime(old, (1.0, 1.0))
    extract([FEATURE], videos, store=store, workers=0)
    assert not old.exists()


def test_progress_is_a_line_on_standard_error(
    store: FeatureStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    extract([FEATURE], write_files(tmp_path / "in", ["a", "bad"]), store=store, workers=0, progress=True)
    out, line = capfd.readouterr()
    assert out == ""
    assert "2/2" in line
    assert "x real time" in line
    assert "1 failed" in line


def test_a_decoder_stays_on_one_thread_in_each_process() -> None:
    (outcome,) = [result for _, result in run_tasks(_threads, [0], workers=1)]
    assert outcome == ("1", 1)


def _threads(task: int) -> tuple[str, int]:
    import cv2

    return os.environ["OMP_NUM_THREADS"], cv2.getNumThreads()


def test_workers_that_raise_are_heard() -> None:
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(_divide, [1, 0], workers=1))
    assert "OMP_NUM_THREADS" not in os.environ or os.environ["OMP_NUM_THREADS"]


def _divide(task: int) -> float:
    return 1 / task


def test_workers_that_cannot_start_are_told() -> None:
    with pytest.raises(RuntimeError, match="a worker process could not start"):
        list(run_tasks(_Unloadable(), [1], workers=1))


class _Unloadable:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)

    def __call__(self, task: int) -> int:
        return task


def test_crashes_say_how() -> None:
    outcomes = dict(run_tasks(_exit, [7, 0, 9], workers=1))
    assert outcomes == {
        7: Crash("its process ended with exit code 7"),
        0: 0,
        9: Crash("its process ended with exit code 9"),
    }


def _exit(task: int) -> int:
    if task:
        os._exit(task)
    return task


SCRIPT = """
import sys
from pathlib import Path
from untrimmed.features.extract import extract
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.records import Video

if __name__ == "__main__":
    videos = [Video(video_id=path.stem, duration=1.0, path=path) for path in sorted(Path(sys.argv[1]).iterdir())]
    features = [RgbImages(size=(48, 64)), FlowImages(size=(48, 64), method=Dis())]
    report = extract(features, videos, store=FeatureStore(Path(sys.argv[2])), workers=int(sys.argv[3]))
    assert not report.failed, report.failed
    print(report.done, report.present)
"""


def start(folder: Path, store: Path, workers: int) -> subprocess.Popen[str]:
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), str(folder), str(store), str(workers)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)


def contents(store: Path) -> dict[str, bytes]:
    paths = [path for path in store.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY)]
    return {str(path.relative_to(store)): path.read_bytes() for path in paths}


def alive(group: int) -> bool:
    """Whether a process of the group runs (a zombie does not)."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False


def check_kills(tmp_path: Path, *, moments: int, videos: int, frames: int, workers: int, seed: int) -> None:
    """Kill an extraction at random moments; started again it must give the bytes of an undisturbed one."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for place in range(videos):
        write_clip(folder / f"clip{place}.mp4", frames=frames, seed=place)
    begin = time.perf_counter()
    first = start(folder, tmp_path / "undisturbed", workers)
    assert first.communicate(timeout=300)[0].split() == [str(videos), "0"]
    lasted = time.perf_counter() - begin
    expected = contents(tmp_path / "undisturbed")
    assert len(expected) == 2 * (videos + 1)
    generator = np.random.default_rng(seed)
    killed = 0
    for moment in range(moments):
        store = tmp_path / f"store{moment}"
        process = start(folder, store, workers)
        time.sleep(lasted * generator.uniform(0.3, 1.0))
        os.kill(process.pid, signal.SIGKILL)  # the workers must notice by themselves
        process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 30
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive(process.pid)
        before = contents(store) if store.exists() else {}
        assert before.items() <= expected.items()  # what is there is complete
        again = start(folder, store, workers)
        again.communicate(timeout=300)
        assert again.returncode == 0
        assert contents(store) == expected
    assert killed


def test_three_kills_change_nothing(tmp_path: Path) -> None:
    check_kills(tmp_path, moments=3, videos=3, frames=20, workers=0, seed=0)


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    check_kills(tmp_path, moments=20, videos=10, frames=120, workers=2, seed=1)


def test_two_runs_at_once_share_a_store(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for place in range(3):
        write_clip(folder / f"clip{place}.mp4", frames=15, seed=place)
    running = [start(folder, tmp_path / "store", 0) for _ in range(2)]
    assert all(process.communicate(timeout=120) and process.returncode == 0 for process in running)
    alone = start(folder, tmp_path / "alone", 0)
    alone.communicate(timeout=120)
    assert contents(tmp_path / "store") == contents(tmp_path / "alone")


def test_damaged_videos_give_what_they_have(
    store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = write_clip(tmp_path / "torn.mp4", frames=40)
    whole = video.path.read_bytes()
    place = whole.index(b"mdat") + 2000
    video.path.write_bytes(whole[:place] + b"\xff" * 400 + whole[place + 400 :])
    with caplog.at_level(logging.WARNING):
        report = extract([RgbImages(size=(48, 64))], [video], store=store, workers=0)
    assert (report.done, report.failed) == (1, {})
    assert len(store.load(RgbImages(size=(48, 64)), "torn")) >= 20

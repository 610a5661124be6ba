"""Files that nobody vouches for: the frames that exist come out, or one line says why none does."""

import csv
import logging
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.pictures import number_of, written
from shared_folder import SHARED, shared
from untrimmed.media import source
from untrimmed.media.audio import read_audio
from untrimmed.media.reader import probe, read_at, read_frames
from untrimmed.records import DataError


def _rows() -> list[dict[str, str]]:
    manifest = SHARED / "video" / "manifest.csv"
    if not manifest.exists():
        return []
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


ROWS = _rows()
QUICK = [row for row in ROWS if row["set"] in ("odd", "untrimmed")]


def _meets_the_manifest(row: dict[str, str]) -> None:
    path = shared("video") / row["path"]
    wanted = int(row["frames"] or 0)
    stream = read_frames(path, size=(8, 8))
    if wanted == 0:
        for call in (lambda: list(stream), lambda: probe(path), lambda: read_at(path, [0])):
            with pytest.raises(DataError, match=r"cannot be read: ") as caught:
                call()
            assert "\n" not in str(caught.value)
            assert path.name in str(caught.value)
        return
    seconds = [frame.seconds for frame in stream]
    assert np.all(np.diff(seconds) > 0)
    assert seconds[0] >= 0
    if row["decode"] == "ok":
        assert len(seconds) == wanted
    else:  # there the first bad packet ended the count
        assert len(seconds) >= wanted
        assert stream.report.damaged
        assert stream.report.bad_packets > 0
    info = probe(path)
    assert info.duration >= seconds[-1] * 0.99
    assert 0 < info.fps <= 1000
    turned = row["rotation"] in ("90", "-90")
    assert (info.width if turned else info.height) == int(row["height"])


@pytest.mark.parametrize("row", QUICK, ids=[row["path"] for row in QUICK])
def test_odd_and_long_files_meet_their_frame_counts(row: dict[str, str]) -> None:
    _meets_the_manifest(row)


@pytest.mark.slow
def test_all_files_meet_their_frame_counts() -> None:
    shared("video/manifest.csv")
    assert len(ROWS) == 537
    for row in ROWS:
        if row not in QUICK:
            _meets_the_manifest(row)


def test_there_are_real_files_to_test_on() -> None:
    shared("video/manifest.csv")
    assert len(QUICK) == 56


def test_files_that_are_no_video_are_refused_in_words(tmp_path: Path) -> None:
    def refused(name: str, content: bytes | None, words: str) -> None:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            list(read_frames(path))

    refused("absent.mp4", None, "absent.mp4 cannot be read: there is no such file")
    refused("", None, "cannot be read: it is a folder")
    refused("empty.mp4", b"", r"empty.mp4 cannot be read: it is empty \(0 bytes\)")
    refused("page.mp4", b"<!doctype html><html><body>404</body></html>" * 40, "it is no media file, or its header")
    refused("noise.mp4", np.random.default_rng(0).bytes(5000), "cannot be read: ")
    refused("notes.txt", b"hello\n" * 200, "notes.txt cannot be read: it is (text or a playlist|no media file)")
    video = written(tmp_path, 5)
    refused(
        "list.m3u8",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{video}\n#EXT-X-ENDLIST\n".encode(),
        "it is text or a playlist",
    )
    refused("list.txt", f"ffconcat version 1.0\nfile {video}\n".encode(), "it is text or a playlist")
    named = tmp_path / "http:odd %03d.mp4"
    video.rename(named)
    assert len(list(read_frames(named))) == 5


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, 5)
    monkeypatch.setattr(source, "MAX_PIXELS", 1000)
    with pytest.raises(DataError, match=r"clip.mp4 cannot be read: frames must have at most 1000 pixels, got 64 x 48"):
        probe(path)


def test_a_file_that_was_cut_off_gives_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, 60)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])  # the table of packets stands in front
    stream = read_frames(path)
    with caplog.at_level(logging.WARNING):
        frames = list(stream)
    assert 20 <= len(frames) < 60
    assert [number_of(frame.image) for frame in frames[:20]] == list(range(20))
    assert stream.report.damaged
    assert stream.report.decoded == len(frames)
    assert len(caplog.records) == 1
    assert f"clip.mp4 is damaged: {len(frames)} frames decoded" in caplog.text
    path.write_bytes(whole[:500])
    with pytest.raises(DataError, match=r"clip.mp4 cannot be read: "):
        list(read_frames(path))


@settings(max_examples=25, deadline=None)
@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=60), seed=st.integers(0, 2**16))
def test_flipped_bytes_neither_crash_nor_hang(
    tmp_path_factory: pytest.TempPathFactory, places: list[float], seed: int
) -> None:
    path = written(tmp_path_factory.mktemp("flip"), 30, sound=True)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    where = (np.array(places) * len(content)).astype(int)
    content[where] ^= np.random.default_rng(seed).integers(1, 256, len(where), dtype=np.uint8)
    path.write_bytes(content.tobytes())
    for call in (lambda: list(read_frames(path)), lambda: probe(path), lambda: read_audio(path, rate=8000)):
        with suppress(DataError):  # its own error is the one that may come
            call()
    with suppress(DataError):
        assert sum(1 for _ in read_frames(path, per_second=10)) <= 7000  # no time stamp makes a stream endless

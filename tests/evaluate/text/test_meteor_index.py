"""METEOR's tables on disk: written once, read back, written anew when they are not what they should be."""

import dataclasses
import gzip
import hashlib
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import zipfile
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from untrimmed.evaluate.text import meteor_index
from untrimmed.evaluate.text.meteor_index import Index, cache_folder, keys_of, open_index
from untrimmed.evaluate.text.meteor_jar import find_jar
from untrimmed.records import DataError

ROWS = [("a dog", "a hound"), ("a dog", "the dog"), ("big", "large"), ("large", "big"), ("caf\u00e9 x", "bar")]
TABLES = {
    "synonym/english.synsets": "dog\n11 12\nhound\n12\nrun\n13\n",
    "synonym/english.exceptions": "run\nran\ngoose\ngeese\n",
    "function/english.words": "the\na\n",
    "nonbreaking/english.prefixes": "# words\n\nMr\nNo #NUMERIC_ONLY# \n",
}


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    return write(tmp_path / "meteor", ROWS, TABLES)


def write(folder: Path, rows: list[tuple[str, str]], tables: dict[str, str]) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"0.1\n{source}\n{target}\n" for source, target in rows)
    (folder / "data" / "paraphrase-en.gz").write_bytes(gzip.compress(lines.encode()))
    with zipfile.ZipFile(folder / "meteor-1.5.jar", "w") as packed:
        for name, text in tables.items():
            packed.writestr(name, text)
    return folder / "meteor-1.5.jar"


def rows_in(index: Index) -> list[tuple[int, int]]:
    owner = np.repeat(np.arange(len(index.phrases)), np.diff(index.row_starts))
    return list(zip(owner.tolist(), index.row_targets.tolist(), strict=True))


def test_what_is_written_is_what_was_read(jar: Path, tmp_path: Path) -> None:
    index = open_index(jar, tmp_path / "cache")
    words = sorted({word for row in ROWS for phrase in row for word in phrase.split()})
    assert sorted(keys_of(words).tolist()) == index.table_words.tolist()
    assert len(index.phrases) == len({phrase for row in ROWS for phrase in row})
    assert len(rows_in(index)) == len(ROWS)
    assert (np.diff(index.phrases.astype(object)) > 0).all()
    assert sorted(np.diff(index.row_starts).tolist()) == [0, 0, 0, 1, 1, 1, 2]
    assert index.function_words == {"the", "a"}
    assert index.abbreviations == {"Mr": False, "No": True}
    dog = index.synset_words.tolist().index(int(keys_of(["dog"])[0]))
    assert index.synsets[index.synset_starts[dog] : index.synset_starts[dog + 1]].tolist() == [11, 12]
    ran, geese = (index.exceptions.tolist().index(int(keys_of([word])[0])) for word in ("ran", "geese"))
    run = index.synset_words.tolist().index(int(keys_of(["run"])[0]))
    assert index.bases[index.base_starts[ran] : index.base_starts[ran + 1]].tolist() == [run]
    assert index.bases[index.base_starts[geese] : index.base_starts[geese + 1]].tolist() == [-1]  # has no synset


def test_arrays_are_mapped_and_written_only_once(jar: Path, tmp_path: Path) -> None:
    first = open_index(jar, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    open_index.cache_clear()
    again = open_index(jar, tmp_path / "cache")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert not again.phrases.flags.writeable
    np.testing.assert_array_equal(first.phrases, again.phrases)


def test_other_tables_and_broken_arrays_are_written_anew(jar: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    open_index(jar, cache)
    (folder,) = cache.iterdir()
    np.save(folder / "phrases.npy", np.zeros(1, dtype=np.uint64))
    open_index.cache_clear()
    assert len(open_index(jar, cache).phrases) == 7
    (folder / "synsets.npy").write_bytes(b"")
    open_index.cache_clear()
    assert len(open_index(jar, cache).synsets) == 4
    write(jar.parent, ROWS[:2], TABLES)
    open_index.cache_clear()
    assert len(open_index(jar, cache).phrases) == 3
    assert len(list(cache.iterdir())) == 2


def test_another_version_of_the_format_has_its_own_folder(
    jar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_index(jar, tmp_path / "cache")
    open_index.cache_clear()
    monkeypatch.setattr(meteor_index, "FORMAT", meteor_index.FORMAT + 1)
    open_index(jar, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


# --- several processes at once ---------------------------------------------------------------------------------------

ROUNDS = 20


def digest_of(index: Index) -> str:
    digest = hashlib.sha256()
    for field in dataclasses.fields(Index):
        value = getattr(index, field.name)
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else str(sorted(value)).encode())
    return digest.hexdigest()


_start: Barrier


def _meet(start: Barrier) -> None:
    global _start
    _start = start


def _open_rounds(jar: Path, folder: Path) -> tuple[list[str], int]:
    """Open one cache folder after the other, each at once with the other processes; how often it was written here."""
    written, found = [], []
    original = meteor_index._write

    def counted(*paths: Path) -> None:
        written.append(paths)
        original(*paths)

    meteor_index._write = counted
    for number in range(ROUNDS):
        _start.wait(60)
        found.append(digest_of(open_index(jar, folder / str(number))))
    return found, len(written)


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.skipif(importlib.util.find_spec("fcntl") is None, reason="needs locks of POSIX for a single writer")
def test_of_processes_that_miss_the_cache_at_once_one_writes_it(jar: Path, tmp_path: Path, broken: bool) -> None:
    folder = tmp_path / "many"
    wanted = digest_of(open_index(jar, tmp_path / "alone"))
    if broken:  # a disk that was full, an older program that was killed
        (name,) = (path.name for path in (tmp_path / "alone").iterdir())
        for number in range(ROUNDS):
            (folder / str(number) / name).mkdir(parents=True)
            (folder / str(number) / name / "phrases.npy").write_bytes(b"x")
    context = multiprocessing.get_context("spawn")
    with context.Pool(3, initializer=_meet, initargs=(context.Barrier(3),)) as pool:
        found = pool.starmap(_open_rounds, [(jar, folder)] * 3, chunksize=1)
        pool.close()
        pool.join()
    assert all(digest == wanted for digests, _ in found for digest in digests)
    assert sum(times for _, times in found) == ROUNDS
    for number in range(ROUNDS):  # and nothing is left beside it
        assert [path.name.startswith("meteor-") for path in (folder / str(number)).iterdir()] == [True]


@pytest.mark.slow
def test_two_programs_meet_a_cold_cache_of_the_real_tables(tmp_path: Path) -> None:
    program = (
        "from untrimmed.evaluate.text import backends\n"
        "print(repr(backends.shared().score('the cat was sat on the mat', ['the cat sat on the mat'])))\n"
    )
    environment = os.environ | {meteor_index.VARIABLE: str(tmp_path / "cold")}
    both = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [float(one.communicate(timeout=300)[0]) for one in both] == pytest.approx(
        [0.5119556177223324] * 2, abs=1e-15
    )
    assert [one.returncode for one in both] == [0, 0]
    assert len(list((tmp_path / "cold").iterdir())) == 1
    assert digest_of(open_index(find_jar(), tmp_path / "cold")) == digest_of(open_index(find_jar(), cache_folder()))


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNTRIMMED_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "untrimmed"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "untrimmed"
    monkeypatch.setenv("UNTRIMMED_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_what_goes_wrong_is_said(jar: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match=r"^METEOR's tables need 57 MB in a folder that can be written, got .*CACHE to"):
        open_index(jar, tmp_path / "file")
    (jar.parent / "data" / "paraphrase-en.gz").write_bytes(gzip.compress(b"0.1\na dog\n"))
    with pytest.raises(DataError, match=r"^METEOR's paraphrases must be three lines each, got 10 bytes more \("):
        open_index(jar, tmp_path / "cache")
    write(jar.parent, ROWS, {name: text for name, text in TABLES.items() if "synsets" not in name})
    with pytest.raises(DataError, match=r"^METEOR's program must hold its English tables, got .*synsets.* \("):
        open_index(jar, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())

"""METEOR's tables as arrays on disk: paraphrases, WordNet's synsets and exceptions, function words, abbreviations.

They are read once from the installed package pycocoevalcap (the tables stand under the LGPL and WordNet's licence, so
none is shipped here) and written as arrays into the user's cache folder, 57 MB, where every later run maps them into
memory. The folder's name carries the version of this format and a fingerprint of the files read. It appears complete or
not at all, and of several processes that miss it one writes while the others wait.
"""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt64

from untrimmed.evaluate.text import meteor_index_kernels as kernels
from untrimmed.files import replacing_folder
from untrimmed.records import DataError

FORMAT = 1
"""Counted up with every change of what is written."""

VARIABLE = "UNTRIMMED_CACHE"
"""The environment variable that names the cache folder instead of XDG_CACHE_HOME/untrimmed or ~/.cache/untrimmed."""

_TABLES = (
    "synonym/english.synsets",
    "synonym/english.exceptions",
    "function/english.words",
    "nonbreaking/english.prefixes",
)
_READ_AT_ONCE = 1 << 22
_TAIL = 1 << 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Index:
    """The tables, words and phrases as rising 64-bit keys.

    Attributes:
        table_words: all words of the paraphrase table.
        phrases: its phrases, sources and targets.
        phrase_buckets: where the phrases of each value of the first bits begin.
        row_starts: for each phrase where its rows begin, and the end.
        row_targets: for each row the number of its target phrase, in the order of the file.
        synset_words: words with synsets.
        synset_starts: for each of them where its synsets begin, and the end.
        synsets: their numbers.
        exceptions: irregular forms.
        base_starts: for each of them where its base forms begin, and the end.
        bases: places in synset_words, -1 for a base form without synsets.
        function_words: words that count as function words.
        abbreviations: words that keep a final dot; True for only before a number.
    """

    table_words: UInt64[np.ndarray, " words"]
    phrases: UInt64[np.ndarray, " phrases"]
    phrase_buckets: Int32[np.ndarray, " buckets"]
    row_starts: Int32[np.ndarray, " phrases_and_end"]
    row_targets: Int32[np.ndarray, " rows"]
    synset_words: UInt64[np.ndarray, " listed"]
    synset_starts: Int32[np.ndarray, " listed_and_end"]
    synsets: Int32[np.ndarray, " synsets"]
    exceptions: UInt64[np.ndarray, " forms"]
    base_starts: Int32[np.ndarray, " forms_and_end"]
    bases: Int32[np.ndarray, " bases"]
    function_words: frozenset[str]
    abbreviations: dict[str, bool]


_ARRAYS = tuple(field.name for field in fields(Index))[:-2]


def cache_folder() -> Path:
    """Where the arrays lie."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "untrimmed"


@cache
def open_index(jar: Path, folder: Path) -> Index:
    """Map the arrays into memory; write them first if they are not there or not whole.

    Args:
        jar: METEOR's program, with the folder data beside it.
        folder: the cache folder.

    Raises:
        DataError: when a table is not what METEOR 1.5 has, or the cache folder cannot be written.
    """
    rows = jar.parent / "data" / "paraphrase-en.gz"
    place = folder / f"meteor-{FORMAT}-{_fingerprint(jar, rows)}"
    found = _read(place)
    if found is None:
        try:
            with _alone(folder):
                found = _read(place)  # another process may have been faster
                if found is None:
                    shutil.rmtree(place, ignore_errors=True)
                    with replacing_folder(place) as part:
                        _write(part, jar, rows)
        except OSError as error:
            found = _read(place)
            if found is None:
                raise DataError(
                    f"METEOR's tables need 57 MB in a folder that can be written, got {error} ({place}); "
                    f"set {VARIABLE} to another one"
                ) from error
    found = found or _read(place)
    if found is None:
        raise DataError(f"METEOR's arrays must be whole after they were written, got others ({place}); remove it")
    return found


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in this block for the same folder; a process that dies leaves it.

    Where the system has no such locks all go on at once: each writes a folder of its own, and the first one stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except ImportError:
        yield
        return
    try:
        with contextlib.suppress(OSError):  # some network drives lock nothing
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _fingerprint(*paths: Path) -> str:
    """Of sizes and ends of packed files: there stand the checksums of all they hold."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - _TAIL))
            digest.update(str(size).encode() + file.read())
    return digest.hexdigest()[:16]


def _read(folder: Path) -> Index | None:
    """The arrays of a folder; None if they are not there or not as long as they were written."""
    try:
        words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in _ARRAYS}
    except (OSError, ValueError, EOFError):
        return None
    if {name: len(array) for name, array in arrays.items()} != words["lengths"]:
        return None
    return Index(**arrays, function_words=frozenset(words["function_words"]), abbreviations=words["abbreviations"])


def _write(folder: Path, jar: Path, rows: Path) -> None:
    with zipfile.ZipFile(jar) as packed:
        try:
            synsets, exceptions, function, prefixes = (packed.read(name).decode().splitlines() for name in _TABLES)
        except KeyError as error:
            raise DataError(f"METEOR's program must hold its English tables, got {error.args[0]} ({jar})") from error
    arrays = _paraphrases(rows) | _synonyms(synsets, exceptions)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    words = {
        "lengths": {name: len(array) for name, array in arrays.items()},
        "function_words": sorted({word for word in function if word}),
        "abbreviations": {line.split()[0]: "#" in line for line in prefixes if line.strip() and line[0] != "#"},
    }
    (folder / "words.json").write_text(json.dumps(words), encoding="utf-8")


def _paraphrases(path: Path) -> dict[str, np.ndarray]:
    import gzip

    pairs, size = np.empty((1 << 23, 2), dtype=np.uint64), 0  # what is not written to takes no memory
    words: list[np.ndarray] = []
    rest = b""
    with gzip.open(path, "rb") as file:
        while more := file.read(_READ_AT_ONCE):
            text = rest + more
            keys, seen, used = kernels.read_rows(np.frombuffer(text, dtype=np.uint8))
            if size + len(keys) > len(pairs):
                pairs = np.concatenate([pairs, np.empty_like(pairs)])
            pairs[size : size + len(keys)] = keys
            size += len(keys)
            words.append(np.unique(seen))
            rest = text[used:]
    if rest or not size:
        raise DataError(f"METEOR's paraphrases must be three lines each, got {len(rest)} bytes more ({path})")
    sources, targets = pairs[:size, 0], pairs[:size, 1]
    phrases = np.concatenate([sources[:1], sources[1:][sources[1:] != sources[:-1]], targets])
    phrases.sort()
    phrases = phrases[np.concatenate([[True], phrases[1:] != phrases[:-1]])]  # np.unique would take twice the memory
    source = kernels.places(phrases, sources)
    target = kernels.places(phrases, targets)
    return {
        "table_words": np.unique(np.concatenate(words)),
        "phrases": phrases,
        "phrase_buckets": kernels.buckets(phrases),
        "row_starts": _starts(source, len(phrases)),
        "row_targets": target[np.argsort(source, kind="stable")],
    }


def _synonyms(synsets: list[str], exceptions: list[str]) -> dict[str, np.ndarray]:
    """Lines of a word and the line of its synsets; of a base form and the line of its irregular forms."""
    listed = keys_of(synsets[::2])
    order = np.argsort(listed)
    listed = listed[order]
    values = [[int(number) for number in synsets[2 * place + 1].split()] for place in order.tolist()]
    base = keys_of(exceptions[::2])
    forms = [line.split() for line in exceptions[1::2]]
    form = keys_of([word for row in forms for word in row])
    owner = kernels.places(listed, base)[np.repeat(np.arange(len(forms)), [len(row) for row in forms])]
    known, number = np.unique(form, return_inverse=True)
    return {
        "synset_words": listed,
        "synset_starts": np.cumsum([0, *map(len, values)]).astype(np.int32),
        "synsets": np.array([number for row in values for number in row], dtype=np.int32),
        "exceptions": known,
        "base_starts": _starts(number, len(known)),
        "bases": owner[np.argsort(number, kind="stable")].astype(np.int32),
    }


def _starts(owner: np.ndarray, owners: int) -> np.ndarray:
    """Where the rows of each owner begin among rows sorted by owner, and the end."""
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=owners))]).astype(np.int32)


def keys_of(words: list[str]) -> UInt64[np.ndarray, " words"]:
    """Keys of words; a word holds no line break."""
    text = "".join(f"{word}\n" for word in words).encode(errors="replace")
    return np.asarray(kernels.word_keys(np.frombuffer(text, dtype=np.uint8), len(words)))

"""Bytes, text and JSON from files that nobody vouches for: limits, plain words, and the path of what is wrong.

Every reader of annotations and predictions opens its files here. A file is read whole, after unpacking at most
`MAX_BYTES`; gzip is told by its first bytes; pickles are refused, since reading one can run any code.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from untrimmed.records import DataError

MAX_BYTES = 1 << 28
"""Largest file after unpacking, 256 MiB; the full-size submission of 492,600 detections has 39 MB."""

MAX_TEXT_BYTES = 1 << 26
"""Largest file of lines after unpacking, 64 MiB; rows need more memory than JSON. Kinetics-700 has 30 MB."""

MAX_ENTRY_BYTES = 1 << 24
"""Longest JSON of one video, 16 MiB: some 200,000 detections."""

_GZIP = b"\x1f\x8b"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file; it can only hold features"),
    (b"\x93NUMPY", "a numpy array; it can only hold features"),
    (b"BZh", "packed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "packed with xz; unpack it first"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")


def read_bytes(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """The contents of a file, unpacked if it is gzip.

    Args:
        path: a file.
        limit: bytes after unpacking, > 0.

    Raises:
        DataError: when the file is not there, is no file, is cut short, is too large, or is of a kind that holds
            neither text nor JSON (archives, arrays, pickles).
    """
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder, wanted a file")
        size = path.stat().st_size
        if size > limit:
            raise DataError(f"{path} has {size} bytes, the limit is {limit}")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if content.startswith(_GZIP):
        content = _unpack(content, path, limit)
    if _PICKLE.match(content) or path.suffix in (".pkl", ".pickle"):
        raise DataError(f"{path} is a pickle, which can run code when it is read; save it as JSON")
    for magic, words in _KINDS:
        if content.startswith(magic):
            raise DataError(f"{path} is {words}")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise DataError(f"{path} is empty")
    return content


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """The contents of a UTF-8 text file.

    Raises:
        DataError: as read_bytes, or when a byte is not UTF-8.
    """
    content = read_bytes(path, limit=limit)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text, byte {error.start} is not") from error
    if "\0" in text:
        raise DataError(f"{path} must be text, byte {text.index(chr(0))} is zero")
    return text


def decode(content: bytes | msgspec.Raw, kind: Any, *, path: Path, at: str = "$") -> Any:
    """JSON as a typed value.

    Args:
        content: JSON.
        kind: what msgspec is to build.
        path: the file, for the message.
        at: the JSON path of content in the file.

    Raises:
        DataError: one line with the file and the JSON path of what is wrong.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DataError(in_words(error, path=path, at=at)) from error


def decode_items(table: dict[str, msgspec.Raw], kind: Any, *, path: Path, at: str) -> Iterator[tuple[str, Any]]:
    """The values of a JSON object one after the other, each typed; the message names the key that is wrong.

    Decoding one value at a time keeps half a million predictions in little memory.

    Raises:
        DataError: as decode.
    """
    decoder = msgspec.json.Decoder(kind)
    for key, raw in table.items():
        size = memoryview(raw).nbytes
        if size > MAX_ENTRY_BYTES:
            raise DataError(f'{path} at {at}["{shown(key)}"] has {size} bytes, the limit is {MAX_ENTRY_BYTES}')
        try:
            value = decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise DataError(in_words(error, path=path, at=f'{at}["{shown(key)}"]')) from error
        yield key, value


def in_words(error: Exception, *, path: Path, at: str) -> str:
    """One line for what msgspec found: file, JSON path, what it wanted and got."""
    if isinstance(error, RecursionError):
        return f"{path} is nested too deep at {at}"
    if isinstance(error, UnicodeDecodeError):
        return f"{path} must be UTF-8 text, byte {error.start} of {at} is not"
    text = " ".join(str(error).split())
    if isinstance(error, msgspec.ValidationError):
        words, _, inside = text.partition(" - at `$")
        words = words.replace("`", "")
        return f"{path} at {at}{inside.removesuffix('`')}: {words[0].lower()}{words[1:]}"
    where = "" if at == "$" else f" at {at}"
    return f"{path} is not valid JSON{where}: {text.removeprefix('JSON is malformed: ')}"


def shown(value: Any, *, length: int = 60) -> str:
    """A value from a file for a message: one line, cut short, nothing unprintable."""
    text = "".join(char if char.isprintable() else "?" for char in str(value)[: length + 1])
    return text if len(text) <= length else text[:length] + "..."


def _unpack(content: bytes, path: Path, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while content:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacker.decompress(content, left + 1))
        except zlib.error as error:
            raise DataError(f"{path} is damaged gzip: {error}") from error
        left -= len(parts[-1])
        if left < 0:
            raise DataError(f"{path} unpacks to more than the limit of {limit} bytes")
        if not unpacker.eof:
            raise DataError(f"{path} is cut short: the gzip stream has no end")
        content = unpacker.unused_data.lstrip(b"\0")
    return b"".join(parts)

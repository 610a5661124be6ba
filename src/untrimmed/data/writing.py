"""Files that appear complete or not at all."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from untrimmed.files import replacing
from untrimmed.records import DataError


def write_bytes(path: Path, content: bytes) -> None:
    """Write through a temporary file in the same folder and rename it; a name that ends in .gz is packed.

    Raises:
        DataError: when the folder cannot be written to.
    """
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)  # no time stamp: equal contents give equal files
    try:
        with replacing(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON values, UTF-8, one line."""
    write_bytes(path, msgspec.json.encode(content))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a header line, comma separated, quoted where needed."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    write_bytes(path, out.getvalue().encode())


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text."""
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())

"""Tables with a header line, comma separated: rows as dicts, every problem told with its line."""

import csv
import io
import math
from pathlib import Path

from untrimmed.data.opening import read_text, shown
from untrimmed.records import DataError

Rows = list[tuple[int, dict[str, str]]]

MAX_ROWS = 2_000_000
"""Most rows of a table; Kinetics-700 has 650,000."""

MAX_FIELD = 1 << 20
"""Longest field in characters; Charades has scripts of some hundred."""


def rows_of(path: Path, *, text: str | None = None) -> Rows:
    """The rows with their line numbers (the header is line 1), empty lines left out.

    Args:
        path: a csv file, plain or gzip; a semicolon or a tab may stand for the comma.
        text: its contents, if they were read before.

    Raises:
        DataError: when a row has not as many fields as the header.
    """
    text = read_text(path) if text is None else text
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    csv.field_size_limit(MAX_FIELD)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(table, [])]
        if len(set(header)) != len(header):
            raise DataError(f"{path} line 1: a column name stands twice in {shown(','.join(header))!r}")
        rows: Rows = []
        for fields in table:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                raise DataError(f"{path} line {table.line_num}: wanted {len(header)} fields, got {len(fields)}")
            if len(rows) >= MAX_ROWS:
                raise DataError(f"{path} line {table.line_num}: more than the limit of {MAX_ROWS} rows")
            rows.append((table.line_num, dict(zip(header, fields, strict=True))))
    except csv.Error as error:
        raise DataError(f"{path} line {table.line_num}: {error}") from error
    return rows


def column(row: dict[str, str], *names: str, path: Path) -> str:
    """The first of these names that is a column.

    Raises:
        DataError: when none is.
    """
    for name in names:
        if name in row:
            return name
    raise DataError(f"{path} has no column {' or '.join(names)}; it has {shown(', '.join(row))}")


def number(text: str, *, what: str, path: Path, line: int) -> float:
    """A finite number.

    Raises:
        DataError: when it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path} line {line}: {what} must be a finite number, got {shown(text)!r}")
    return value

"""How long videos are, from a table beside the annotations."""

from pathlib import Path

from untrimmed.data.tables import column, number, rows_of


def read_durations(path: Path, *, name: str | None = None) -> dict[str, float]:
    """Seconds by video from a csv with a column video, video_id, youtube_id or id.

    Args:
        path: the table, plain or gzip.
        name: the column of seconds; None takes duration, duration_s or length.

    Raises:
        DataError: when the columns are not there or a number is none.
    """
    rows = rows_of(path)
    first = rows[0][1] if rows else {}
    key = column(first, "video", "video_id", "youtube_id", "id", path=path)
    seconds = column(first, *((name,) if name else ("duration", "duration_s", "length")), path=path)
    return {
        row[key]: number(row[seconds], what=seconds, path=path, line=line) for line, row in rows if row[seconds].strip()
    }

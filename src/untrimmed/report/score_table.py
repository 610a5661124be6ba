"""Figures as they are shown in a terminal and on a page."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Figures as they are shown.

    Attributes:
        title: above the table.
        header: names of the columns.
        rows: cells, as many in a row as the header has.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

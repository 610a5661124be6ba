"""One self-contained HTML page of scores: tables, signatures and plots, readable without a network."""

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from untrimmed.files import write_text
from untrimmed.report.score_table import ScoreTable
from untrimmed.report.scores import Plot


def write_scores_page(
    path: Path, *, title: str, signatures: Sequence[str], tables: Sequence[ScoreTable], plots: Sequence[Plot]
) -> None:
    """Write the page; it appears complete or not at all.

    Every text is escaped, and pictures are data that cannot run, so nothing in a label or a file name becomes markup.

    Args:
        path: the HTML file.
        title: of the page.
        signatures: how the figures were computed.
        tables: in order.
        plots: in order.
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("untrimmed.report").joinpath("scores.html").read_text(encoding="utf-8"))
    pictures = [
        {"title": plot.title, "words": plot.words, "data": base64.b64encode(plot.picture("svg")).decode()}
        for plot in plots
    ]
    write_text(path, template.render(title=title, signatures=signatures, tables=tables, plots=pictures))

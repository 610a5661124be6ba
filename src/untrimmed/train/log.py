"""What a training says while it runs: rows of JSON, one a line, and a plot of them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from untrimmed.files import replacing, write_text


@dataclass(frozen=True, kw_only=True)
class LogRow:
    """One line of the log.

    Attributes:
        step: optimizer steps done so far.
        loss: mean over the steps since the row before.
        learning_rate: of the last step.
        figure: the validation's figure, where one was taken at this step.
        seconds: training time so far, over all resumptions.
    """

    step: int
    loss: float
    learning_rate: float
    figure: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class History:
    """What came of a training.

    Attributes:
        rows: the log.
        steps: optimizer steps done.
        best_step: the step whose weights the model holds, where a validation chose; else steps.
        best_figure: the validation's figure at that step, higher is better; None without a validation.
        stopped_early: whether patience ended it.
    """

    rows: tuple[LogRow, ...]
    steps: int
    best_step: int
    best_figure: float | None
    stopped_early: bool


def read_log(path: Path, *, up_to_step: int) -> list[LogRow]:
    """The rows of a log up to a step, and the file cut to them; lines that a kill left half written are dropped."""
    rows: list[LogRow] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                row = LogRow(**json.loads(line))
            except (ValueError, TypeError):
                break  # a line cut short by a kill; whatever follows it belongs to steps that are done again
            if row.step > up_to_step:
                break
            rows.append(row)
    write_text(path, "".join(_line(row) for row in rows))
    return rows


def append_row(path: Path, row: LogRow) -> None:
    """Add one line."""
    with path.open("a") as file:
        file.write(_line(row))


def plot(path: Path, rows: list[LogRow], *, title: str) -> None:
    """Draw loss, learning rate and validation figure over steps into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # late: half a second that only a finished run pays
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    loss, rate = figure.subplots(1, 2)
    loss.plot([row.step for row in rows], [row.loss for row in rows], color="tab:blue", label="loss")
    loss.set(xlabel="step", ylabel="loss", title=title)
    checked = [(row.step, row.figure) for row in rows if row.figure is not None]
    if checked:
        other = loss.twinx()
        other.plot(*zip(*checked, strict=True), color="tab:orange", marker=".", label="validation")
        other.set_ylabel("validation", color="tab:orange")
    rate.plot([row.step for row in rows], [row.learning_rate for row in rows], color="tab:green")
    rate.set(xlabel="step", ylabel="learning rate")
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=100)


def _line(row: LogRow) -> str:
    return json.dumps(asdict(row)) + "\n"

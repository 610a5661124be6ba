"""untrimmed demo DIR: from nothing to scores of all five tasks and a page."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.cli.workshop import Row, Workshop, table_of
from untrimmed.files import write_text
from untrimmed.records import Dataset, Prediction, Task

if TYPE_CHECKING:
    from untrimmed.systems.tsn_and_c3d import StreamName

PAGE_VIDEOS = 6
"""Videos of the testing part that the page shows."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Draw a small data set, train systems 06, 19 and 22 on it, score all five tasks, write the page DIR/index.html.

    What is finished is kept in the folder: a second call takes seconds, a killed one goes on.
    """

    folder: tyro.conf.Positional[Path] = Path("demo")
    """Where everything goes."""
    seed: int = 0
    """Of the drawing and of every training."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="demo")
    from rich.console import Console
    from rich.logging import RichHandler

    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    from untrimmed.data.playground import DEMO

    shop = Workshop(
        folder=arguments.folder,
        playground=replace(DEMO, seed=arguments.seed),
        seed=arguments.seed,
        console=console,
    )
    rows, page = demonstrate(shop)
    table_of(rows, console)
    console.print(
        "The data set is drawn and the nets are small: the path is what counts. The same commands serve real data.\n"
        f"page: {page}\nnext: untrimmed analyze VIDEO --systems {arguments.folder / 'systems'}",
        soft_wrap=True,
    )
    return 0


def demonstrate(shop: Workshop) -> tuple[list[Row], Path]:
    """All that the command does but print.

    Returns:
        The rows of figures and the page.
    """
    from untrimmed.cli.measures import main_path
    from untrimmed.systems import context_captions, prop_ssad, tsn_and_c3d

    untrimmed, trimmed = shop.draw()
    streams = replace(tsn_and_c3d.LAPTOP, trained=STREAMS, submitted=STREAMS)
    tsn = shop.trained(tsn_and_c3d.TsnAndC3d(streams), untrimmed, name="06")
    beside = replace(shop, systems=Path("clips"))
    clips = beside.trained(tsn_and_c3d.TsnAndC3d(streams), trimmed, name="06", work="06-clips")
    ssad = shop.trained(prop_ssad.PropSsad(prop_ssad.LAPTOP), untrimmed, name="19")
    speaker = shop.trained(context_captions.ContextCaptions(context_captions.LAPTOP), untrimmed, name="22")

    def measure() -> Iterator[Row]:
        yield from main_path.classification(shop, tsn, untrimmed, mixes=[STREAMS])
        yield from main_path.classification(shop, clips, trimmed, mixes=[STREAMS])
        yield from main_path.proposals_and_detections(shop, ssad, untrimmed, counts=(1, 10, 100))
        yield from main_path.captions(shop, {"TAC": speaker}, untrimmed, even=["TAC"])

    rows = shop.rows("demo", (streams, ssad.config, speaker.config), measure)
    return rows, _page(shop, untrimmed, [tsn, ssad, speaker], trimmed, clips)


STREAMS: "tuple[StreamName, ...]" = ("rgb_tsn", "flow_tsn", "rgb_c3d")
"""Those of system 06 that the demo trains, for time; `untrimmed results` trains all."""


def _page(shop: Workshop, dataset: Dataset, systems: Sequence[Any], trimmed: Dataset, clips: Any) -> Path:
    """The submission files of the testing part, and the page of some of its videos."""
    from untrimmed.cli.analyze import merge
    from untrimmed.data import write_predictions
    from untrimmed.report.page import write_page

    page = shop.folder / "index.html"
    if page.exists():
        return page
    part = dataset.subset("testing")
    merged = {video.video_id: Prediction(video=video) for video in part.videos}
    for system in systems:
        for said in system.predict(part.videos, store=shop.store):
            merged[said.video.video_id] = merge(merged[said.video.video_id], said)
    predictions = list(merged.values())
    for task in (Task.CLASSIFICATION, Task.PROPOSALS, Task.LOCALIZATION, Task.CAPTIONING):
        write_predictions(shop.folder / "predictions" / f"{task.value}.json", predictions, task)
    said_of_clips = list(clips.predict(trimmed.subset("testing").videos, store=shop.store))
    write_predictions(shop.folder / "predictions" / f"{Task.RECOGNITION.value}.json", said_of_clips, Task.RECOGNITION)
    annotations = {annotation.video.video_id: annotation for annotation in part.annotations}
    write_page(
        page, predictions[:PAGE_VIDEOS], annotations=annotations, title="untrimmed: what happens in these videos"
    )
    write_text(shop.folder / "README.txt", _ABOUT)
    return page


_ABOUT = """What lies here
index.html    the page: open it in a browser
playground/   the drawn data set with its annotation files
features/     the store of measured features
systems/      the trained systems, for untrimmed analyze --systems
clips/        system 06 trained on the trimmed clips
predictions/  submission files of the testing part, in the official formats
rows/         the printed figures
training/     logs and checkpoints
"""

"""untrimmed convert SOURCE TARGET: turn one file format into another."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from untrimmed.cli.arguments import parse

if TYPE_CHECKING:
    from untrimmed.report.exports import Export


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Turn annotations or predictions of one format into another; what is written appears complete or not at all."""

    source: tyro.conf.Positional[Path]
    """File or folder in any format that `untrimmed check` knows."""
    target: tyro.conf.Positional[Path]
    """What to write; the ending .json, .csv, .txt, .vtt or .srt says the format unless --to does; .gz packs it."""
    to: (
        Literal[
            "activitynet",
            "captions",
            "segments",
            "clips",
            "thumos",
            "submission",
            "detections",
            "label-studio",
            "elan",
            "vtt",
            "srt",
            "chapters",
            "ffmetadata",
            "text",
            "summary",
        ]
        | None
    ) = None
    """The format to write; captions, thumos and elan are folders. Those from vtt on are files for people, one a video:
    TARGET is a folder, or a file if there is one video."""
    video: str | None = None
    """For files for people: the id of the only video to write."""
    layout: Literal["best", "flatten", "overlap"] = "best"
    """For files for people: what becomes of texts whose times overlap: the best that do not, cut and joined, or all."""
    policy: Literal["keep", "clip", "drop", "refuse"] = "keep"
    """What becomes of annotations with defects; those of no length are always left out."""
    classes: Path | None = None
    """For predictions that number their classes: lines `id name`."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="convert")
    from rich.console import Console

    from untrimmed.caption.layout import Layout
    from untrimmed.data.conversion import Target, convert
    from untrimmed.data.defects import Policy
    from untrimmed.data.thumos import read_class_list
    from untrimmed.report.exports import export_file

    classes = None if arguments.classes is None else read_class_list(arguments.classes)
    export = _export(arguments)
    with Console(stderr=True).status(f"converting {arguments.source}"):
        if export is not None:
            done = export_file(
                arguments.source,
                arguments.target,
                export=export,
                layout=Layout(arguments.layout),
                video=arguments.video,
                policy=Policy(arguments.policy),
                classes=classes,
            )
        else:
            done = convert(
                arguments.source,
                arguments.target,
                to=None if arguments.to is None else Target(arguments.to),
                policy=Policy(arguments.policy),
                classes=classes,
            )
    print(f"{arguments.target}: {done}")
    return 0


def _export(arguments: Arguments) -> "Export | None":
    """Which file for people is wanted, if one is: --to says it, or else the ending .vtt or .srt."""
    from untrimmed.report.exports import Export

    word = arguments.target.suffix.removeprefix(".") if arguments.to is None else arguments.to
    return Export(word) if word in {export.value for export in Export} else None

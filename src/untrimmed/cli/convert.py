"""untrimmed convert SOURCE TARGET: turn one file format into another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from untrimmed.cli.arguments import parse


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Turn annotations or predictions of one format into another; what is written appears complete or not at all."""

    source: tyro.conf.Positional[Path]
    """File or folder in any format that `untrimmed check` knows."""
    target: tyro.conf.Positional[Path]
    """What to write; the ending .json, .csv or .txt says the format unless --to does; .gz packs it."""
    to: Literal["activitynet", "captions", "segments", "clips", "thumos", "submission", "detections"] | None = None
    """The format to write; captions and thumos are folders."""
    policy: Literal["keep", "clip", "drop", "refuse"] = "keep"
    """What becomes of annotations with defects; those of no length are always left out."""
    classes: Path | None = None
    """For predictions that number their classes: lines `id name`."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="convert")
    from rich.console import Console

    from untrimmed.data.conversion import Target, convert
    from untrimmed.data.defects import Policy
    from untrimmed.data.thumos import read_class_list

    with Console(stderr=True).status(f"converting {arguments.source}"):
        done = convert(
            arguments.source,
            arguments.target,
            to=None if arguments.to is None else Target(arguments.to),
            policy=Policy(arguments.policy),
            classes=None if arguments.classes is None else read_class_list(arguments.classes),
        )
    print(f"{arguments.target}: {done}")
    return 0

"""`untrimmed playground DIR`: draw a data set with videos, sound and annotations for all five tasks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.data.playground.config import DEMO, PlaygroundConfig


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Draw a data set. The same options give the same data set; a begun folder is completed."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Where to: a new or empty folder, or one begun with the same options."""
    config: tyro.conf.OmitArgPrefixes[PlaygroundConfig] = PlaygroundConfig()  # noqa: RUF009  (frozen)
    """What to draw."""
    demo: bool = False
    """Draw the small data set of `untrimmed demo`; the options of size are left aside."""
    workers: int | None = None
    """Processes; one a core if not given."""
    quiet: bool = False
    """No progress bar."""


def call(words: list[str]) -> int:
    """Draw, and say what is there."""
    from dataclasses import replace

    arguments = parse(Arguments, words, command="playground")
    config = arguments.config
    if arguments.demo:
        config = replace(DEMO, seed=config.seed, difficulty=config.difficulty, truth=config.truth)

    from rich.console import Console

    from untrimmed.data.playground.write import trimmed_plans, untrimmed_plans, write_playground

    drawn = write_playground(arguments.folder, config, workers=arguments.workers, progress=not arguments.quiet)
    videos, clips = untrimmed_plans(config), trimmed_plans(config)
    minutes = sum(plan.duration for plan in videos + clips) / 60
    instances = sum(len(plan.instances) for plan in videos)
    Console(soft_wrap=True, highlight=False).print(
        f"{arguments.folder}: {len(videos)} videos with {instances} instances and {len(clips)} clips, "
        f"{minutes:.0f} minutes in all, {drawn} of them drawn now"
    )
    return 0

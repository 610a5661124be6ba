"""untrimmed codebook VIDEO_OR_FOLDER... --output FILE: learn the codebook that trajectories are encoded with."""

import logging
import shutil
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from untrimmed.cli.arguments import parse, peek
from untrimmed.cli.video_paths import find_videos, known
from untrimmed.files import replacing
from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class _Arguments:
    """Learn directions and words of improved dense trajectories from videos. The options under "config" say how.

    The file is what `untrimmed extract --feature trajectories --codebook FILE` measures with.
    """

    videos: tyro.conf.Positional[tuple[Path, ...]]
    """Videos, and folders that are searched for videos: those of the training subset, best."""
    output: Path = Path("codebook.safetensors")
    """The file to write."""
    store: Path = Path("store")
    """Folder of a store, which remembers codebooks that were learnt before."""
    speed: Literal["published", "fast"] = "published"
    """Whose defaults: the published program's, or DIS flow and ORB key points, about twice as fast."""
    workers: int | None = None
    """Processes; by default one a core."""


def call(words: list[str]) -> int:
    """Run the command; see _Arguments."""
    from untrimmed.features.trajectories.config import FAST, Trajectories
    from untrimmed.features.trajectories.learning import TrajectoryEncoding

    fast = peek(words, "speed", "published") == "fast"
    config = TrajectoryEncoding(trajectories=FAST if fast else Trajectories())
    arguments = make_dataclass(
        "Arguments",
        [("config", TrajectoryEncoding, field(default=config))],
        bases=(_Arguments,),
        frozen=True,
        kw_only=True,
    )
    arguments.__doc__ = _Arguments.__doc__
    return _run(parse(arguments, words, command="codebook"))


def _run(arguments: Any) -> int:
    from rich.console import Console
    from rich.logging import RichHandler

    from untrimmed.features.store import FeatureStore
    from untrimmed.features.trajectories.learning import learn_codebook

    console = Console()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)])
    if not arguments.videos:
        raise DataError("codebook needs videos or folders, got none; untrimmed codebook --help says more")
    if arguments.output.exists():
        raise DataError(f"output {arguments.output} exists already; choose another file or remove it")
    videos = known(find_videos(arguments.videos))
    learnt = learn_codebook(
        arguments.config,
        videos,
        store=FeatureStore(arguments.store),
        workers=arguments.workers,
        progress=console.is_terminal,
    )
    with replacing(arguments.output) as part:
        shutil.copyfile(learnt, part)
    descriptors = " ".join(arguments.config.codebook.descriptors)
    console.print(f"codebook of {descriptors}: {arguments.output}", soft_wrap=True)
    console.print(
        f"next: untrimmed extract VIDEOS --feature trajectories --codebook {arguments.output}", soft_wrap=True
    )
    return 0

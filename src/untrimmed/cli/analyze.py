"""untrimmed analyze VIDEO...: classes, proposals, actions and captions of any video, as files and as a page."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.cli.video_paths import find_videos
from untrimmed.records import Annotation, DataError, Prediction, Video

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["vtt", "srt", "chapters", "ffmetadata", "text", "summary", "csv", "label-studio", "elan"]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Say what happens in videos: JSON in the official formats, subtitles, chapters, summaries, and one HTML page."""

    videos: tyro.conf.Positional[tuple[Path, ...]]
    """Video files, or folders of them."""
    output: Path = Path("analysis")
    """Folder for the page index.html, the files TASK.json, and those of --formats."""
    systems: tuple[Path, ...] = (Path("demo/systems"),)
    """Trained systems, or folders of them; `make demo` leaves three in demo/systems, `untrimmed train` makes others."""
    ground_truth: Path | None = None
    """Annotation file or folder to show beside what was found."""
    store: Path | None = None
    """Folder of measured features; OUTPUT/features by default."""
    formats: tuple[Format, ...] = ("vtt", "srt")
    """What to write of the captions, or of the best actions where there are none: vtt, srt, chapters (WebVTT),
    ffmetadata, text (lines m:ss), summary (a paragraph), csv, label-studio, elan."""
    layout: Literal["best", "flatten", "overlap"] = "best"
    """What becomes of texts whose times overlap: the best that do not, cut and joined, or all of them."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="analyze")
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.markup import escape

    console = Console()
    handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    files = find_videos(arguments.videos)
    folders = find_systems(arguments.systems)
    annotations: dict[str, Annotation] = {}
    if arguments.ground_truth is not None:
        from untrimmed.data import open_dataset

        known = open_dataset(arguments.ground_truth)
        annotations = {annotation.video.video_id: annotation for annotation in known.annotations}
    videos, failed = _probe(files)
    store = arguments.store or arguments.output / "features"
    predictions = analyze(videos, folders, store, console=console)
    for video in videos:
        if video.video_id not in predictions:
            failed[str(video.path)] = "no system could read it (the reason is above)"
    if predictions:
        from untrimmed.caption.layout import Layout
        from untrimmed.report.analysis import Tables, write_analysis
        from untrimmed.report.exports import Export

        others = {table.value for table in Tables}
        write_analysis(
            arguments.output,
            list(predictions.values()),
            annotations=annotations,
            exports=[Export(name) for name in arguments.formats if name not in others],
            tables=[Tables(name) for name in arguments.formats if name in others],
            layout=Layout(arguments.layout),
        )
        _summary(console, list(predictions.values()))
        console.print(f"page: {arguments.output / 'index.html'}", soft_wrap=True)
    for name, reason in failed.items():
        line = reason if name in reason else f"{name}: {reason}"
        console.print(f"[red]not analysed:[/] {escape(line)}", soft_wrap=True, highlight=False)
    if not predictions:
        raise DataError(f"none of {len(files)} videos could be analysed (the reasons are above)")
    return 1 if failed else 0


def find_systems(paths: Sequence[Path]) -> list[Path]:
    """The folders of trained systems among or in the given ones, sorted by name.

    Raises:
        DataError: when there is none.
    """
    found: list[Path] = []
    for path in paths:
        if (path / "config.json").exists():
            found.append(path)
        elif path.is_dir():
            found += sorted(item.parent for item in path.glob("*/config.json"))
    if not found:
        where = ", ".join(str(path) for path in paths)
        raise DataError(f"no trained system in {where}; `make demo` or `untrimmed train` makes some")
    return found


def analyze(
    videos: Sequence[Video], folders: Sequence[Path], store: Path, *, console: "Console | None" = None
) -> dict[str, Prediction]:
    """Let every system say what it can of every video.

    Args:
        videos: files at hand (path is set).
        folders: of trained systems; where two serve one task, the first that says something counts.
        store: folder of measured features.
        console: where progress is shown on a terminal.

    Returns:
        One merged prediction a video, in order; videos that no system could read are absent.
    """
    from rich.progress import track

    from untrimmed.features.store import FeatureStore
    from untrimmed.systems.catalogue import load_system

    merged: dict[str, Prediction] = {}
    for folder in folders:
        system = load_system(folder)
        stream = system.predict(videos, store=FeatureStore(store))
        hidden = console is None or not console.is_terminal
        name = f"system {system.number:02d}"
        for said in track(stream, name, total=len(videos), console=console, disable=hidden):
            before = merged.get(said.video.video_id, Prediction(video=said.video))
            merged[said.video.video_id] = merge(before, said)
    return {video.video_id: merged[video.video_id] for video in videos if video.video_id in merged}


def merge(first: Prediction, second: Prediction) -> Prediction:
    """The first prediction of a video, with what it lacks from the second."""
    names = ("classes", "proposals", "detections", "captions")
    new = {name: getattr(second, name) for name in names if getattr(first, name) is None}
    return replace(first, **new)


def _probe(files: Mapping[str, Path]) -> tuple[list[Video], dict[str, str]]:
    """The videos that can be read, and the reasons of the others by file."""
    from untrimmed.media.reader import probe

    videos: list[Video] = []
    failed: dict[str, str] = {}
    for video_id, path in files.items():
        try:
            videos.append(Video(video_id=video_id, duration=probe(path).duration, path=path))
        except DataError as error:
            failed[str(path)] = str(error)
    return videos, failed


def _summary(console: "Console", predictions: list[Prediction]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("video", "seconds", "class of the whole", "surest action", "captions")
    for prediction in predictions:
        best = prediction.classes.best(1) if prediction.classes is not None else []
        first = f"{escape(best[0][0])} ({best[0][1]:.2f})" if best else "-"
        action = "-"
        if prediction.detections:
            (start, end), label = prediction.detections[0].segment, prediction.detections[0].label
            action = f"{escape(label)}, {start:.1f} to {end:.1f} s"
        said = "-" if prediction.captions is None else str(len(prediction.captions))
        table.add_row(escape(prediction.video.video_id), f"{prediction.video.duration:.1f}", first, action, said)
    console.print(table)

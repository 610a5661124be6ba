"""Write a playground to disk with all cores, so that a killed run loses only the videos at hand."""

import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import untrimmed.data.playground.files as files
from untrimmed.configs import content_hash, to_plain
from untrimmed.data.playground.classes import LABELS
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.director import choose_labels, plan_clip, plan_video
from untrimmed.data.playground.plan import VideoPlan
from untrimmed.files import replacing, write_text
from untrimmed.records import SUBSETS, DataError

log = logging.getLogger(__name__)

VERSION = 1
"""Of the drawing; a folder drawn by another version is another playground."""
CARD = "playground.json"
LAST = "untrimmed/activitynet.json"
"""The annotation file that is written last."""
_OWN = (CARD, "untrimmed", "trimmed", "truth")


def untrimmed_plans(config: PlaygroundConfig) -> list[VideoPlan]:
    """The plans of all untrimmed videos: training, validation, testing."""
    plans = []
    for subset, count in zip(SUBSETS, (config.training, config.validation, config.testing), strict=True):
        for index in range(count):
            video_id = f"{subset}_{index:04d}"
            plans.append(plan_video(video_id, subset, choose_labels(index, video_id, config), config))
    return plans


def trimmed_plans(config: PlaygroundConfig) -> list[VideoPlan]:
    """The plans of all trimmed clips, by subset and class."""
    plans = []
    counts = (config.training_clips, config.validation_clips, config.testing_clips)
    for subset, count in zip(SUBSETS, counts, strict=True):
        for number, label in enumerate(LABELS):
            for index in range(count):
                plans.append(plan_clip(f"clip_{subset}_{number:02d}_{index:03d}", subset, label, config))
    return plans


def video_path(folder: Path, plan: VideoPlan) -> Path:
    """Where the file of a video lies."""
    if plan.trimmed:
        return folder / "trimmed" / "videos" / plan.instances[0][2] / f"{plan.video_id}.mp4"
    return folder / "untrimmed" / "videos" / f"{plan.video_id}.mp4"


def truth_path(folder: Path, plan: VideoPlan) -> Path:
    """Where the truth of a video lies."""
    return folder / "truth" / f"{plan.video_id}.safetensors"


def write_playground(
    folder: Path, config: PlaygroundConfig, *, workers: int | None = None, progress: bool = False
) -> int:
    """Draw a data set into a folder; videos that are there already are kept.

    Every file appears complete or not at all; the annotations come last, so a folder with annotations is complete.

    Args:
        folder: new, empty, or begun by the same configuration.
        config: what to draw.
        workers: processes; None takes one a core. The result does not depend on it.
        progress: whether to show a bar on standard error.

    Returns:
        How many videos were drawn now.

    Raises:
        DataError: for a folder that holds other files or another playground.
    """
    if workers is not None and workers < 1:
        raise DataError(f"workers must be at least 1, got {workers}")
    _claim(folder, config)
    plans = untrimmed_plans(config) + trimmed_plans(config)
    for plan in plans:
        video_path(folder, plan).parent.mkdir(parents=True, exist_ok=True)
    if config.truth:
        (folder / "truth").mkdir(exist_ok=True)
    missing = [plan for plan in plans if not video_path(folder, plan).exists()]
    log.info("%d of %d videos are to be drawn into %s", len(missing), len(plans), folder)
    # the longest first, so that no core waits for the last
    missing.sort(key=lambda plan: -plan.frames)
    with _bar(len(missing), shown=progress) as advance:
        _draw_all(folder, config, missing, workers or os.cpu_count() or 1, advance)
    if missing or not (folder / LAST).exists():
        _annotate(folder, config, plans)
    return len(missing)


def _claim(folder: Path, config: PlaygroundConfig) -> None:
    """Make the folder ours or say why it cannot be."""
    card = folder / CARD
    mine = {"playground": VERSION, "hash": content_hash(config), "config": to_plain(config)}
    if folder.exists() and not folder.is_dir():
        raise DataError(f"a playground needs a folder, got the file {folder}")
    if card.exists():
        try:
            found = json.loads(card.read_text(encoding="utf-8"))
            theirs = (found["playground"], found["hash"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{card} is not the card of a playground: {error!r}; choose an empty folder") from None
        if theirs != (VERSION, mine["hash"]):
            raise DataError(
                f"{folder} holds another playground (version {theirs[0]}, configuration {theirs[1]}), wanted version "
                f"{VERSION}, configuration {mine['hash']}; choose another folder or remove it"
            )
        return
    strangers = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if strangers:
        raise DataError(f"a playground needs a new or empty folder, got {folder} with {strangers[0]!r} in it")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(card, json.dumps(mine, indent=1) + "\n")


def _draw_all(
    folder: Path, config: PlaygroundConfig, plans: list[VideoPlan], workers: int, advance: Callable[[str], None]
) -> None:
    if workers == 1 or len(plans) <= 1:
        with _one_thread():
            for plan in plans:
                draw_video(folder, config, plan)
                advance(plan.video_id)
        return
    context = multiprocessing.get_context("spawn")  # forking a process that has threads may hang
    with ProcessPoolExecutor(min(workers, len(plans)), mp_context=context, initializer=_start_worker) as pool:
        jobs = {pool.submit(draw_video, folder, config, plan): plan for plan in plans}
        try:
            for job in as_completed(jobs):
                job.result()
                advance(jobs[job].video_id)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def draw_video(folder: Path, config: PlaygroundConfig, plan: VideoPlan) -> None:
    """Draw one video with its sound, its truth first, so that a video that exists has its truth."""
    from untrimmed.data.playground.raster import draw
    from untrimmed.data.playground.sound import synthesise
    from untrimmed.media.writer import write_video

    if config.truth and (config.truth_clips or not plan.trimmed):
        _write_truth(truth_path(folder, plan), config, plan)
    sound = synthesise(plan, config.audio_rate, difficulty=config.difficulty)
    write_video(
        video_path(folder, plan), draw(plan, config), fps=float(plan.fps), audio=sound, audio_rate=config.audio_rate
    )


def _write_truth(path: Path, config: PlaygroundConfig, plan: VideoPlan) -> None:
    from safetensors.numpy import save

    from untrimmed.data.playground.truth import video_truth

    arrays, words = video_truth(plan, config)
    with replacing(path) as part:
        part.write_bytes(save(arrays, metadata=words))


def _annotate(folder: Path, config: PlaygroundConfig, plans: list[VideoPlan]) -> None:
    whole = [plan for plan in plans if not plan.trimmed]
    cut = [plan for plan in plans if plan.trimmed]
    (folder / "untrimmed" / "captions").mkdir(parents=True, exist_ok=True)
    (folder / "trimmed").mkdir(exist_ok=True)
    for name, content in files.captions(whole, config).items():
        write_text(folder / "untrimmed" / "captions" / f"{name}.json", json.dumps(content, indent=1) + "\n")
    write_text(folder / "trimmed" / "clips.csv", files.clips(cut))
    write_text(folder / LAST, json.dumps(files.activitynet(whole, config), indent=1) + "\n")


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV's threads cost more than they bring on small pictures."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Callable[[str], None]]:
    if not shown or not total:
        yield lambda video_id: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("drawing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("drawing", total=total, last="")
        yield lambda video_id: bar.update(task, advance=1, last=video_id)

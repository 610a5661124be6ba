"""untrimmed extract VIDEO_OR_FOLDER... --store DIR --feature NAME: measure features of many videos into a store."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from untrimmed.cli.arguments import parse
from untrimmed.cli.video_paths import find_videos
from untrimmed.records import DataError, Video

if TYPE_CHECKING:
    from untrimmed.features.extract import ExtractReport
    from untrimmed.features.feature import Feature
    from untrimmed.features.store import FeatureStore


@dataclass(frozen=True, kw_only=True)
class _Arguments:
    """Measure features of many videos into a store. The options under "options" are those of the chosen feature.

    A run that was killed goes on where it was when it is started again. Videos that fail are listed at the end and not
    tried again without --retry. The exit code is 1 if some failed.
    """

    videos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Videos, and folders that are searched for videos."""
    store: Path = Path("store")
    """Folder of the store."""
    feature: Literal["rgb", "flow", "backbone", "audio"] = "rgb"
    """What to measure: small frames, optical flow, a net on frames or flow, log-mel patches of the sound."""
    method: Literal["tvl1", "dis", "farneback"] = "tvl1"
    """How flow is measured (for flow, and for backbone on flow)."""
    net: Literal["small", "small3d", "bninception", "c3d", "ltc", "resnet"] = "small"
    """Which net (for backbone); --options.net.* are its own options."""
    images: Literal["rgb", "flow"] = "rgb"
    """What the net looks at (for backbone)."""
    workers: int | None = None
    """Processes; by default one a core."""
    shard: str | None = None
    """i/n: only the i-th of n parts of the videos, i from 0, for many machines on one store."""
    retry: bool = False
    """Try again what failed before."""
    device: str | None = None
    """Where nets run, e.g. cuda; use it with --workers 1."""
    pack: bool = False
    """Afterwards join the measurements in one file for training."""
    status: bool = False
    """Only say what the store holds."""


def call(words: list[str]) -> int:
    """Run the command; see _Arguments."""
    return _run(parse(_class_for(words), words, command="extract"))


def _class_for(words: list[str]) -> type[_Arguments]:
    """The arguments with the options of the feature that the words choose."""
    chosen = {name: _peek(words, name) for name in ("feature", "method", "net", "images")}
    feature = _feature(**chosen)
    flat: Any = tyro.conf.AvoidSubcommands  # a union's options are those of the class chosen by the words
    arguments = make_dataclass(
        "Arguments",
        [("options", flat[type(feature)], field(default=feature))],
        bases=(_Arguments,),
        frozen=True,
        kw_only=True,
    )
    arguments.__doc__ = _Arguments.__doc__
    return arguments


def _peek(words: list[str], name: str) -> str:
    """What the words say of one option; its default where they say nothing."""
    value = str(_Arguments.__dataclass_fields__[name].default)
    for first, second in zip(words, [*words[1:], ""], strict=True):
        if first == f"--{name}":
            value = second
        elif first.startswith(f"--{name}="):
            value = first.partition("=")[2]
    return value


def _feature(feature: str, method: str, net: str, images: str) -> "Feature":
    """The chosen feature with its defaults; words that name nothing are left for the parser to refuse."""
    if feature == "audio":
        from untrimmed.features.audio import LogMel

        return LogMel()
    from untrimmed.features.images import RgbImages

    pictures = _flow(method) if "flow" in (feature, images) else RgbImages()
    if feature == "flow":
        return pictures
    if feature == "backbone":
        return _backbone(net, pictures)
    return RgbImages()


def _flow(method: str) -> Any:
    from untrimmed.features.flow.dis import Dis
    from untrimmed.features.flow.farneback import Farneback
    from untrimmed.features.flow.tvl1 import TvL1
    from untrimmed.features.images import FlowImages

    methods = {"tvl1": TvL1, "dis": Dis, "farneback": Farneback}
    return FlowImages(method=methods.get(method, TvL1)())


def _backbone(net: str, pictures: Any) -> "Feature":
    from untrimmed.features.backbone import BackboneFeature, clip_frames
    from untrimmed.nets.zoo import BnInception, C3d, Ltc, Resnet, Small3d, SmallNet

    nets = {"small": SmallNet, "small3d": Small3d, "bninception": BnInception, "c3d": C3d, "ltc": Ltc, "resnet": Resnet}
    config: Any = nets.get(net, SmallNet)()
    frames = clip_frames(config) or (1 if pictures.channels == 3 else 5)
    return BackboneFeature(net=config, images=pictures, frames=frames, stride=frames)


def _run(arguments: Any) -> int:
    from rich.console import Console

    from untrimmed.features.extract import extract
    from untrimmed.features.store import FeatureStore

    console = Console()
    store = FeatureStore(arguments.store)
    if arguments.status:
        return _status(console, store)
    if not arguments.videos:
        raise DataError("extract needs videos or folders, got none; untrimmed extract --help says more")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("untrimmed.features.extract").setLevel(logging.ERROR)  # failures are in the table below
    feature = arguments.options
    videos = _known(find_videos(arguments.videos))
    report = extract(
        [feature],
        videos,
        store=store,
        workers=arguments.workers,
        progress=console.is_terminal,
        shard=_shard(arguments.shard),
        retry=arguments.retry,
        device=arguments.device,
    )
    _summary(console, feature, report, store)
    if arguments.pack:
        ready = [video.video_id for video in videos if store.has(feature, video.video_id)]
        console.print(f"packed: {store.pack(feature, ready)}", soft_wrap=True)
    return 1 if report.failed else 0


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit()):
        raise DataError(f"shard must be i/n, e.g. 0/8, got {text!r}")
    return int(part), int(parts)


def _known(found: dict[str, Path]) -> list[Video]:
    """Records of the files with their durations; one second where a file does not tell."""
    from untrimmed.features.extract import cores
    from untrimmed.media.reader import probe

    def record(item: tuple[str, Path]) -> Video:
        video = Video(video_id=item[0], duration=1.0, path=item[1])
        try:
            return replace(video, duration=probe(item[1]).duration)
        except DataError:  # the feature itself will say why, or can do without pictures
            return video

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(record, found.items()))


def _summary(console: Any, feature: "Feature", report: "ExtractReport", store: "FeatureStore") -> None:
    from rich.table import Table
    from rich.text import Text

    counts = f"{report.done} measured, {report.present} there already, {len(report.failed)} failed"
    console.print(f"{feature.key}: {counts} (store {store.root})", soft_wrap=True, highlight=False)
    if report.failed:
        table = Table("video", "why it failed")
        for video_id, reason in report.failed.items():
            table.add_row(Text(video_id), Text(reason))  # names of strangers' files are no markup
        console.print(table)


def _status(console: Any, store: "FeatureStore") -> int:
    from rich.table import Table
    from rich.text import Text

    table = Table("feature", "videos", "hours", "MB", "failed", title=f"store {store.root}")
    for key in store.features():
        entries = store.index(key).values()
        hours = sum(entry.source_duration for entry in entries) / 3600
        megabytes = sum(entry.size for entry in entries) / 1e6
        row = (str(len(entries)), f"{hours:.2f}", f"{megabytes:.1f}", str(len(store.failures(key))))
        table.add_row(Text(key), *row)
    console.print(table)
    return 0

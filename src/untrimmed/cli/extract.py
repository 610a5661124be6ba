"""untrimmed extract VIDEO_OR_FOLDER... --store DIR --feature NAME: measure features of many videos into a store."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from untrimmed.cli.arguments import parse, peek
from untrimmed.cli.video_paths import find_videos, known
from untrimmed.records import DataError

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
    feature: Literal["rgb", "flow", "backbone", "audio", "trajectories", "keypoints", "joints"] = "rgb"
    """What to measure: small frames, optical flow, a net on frames or flow, log-mel patches of the sound, Fisher
    vectors of improved trajectories, the joints of people as rows or as confidence maps."""
    method: Literal["tvl1", "dis", "farneback"] = "tvl1"
    """How flow is measured (for flow, and for backbone on flow)."""
    net: Literal["small", "small3d", "besnet", "bninception", "c3d", "frame", "inflated", "ltc", "p3d", "resnet"] = (
        "small"
    )
    """Which net (for backbone); --options.net.* are its own options."""
    images: Literal["rgb", "flow"] = "rgb"
    """What the net looks at (for backbone)."""
    codebook: Path | None = None
    """File that untrimmed codebook wrote (for trajectories)."""
    poses: Path | None = None
    """Folder of key points that OpenPose or another program found: NAME.json or a folder NAME for each video (for
    keypoints and joints); --options.estimator.* say how they are laid out. Without it a net finds them."""
    pose: Literal["small", "torchvision", "onnx"] = "small"
    """Which net: the small one that untrimmed learn teaches, torchvision's key-point R-CNN, or that of an ONNX file
    such as RTMPose. --options.weights FILE names its file."""
    speed: Literal["published", "fast"] = "published"
    """Whose trajectories: the published program's, or DIS flow and ORB key points, about twice as fast."""
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
    fields = _Arguments.__dataclass_fields__
    names = ("feature", "method", "net", "images", "speed")
    chosen = {name: peek(words, name, str(fields[name].default)) for name in names}
    if chosen["feature"] == "trajectories":
        feature = _trajectories(words, chosen["speed"])
    elif chosen["feature"] in ("keypoints", "joints"):
        feature = _joints(chosen["feature"], peek(words, "poses", ""), peek(words, "pose", "small"))
    else:
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


def _trajectories(words: list[str], speed: str) -> "Feature":
    from untrimmed.features.trajectories.config import FAST, Trajectories
    from untrimmed.features.trajectories.encoded import TrajectoryFisher, descriptors_of

    codebook = peek(words, "codebook", "")
    if not codebook:
        raise DataError("feature trajectories needs --codebook FILE; untrimmed codebook VIDEOS learns one")
    path = Path(codebook)
    trajectories = FAST if speed == "fast" else Trajectories()
    return TrajectoryFisher(codebook=path, descriptors=descriptors_of(path), trajectories=trajectories)


def _joints(name: str, poses: str, pose: str) -> "Feature":
    from untrimmed.features.confidence_maps import ConfidenceMaps
    from untrimmed.features.key_point_files import PoseFiles
    from untrimmed.features.key_points import KeyPoints
    from untrimmed.features.onnx_pose import OnnxPose
    from untrimmed.features.pose_estimators import SmallPose, TorchvisionPose

    net = {"torchvision": TorchvisionPose, "onnx": OnnxPose}.get(pose, SmallPose)
    estimator = PoseFiles(folder=poses) if poses else net()
    return KeyPoints(estimator=estimator) if name == "keypoints" else ConfidenceMaps(estimator=estimator)


def _feature(feature: str, method: str, net: str, images: str, speed: str) -> "Feature":
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
    from untrimmed.nets import zoo

    nets = {
        "small": zoo.SmallNet,
        "small3d": zoo.Small3d,
        "besnet": zoo.BesNet,
        "bninception": zoo.BnInception,
        "c3d": zoo.C3d,
        "frame": zoo.FrameNet,
        "inflated": zoo.Inflated,
        "ltc": zoo.Ltc,
        "p3d": zoo.P3d,
        "resnet": zoo.Resnet,
    }
    config: Any = nets.get(net, zoo.SmallNet)()
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
    feature = arguments.options
    videos = known(find_videos(arguments.videos))
    with _only_mistakes("untrimmed.features.extract"):  # failures are in the table below
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


@contextmanager
def _only_mistakes(name: str) -> Iterator[None]:
    """Within, a logger says nothing below ERROR."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)

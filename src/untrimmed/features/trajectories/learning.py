"""Learn the codebook that trajectories are encoded with: a sample of many videos, its directions, its words."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from untrimmed.aggregate.codebook import Codebook, CodebookConfig, fit_codebook, to_tensors
from untrimmed.aggregate.fisher import FisherRule
from untrimmed.aggregate.reservoir import Reservoir
from untrimmed.configs import content_hash
from untrimmed.features.extract import cores, one_line
from untrimmed.features.progress import ExtractProgress
from untrimmed.features.store import FeatureStore, read_json, write_json
from untrimmed.features.trajectories.block import DESCRIPTORS
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.encoded import TrajectoryFisher, descriptor_named, rows_of
from untrimmed.features.trajectories.stream import track_video
from untrimmed.features.workers import Crash, run_tasks
from untrimmed.files import replacing
from untrimmed.records import DataError, Video

log = logging.getLogger(__name__)

EVEN_SHARES = 4
"""A video gives at most this many times the sample's even share of one video: what a worker hands over stays small."""


@dataclass(frozen=True, kw_only=True)
class TrajectoryEncoding:
    """Everything about a row of trajectories but the codebook itself, and how that one is learnt."""

    trajectories: Trajectories = field(default_factory=Trajectories)
    """What is tracked."""
    size: tuple[int, int] | None = None
    """Height and width that frames are scaled to, pixels; None tracks in the video as it is."""
    per_second: float | None = None
    """Frames a second to resample to; None tracks through every frame."""
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    """Descriptors, directions, words and samples."""
    videos_at_most: int | None = 500
    """Training videos that the sample is drawn from, themselves drawn by the codebook's seed; None takes all, as the
    paper does. 500 give 512 trajectories each, and tracking through all of ActivityNet would take weeks of a core."""
    rule: FisherRule = field(default_factory=FisherRule)
    """Signed square root and length 1, each descriptor by itself."""

    def __post_init__(self) -> None:
        if self.videos_at_most is not None and self.videos_at_most < 1:
            raise DataError(f"videos_at_most of a trajectory codebook must be at least 1, got {self.videos_at_most}")
        for name in self.codebook.descriptors:
            descriptor_named(name)

    def feature(self, codebook: Path) -> TrajectoryFisher:
        """The feature with a codebook that learn_codebook wrote."""
        return TrajectoryFisher(
            codebook=codebook,
            descriptors=tuple(descriptor_named(name) for name in self.codebook.descriptors),
            trajectories=self.trajectories,
            size=self.size,
            per_second=self.per_second,
            rule=self.rule,
        )


def learn_codebook(
    config: TrajectoryEncoding,
    videos: Sequence[Video],
    *,
    store: FeatureStore,
    workers: int | None = None,
    progress: bool = False,
) -> Path:
    """Learn directions and words from the trajectories of some videos; the file is kept in the store.

    Each video fills a sample of its own, in a process of its own, and the samples are joined: the outcome depends
    neither on the order of the videos nor on the number of processes. A video that cannot be read is logged and left
    out. What was learnt before from the same videos in the same way is taken as it is.

    Args:
        config: what and how.
        videos: of the training subset; each must have a path.
        store: where the file goes.
        workers: processes; None takes one for each core, 0 and 1 stay in this process, as does a single video.
        progress: show a line on standard error.

    Returns:
        A safetensors file, named by its content.

    Raises:
        DataError: when the videos give too few trajectories.
        RuntimeError: when worker processes cannot start.
    """
    from untrimmed.features.learned import WEIGHTS  # brings torch, which processes that only track do without

    chosen = _chosen(config, videos)
    note = store.root / WEIGHTS / f"codebook-{_meaning(config, chosen)}.json"
    if note.is_file() and (known := note.parent / str(read_json(note))).is_file():
        return known
    wanted = config.codebook.samples
    sample = _Sampling(config, min(wanted, max(1, EVEN_SHARES * wanted // max(1, len(chosen)))))
    joined = _empty(config.codebook, wanted, seed=0)
    failed = 0
    with ExtractProgress(len(chosen), sum(video.duration for video in chosen), shown=progress) as line:
        for video, outcome in _outcomes(sample, chosen, workers):
            if isinstance(outcome, str):
                failed += 1
                log.warning("video %s is left out of the codebook: %s", video.video_id, outcome)
            else:
                for name, reservoir in outcome.items():
                    joined[name].join(reservoir)
            line.advance(video.duration, failed=failed)
    codebook = fit_codebook({name: reservoir.sample() for name, reservoir in joined.items()}, config.codebook)
    kept = keep_codebook(codebook, store.root / WEIGHTS)
    write_json(note, kept.name)
    return kept


def keep_codebook(codebook: Codebook, folder: Path) -> Path:
    """Write a codebook under the hash of its bytes; the file appears complete or not at all."""
    from safetensors.numpy import save

    data = save(to_tensors(codebook))
    path = folder / f"{sha256(data).hexdigest()[:24]}.safetensors"
    with replacing(path) as part:
        part.write_bytes(data)
    return path


@dataclass(frozen=True)
class _Sampling:
    """What a worker does with one video; crosses the border of processes."""

    config: TrajectoryEncoding
    size: int

    def __call__(self, video: Video) -> dict[str, Reservoir] | str:
        """Samples by descriptor, of the same trajectories; the reason if the video fails."""
        if video.path is None:
            return "it has no file"
        config = self.config
        found = _empty(config.codebook, self.size, seed=_seed(config.codebook.seed, video.video_id))
        try:
            for block in track_video(video.path, config.trajectories, size=config.size, per_second=config.per_second):
                for name, reservoir in found.items():
                    reservoir.add(rows_of(block, name))
        except Exception as error:  # one video must not cost the work of all others
            if not isinstance(error, DataError):
                log.exception("trajectories of video %s", video.video_id)
            return one_line(str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}")
        return found


def _outcomes(
    sample: _Sampling, videos: list[Video], workers: int | None
) -> Iterator[tuple[Video, dict[str, Reservoir] | str]]:
    count = cores() if workers is None else workers
    if count <= 1 or (workers is None and len(videos) == 1):
        yield from ((video, sample(video)) for video in videos)
        return
    for video, outcome in run_tasks(sample, videos, workers=count):
        yield video, outcome.reason if isinstance(outcome, Crash) else outcome


def _empty(config: CodebookConfig, size: int, *, seed: int) -> dict[str, Reservoir]:
    return {name: Reservoir(size, DESCRIPTORS[descriptor_named(name)], seed=seed) for name in config.descriptors}


def _chosen(config: TrajectoryEncoding, videos: Sequence[Video]) -> list[Video]:
    """The videos with the least hashes, so that the order of the videos does not matter; the longest first."""
    drawn = sorted(videos, key=lambda video: _seed(config.codebook.seed, video.video_id))[: config.videos_at_most]
    return sorted(drawn, key=lambda video: (-video.duration, video.video_id))


def _meaning(config: TrajectoryEncoding, videos: Sequence[Video]) -> str:
    """A hash of what is learnt from which files."""
    sizes = [
        [video.video_id, video.path.stat().st_size if video.path is not None and video.path.is_file() else -1]
        for video in videos
    ]
    return sha256(json.dumps([content_hash(config), sizes]).encode()).hexdigest()[:24]


def _seed(seed: int, video_id: str) -> int:
    return int.from_bytes(sha256(f"{seed} {video_id}".encode()).digest()[:8], "big")

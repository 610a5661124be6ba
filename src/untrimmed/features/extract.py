"""Measure features of many videos into a store: on all cores, past every bad video, resumed after every kill."""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from untrimmed.features.feature import Feature
from untrimmed.features.progress import ExtractProgress
from untrimmed.features.store import FeatureStore
from untrimmed.features.workers import Crash, run_tasks
from untrimmed.records import DataError, MissingExtra, NotTrained, Video

logger = logging.getLogger(__name__)

STORE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What is no video's fault: a full or read-only disk ends the extraction."""


@dataclass(frozen=True, kw_only=True)
class ExtractReport:
    """What an extraction did.

    Attributes:
        done: videos of which something was measured and nothing failed.
        present: videos of which everything was there already.
        failed: reasons by video_id, in the order of the videos.
    """

    done: int
    present: int
    failed: dict[str, str] = field(default_factory=dict)


def extract(
    features: Sequence[Feature],
    videos: Sequence[Video],
    *,
    store: FeatureStore,
    workers: int | None = None,
    progress: bool = False,
    shard: tuple[int, int] | None = None,
    retry: bool = False,
    device: str | None = None,
) -> ExtractReport:
    """Measure what the store lacks.

    Each video is one task of one process on one thread, the longest first. What a feature is measured from is
    measured and stored first. A video that fails is remembered with its reason and not tried again unasked. A run that
    was killed, however, goes on where it was when it is started again.

    Args:
        features: what to measure.
        videos: of which; each must have a path.
        store: where to.
        workers: processes; None takes one for each core, 0 and 1 stay in this process (then a decoder that crashes
            takes it along), as does a single video under None: a process takes seconds to start.
        progress: show a line on standard error.
        shard: (i, n): only the i-th of n parts, i from 0; parts follow from the video_id alone, so that n machines
            share the work without speaking.
        retry: try again what failed before.
        device: where nets run, e.g. "cuda"; None leaves torch's default. Use one worker on a GPU.

    Returns:
        What was done, and which videos failed and why.

    Raises:
        DataError: when a video_id appears twice, the shard makes no sense, or the store cannot be written.
        MissingExtra: when a feature needs what is not installed.
        RuntimeError: when worker processes cannot start.
    """
    chosen = sharded(videos, shard)
    _check_ids(chosen)
    for feature in all_features(features):
        store.clean(feature)
    job = _Job(store.root, tuple(features), retry, device)
    failed: dict[str, str] = {}
    tasks = []
    for video in chosen:
        reason = None if retry else job.known_failure(video)
        if video.path is None:
            failed[video.video_id] = "it has no file"
        elif reason is not None:
            failed[video.video_id] = reason
        elif job.lacks(video):
            tasks.append(video)
    present = len(chosen) - len(tasks) - len(failed)
    tasks.sort(key=lambda video: -video.duration)
    with ExtractProgress(len(tasks), sum(video.duration for video in tasks), shown=progress) as line:
        for video, reason in _outcomes(job, tasks, workers):
            if reason is not None:
                failed[video.video_id] = reason
                logger.warning("video %s failed: %s", video.video_id, reason)
            line.advance(video.duration, failed=len(failed))
    known = {video.video_id for video in tasks}
    order = [video.video_id for video in chosen if video.video_id in failed]
    return ExtractReport(
        done=len(known - set(failed)), present=present, failed={video_id: failed[video_id] for video_id in order}
    )


def sharded(videos: Sequence[Video], shard: tuple[int, int] | None) -> list[Video]:
    """The i-th of n parts of some videos, by a hash of the video_id.

    Raises:
        DataError: unless 0 <= i < n.
    """
    if shard is None:
        return list(videos)
    part, parts = shard
    if not 0 <= part < parts:
        raise DataError(f"shard must be i/n with 0 <= i < n, got {part}/{parts}")
    return [video for video in videos if int(sha256(video.video_id.encode()).hexdigest(), 16) % parts == part]


def all_features(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """Features and what they are measured from, each once, what is needed first."""
    found: dict[Feature, None] = {}

    def add(feature: Feature) -> None:
        for needed in feature.requires:
            add(needed)
        found.setdefault(feature)

    for feature in features:
        add(feature)
    return tuple(found)


@dataclass(frozen=True)
class _Job:
    """What a worker does with one video; crosses the border of processes."""

    root: Path
    features: tuple[Feature, ...]
    retry: bool
    device: str | None

    def __call__(self, video: Video) -> str | None:
        """Measure what is lacking; the reason if it fails."""
        store = FeatureStore(self.root)
        reasons = {}
        with _running_on(self.device):
            for feature in self.features:
                try:
                    self._measure(store, feature, video)
                except DataError as error:
                    reasons[feature.key] = str(error)
        if not reasons:
            return None
        first = next(iter(reasons.values()))
        return first if len(reasons) == 1 or len(set(reasons.values())) == 1 else "; ".join(reasons.values())

    def _measure(self, store: FeatureStore, feature: Feature, video: Video) -> None:
        """Measure a feature and first what it needs.

        Raises:
            DataError: when it cannot be measured, now or before; the store knows why.
        """
        assert video.path is not None
        if self._sound(store, feature, video):
            return
        reason = None if self.retry else store.failure(feature, video.video_id, source=video.path)
        if reason is not None:
            raise DataError(reason)
        try:
            for needed in feature.requires:
                self._measure(store, needed, video)
            given = {needed: store.load(needed, video.video_id) for needed in feature.requires}
            rows = feature.rows(video.path, given)
            store.write(feature, video.video_id, rows, source=video.path, duration=video.duration)
        except (NotTrained, MissingExtra):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in STORE_ERRORS:
                raise
            if not isinstance(error, DataError):
                logger.exception("feature %s of video %s", feature.key, video.video_id)
            text = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
            store.write_failure(feature, video.video_id, one_line(text), source=video.path)
            raise DataError(one_line(text)) from error

    def lacks(self, video: Video) -> bool:
        """Whether there is anything to measure."""
        store = FeatureStore(self.root)
        return not all(self._sound(store, feature, video) for feature in self.features)

    def known_failure(self, video: Video) -> str | None:
        """Why the video failed before; None if it did not, or if its file has come or changed since."""
        store = FeatureStore(self.root)
        for feature in self.features:
            reason = store.failure(feature, video.video_id, source=video.path)
            if reason is not None and not self._sound(store, feature, video):
                return reason
        return None

    def crashed(self, video: Video, reason: str) -> None:
        """Remember a video whose process died: under the feature that was being measured, and those that need it."""
        store = FeatureStore(self.root)
        for feature in self.features:
            for part in all_features([feature]):
                if not self._sound(store, part, video):
                    store.write_failure(part, video.video_id, reason, source=video.path)
                    store.write_failure(feature, video.video_id, reason, source=video.path)
                    return

    @staticmethod
    def _sound(store: FeatureStore, feature: Feature, video: Video) -> bool:
        try:
            return store.has(feature, video.video_id, source=video.path)
        except DataError:  # a damaged file is measured again
            return False


def one_line(text: str) -> str:
    """Text without line breaks, 500 characters at most."""
    return " ".join(text.split())[:500]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _running_on(device: str | None) -> AbstractContextManager[object]:
    if device is None:
        return nullcontext()
    import torch  # features without a net do not wait for it

    return torch.device(device)


def _outcomes(job: _Job, tasks: list[Video], workers: int | None) -> Iterator[tuple[Video, str | None]]:
    count = cores() if workers is None else workers
    try:
        if (workers is None and len(tasks) == 1) or (workers is not None and workers <= 1):
            for video in tasks:
                yield video, job(video)
            return
        for video, outcome in run_tasks(job, tasks, workers=count):
            if isinstance(outcome, Crash):
                job.crashed(video, outcome.reason)
                yield video, outcome.reason
            else:
                yield video, outcome
    except OSError as error:
        if error.errno not in STORE_ERRORS:
            raise
        raise DataError(f"the store {job.root} cannot be written: {error.strerror}") from error


def _check_ids(videos: Sequence[Video]) -> None:
    seen: set[str] = set()
    for video in videos:
        if video.video_id in seen:
            raise DataError(f"video_id {video.video_id} appears twice among the videos to extract")
        seen.add(video.video_id)

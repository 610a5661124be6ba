"""What systems 08 and 21 share: structured segment networks on rows of steps, from regions to detections."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.configs import content_hash
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature
from untrimmed.features.joint_rows import JointRows, fit_joint_rows
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.ssn_regions import AnyRegions, RegionFinder, fit_regions, person_rows
from untrimmed.features.store import FeatureStore
from untrimmed.localize.ssn_samples import SampleRule
from untrimmed.nets.backbone import fill
from untrimmed.nets.ssn import AnySsn, SsnConfig, SsnNet, UnifiedNet
from untrimmed.nets.ssn_items import Regions, SsnItems
from untrimmed.nets.ssn_loss import ssn_loss
from untrimmed.nets.ssn_scores import Scoring, class_scores, score_regions
from untrimmed.propose.anchors import decode
from untrimmed.propose.suppress import HardNms, Rule, suppress
from untrimmed.records import ClassScores, DataError, Dataset, Detection, Prediction, Proposal, Video
from untrimmed.timeline import clip_segments
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

OPEN_VIDEOS = 256
"""Training videos whose rows are kept at hand."""
STEEPEST = 4.0
"""Logarithm of the length that a regressed segment may differ by, so that a net gone astray gives finite segments."""


@dataclass(frozen=True, kw_only=True)
class StructuredConfig:
    """Structured segment networks, from regions to detections."""

    sources: tuple[SequenceSource, ...]
    """Rows of the steps, side by side."""
    regions: AnyRegions
    """The proposals."""
    nets: tuple[AnySsn, ...] = field(default_factory=lambda: (SsnConfig(),))
    """The networks, each trained by itself."""
    net_weights: tuple[float, ...] = (1.0,)
    """Of their scores and offsets in the answer; 0 leaves a net out."""
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            epochs=70, batch_size=16, learning_rate=1e-3, weight_decay=5e-4, milestones=(30, 60)
        )
    )
    """Of each net: 7 epochs that each count ten times, the rate divided by ten after 3 and 6; the released program."""
    samples: SampleRule = field(default_factory=SampleRule)
    """What is drawn of a video."""
    people: int = 1
    """Blocks that the last source's columns are cut into, one a person; 1 leaves them whole."""
    scoring: Scoring = "foreground"
    """How a region is scored; the released program has all three."""
    best_pairs: int | None = 60
    """Pairs of region and class that enter suppression, the best of a video; the released program for ActivityNet."""
    video_classes: int | None = None
    """Only so many of the video's best classes are looked for, if it has class scores; None looks for all."""
    suppression: Rule = field(default_factory=lambda: HardNms(tiou=0.6, per_class=True))
    """Among detections of a class; 0.6 in the released program for ActivityNet, 0.2 for THUMOS'14."""
    regression: Literal["after", "before", "none"] = "after"
    """Whether segments are moved after suppression (the released program), before it, or not at all."""

    def __post_init__(self) -> None:
        good = len(self.nets) == len(self.net_weights) and sum(self.net_weights) > 0 and min(self.net_weights) >= 0
        if not good or not self.sources or self.people < 1:
            raise DataError(
                "a structured segment network needs sources, people >= 1 and a weight >= 0 a net, not all 0, got "
                f"{len(self.sources)} sources, {self.people} people, {len(self.nets)} nets and {self.net_weights}"
            )


@dataclass(frozen=True, eq=False)
class Judged:
    """What the nets say of the regions of a video.

    Attributes:
        segments: regions, seconds; one may be there for several people.
        scores: of every class.
        offsets: shift of the centre and logarithm of the length for every class.
    """

    segments: Float[np.ndarray, "n 2"]
    scores: Float[np.ndarray, "n classes"]
    offsets: Float[np.ndarray, "n classes 2"]


@dataclass(frozen=True, eq=False)
class Structured:
    """Networks that are trained; another configuration of what happens at test may be put in by `replace`."""

    config: StructuredConfig
    labels: tuple[str, ...]
    rows: JointRows
    finder: RegionFinder
    nets: tuple[SsnNet | UnifiedNet, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is measured into the store for them."""
        return tuple(dict.fromkeys([*self.rows.features, *self.finder.features]))

    def ready(self, videos: Sequence[Video], *, store: FeatureStore, progress: bool = False) -> list[Video]:
        """Measure what the store lacks; the videos that can be judged, in order. The others are logged."""
        return _ready(self.rows, self.finder, videos, store=store, progress=progress)

    def judged(self, video: Video, *, store: FeatureStore) -> Judged:
        """Scores and offsets of a video's regions: the weighted mean over the nets."""
        rows = person_rows(self.rows, video, people=self.config.people, store=store)
        segments = self.finder(video, store=store)
        region, person = rows.judges(segments)
        total = sum(self.config.net_weights)
        scores = np.zeros((len(region), len(self.labels)))
        offsets = np.zeros((len(region), len(self.labels), 2))
        for net, weight in zip(self.nets, self.config.net_weights, strict=True):
            for number in np.unique(person) if weight else ():
                own = person == number
                said = score_regions(net, rows.values[number], rows.grid, segments[region[own]], video.duration)
                scores[own] += weight / total * class_scores(said, self.config.scoring)
                offsets[own] += weight / total * net.shifts(said.offsets).double().cpu().numpy()
        return Judged(segments[region], scores, offsets)

    def detections(self, video: Video, judged: Judged, *, classes: ClassScores | None = None) -> tuple[Detection, ...]:
        """From what is judged to detections in falling score.

        Args:
            video: whose.
            judged: its regions.
            classes: of the video; they choose what is looked for if the configuration says so.
        """
        config, scores = self.config, judged.scores
        region, label = (axis.ravel() for axis in np.indices(scores.shape))
        if config.video_classes is not None and classes is not None:
            wanted = [name for name, _ in classes.best(config.video_classes)]
            looked_for = np.isin(label, [number for number, name in enumerate(self.labels) if name in wanted])
            region, label = region[looked_for], label[looked_for]
        best = np.argsort(-scores[region, label], kind="stable")[: config.best_pairs]
        region, label = region[best], label[best]
        segments, values, offsets = judged.segments[region], scores[region, label], judged.offsets[region, label]
        moved = decode(segments, np.clip(offsets, -STEEPEST, STEEPEST))
        if config.regression == "before":
            segments = moved
        kept = suppress(segments, values, config.suppression, labels=label, duration=video.duration)
        final = moved[kept.indices] if config.regression == "after" else kept.segments
        clipped, there = clip_segments(final, video.duration)
        return tuple(
            Detection((float(start), float(end)), float(kept.scores[i]), self.labels[label[kept.indices[i]]])
            for (start, end), i in zip(clipped, there.tolist(), strict=True)
        )

    def added(self, answer: Prediction, *, store: FeatureStore) -> Prediction:
        """What is said of a video, with its proposals and detections."""
        judged = self.judged(answer.video, store=store)
        detections = self.detections(answer.video, judged, classes=answer.classes)
        return replace(answer, proposals=self.proposals(judged), detections=detections)

    def proposals(self, judged: Judged) -> tuple[Proposal, ...]:
        """The regions under the score of their best class, in falling score; each once, whoever is there."""
        order = np.argsort(-judged.scores.max(axis=1), kind="stable")
        found: dict[tuple[float, float], float] = {}
        for place in order.tolist():
            start, end = judged.segments[place].tolist()
            found.setdefault((start, end), float(judged.scores[place].max()))
        return tuple(Proposal(segment, score) for segment, score in found.items())

    def tables(self) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps."""
        nets = {f"ssn-{number}": net.state_dict() for number, net in enumerate(self.nets)}
        return {**self.rows.tables("ssn-rows"), **self.finder.tables("ssn-actionness"), **nets}


def restore_structured(
    config: StructuredConfig, labels: tuple[str, ...], tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path
) -> Structured:
    """What Structured.tables kept.

    Raises:
        DataError: when a table is missing or does not fit.
    """
    nets = []
    for number, one in enumerate(config.nets):
        name = f"ssn-{number}"
        if "norm.weight" not in tables.get(name, {}):
            raise DataError(f"{folder} must hold the weights {name}.safetensors of a structured segment network")
        net = one.build(len(tables[name]["norm.weight"]), len(labels))
        fill(net, tables[name], where=folder / f"{name}.safetensors")
        nets.append(net.eval())
    rows = JointRows.restore(config.sources, tables, folder=folder, name="ssn-rows")
    finder = RegionFinder.restore(config.regions, tables, folder=folder, name="ssn-actionness")
    return Structured(config, labels, rows, finder, tuple(nets))


def fit_structured(config: StructuredConfig, dataset: Dataset, *, store: FeatureStore, run: Run) -> Structured:
    """Make the rows ready, find the regions of the annotated training videos, and train every net on them.

    Raises:
        DataError: when no untrimmed training video is annotated.
    """
    known = {a.video.video_id: a for a in dataset.subset("training").annotations if a.instances}
    if not known or dataset.trimmed:
        raise DataError(
            "structured segment networks learn from segments of untrimmed videos, but training videos of "
            f"{dataset.name} have none"
        )
    rows = fit_joint_rows(config.sources, dataset, store=store, run=run)
    finder = fit_regions(config.regions, dataset, store=store, run=run)
    there = _ready(rows, finder, [a.video for a in known.values()], store=store, progress=run.progress)
    read = lru_cache(maxsize=OPEN_VIDEOS)(
        lambda video_id: person_rows(rows, known[video_id].video, people=config.people, store=store)
    )
    index = {label: number for number, label in enumerate(dataset.labels)}
    videos = []
    for video in there:
        instances = known[video.video_id].instances
        segments = np.array([item.segment for item in instances], dtype=np.float64)
        labels = np.array([index[item.label] for item in instances], np.int64)
        found, given = finder(video, store=store), read(video.video_id)
        region, person = given.judges(found)
        owner, people = given.judges(segments)
        videos.append(
            Regions(
                video.video_id,
                video.duration,
                np.concatenate([found[region], segments[owner]]),
                np.concatenate([person, people]),
                segments,
                labels,
                own=len(region),
            )
        )
    nets = []
    for one in config.nets:
        items = SsnItems(
            lambda video_id, who: (read(video_id).values[who], read(video_id).grid), videos, one, config.samples
        )
        items.check()
        torch.manual_seed(run.seed)
        net = one.build(read(there[0].video_id).values.shape[2], len(dataset.labels))
        items.standardise(net)
        learnt = (config.sources, config.regions, config.people, config.samples, one, config.schedule)
        fit(net, items, ssn_loss, schedule=config.schedule, run=run, name=f"ssn-{content_hash(learnt)}")
        nets.append(net)
    return Structured(config, dataset.labels, rows, finder, tuple(nets))


def _ready(
    rows: JointRows, finder: RegionFinder, videos: Sequence[Video], *, store: FeatureStore, progress: bool = False
) -> list[Video]:
    there = rows.ready(videos, store=store, progress=progress)
    if finder.features and there:
        extract(finder.features, there, store=store, progress=progress)
    lacking = [v for v in there if not all(store.has(feature, v.video_id) for feature in finder.features)]
    for video in lacking:
        log.warning("video %s is left out: its actionness could not be measured", video.video_id)
    return [video for video in there if video not in lacking]

"""09: offset regression and dynamic programming (untrimmed classification, rank 3: 18.8; recognition; localization).

Source: report 09 of the ActivityNet Challenge 2017 (`papers/09-offset-regression-dynamic-programming.txt`).

Recipe:
    frames at 24 a second, to [-1, 1]         -> Inception-v3 -> classes, and the offsets of the action's ends
    Farneback flow as pictures (fx, fy, |f|)  -> Inception-v3 -> classes
    0.55 * appearance + 0.45 * flow at each frame -> the mean of each class's best half of the frames -> class scores
    scores of the winning class at all frames -> binary labelling by dynamic programming -> stretches of activity
    the 5 stretches of the highest mean, times the class's score -> detections

Published: ActivityNet 1.3 validation, top-1 error: appearance 21.8 with offsets, 22.7 without, flow 33.1, fused 19.8
(test 18.8); Kinetics validation, average error: appearance 22.0, flow 34.9, fused 21.6 (test 22.7); localization, mAP
at 0.5/0.95/average: labelling 35.5/1.4/19.9, the whole video 33.2/4.5/21.7 (test, whole video, 22.5).

Finding: offsets help classification a little, flow more; labelling wins at tIoU 0.5, the whole video at 0.95 and on
average.

Choices:
    - The report's Inception-v3 has no batch normalisation and a feature of 1,024. No weights of such a net are
      published; the library's is taken, with batch normalisation and 2,048.
    - "The shortest image dimension has a size of 340 pixels": pictures of one data set are all 340 x 453 here. Crops of
      299 are drawn from the corners and the middle; at test the middle seven eighths (297) are scaled to 299.
    - Pictures of flow are not mirrored, since fx would have to change its sign.
    - In what offsets are told and how much they weigh is not said; see `nets.offset_regression`. The layer that gives
      them serves training alone: the report uses the class scores only. Clips of trimmed data sets have no offsets.
    - The report's equation 1 gains the score at every frame, whatever its label, so that it would never switch; a zero
      level is needed, and lambda and alpha are one number. Both are chosen on the validation videos (on the training
      videos, where there are none) by average mAP. The cost is in seconds, see `propose.labelling.Labelling`.
    - A video without a stretch gets itself as the only one. The whole-video baseline is scored alike: its mean times
      the class's score.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from jaxtyping import Float
from safetensors.torch import load_file

from untrimmed.columns import ground_truth_of, predictions_of
from untrimmed.configs import content_hash, from_plain, to_plain
from untrimmed.evaluate import localization
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature, FeatureSequence
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.flow_pictures import PolarFlow
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.joined import join
from untrimmed.features.laptop_streams import FLOW, RGB_TSN
from untrimmed.features.learned import StreamFeature, keep_weights, learn_feature
from untrimmed.features.offset_frames import fit_offset_stream
from untrimmed.features.sequences import Sequences, ready
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, training_name
from untrimmed.features.vectors import class_members
from untrimmed.fuse.search import figure_of
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.offset_regression import OffsetConfig
from untrimmed.propose.labelling import Labelling, active_runs, top_mean
from untrimmed.records import ClassScores, DataError, Dataset, Detection, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import TimeGrid
from untrimmed.train import Run, Schedule

STREAMS = ("appearance", "motion")

_APPEARANCE = Stream(
    net=FrameNet(net="inception_v3", weights="imagenet"),
    images=RgbImages(size=(340, 453), per_second=24),
    sampling=Sampling(sections=1, frames=1),
    augmentation=Augmentation(scales=(0.88,)),
    schedule=Schedule(steps=20000, batch_size=64, learning_rate=1e-3, momentum=0.9, milestones=(12000, 18000)),
    views=TestViews(ten_crop=False),
)
_MOTION = replace(
    _APPEARANCE,
    images=PolarFlow(
        flow=FlowImages(size=(340, 453), per_second=24, method=Farneback(), compensated=False), layout="xy-magnitude"
    ),
    augmentation=Augmentation(scales=(0.88,), flips=False),
)


@dataclass(frozen=True, kw_only=True)
class OffsetsAndLabellingConfig:
    """Configuration of system 09."""

    appearance: Stream = _APPEARANCE
    """Inception-v3 on single frames, from ImageNet for Kinetics and from Kinetics (a file as its net's weights) for
    ActivityNet; sections 2.1, 2.2 and 3. The schedule is not said."""
    motion: Stream = _MOTION
    """Inception-v3 on pictures of flow, likewise."""
    offsets: OffsetConfig | None = OffsetConfig()  # noqa: RUF009
    """The appearance stream's second task, on untrimmed videos; section 2.2. None leaves it: A-dagger of table b."""
    stride: int = 1
    """Pictures from one scored frame to the next at test; every one in the paper."""
    appearance_weight: float | None = 0.55
    """Of the appearance stream's scores, the rest is the motion stream's; section 2.3. None searches it in steps of
    0.05 on the validation videos, as the report did."""
    top_share: float = 0.5
    """A class's score is its mean over the best k = share * T frames; section 2.3."""
    labelling: Labelling | None = None
    """Zero level and switching cost of the dynamic programme; section 2.4. The report gives neither: None chooses
    them on the validation videos among those of the next two fields."""
    zero_levels: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    """Shares of the mean over the best half of the curve; the paper does not say."""
    switch_costs_seconds: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    """The paper does not say."""
    labelled: bool = True
    """False makes the whole video the one detection: "Without DP" of table c."""
    proposal_count: int = 5
    """Stretches that become detections; section 2.4."""

    def __post_init__(self) -> None:
        weight = self.appearance_weight
        if not (0 < self.top_share <= 1 and self.proposal_count >= 1 and (weight is None or 0 <= weight <= 1)):
            raise DataError(
                "system 09 needs a top_share in (0, 1], proposals >= 1 and a weight in [0, 1], "
                f"got {self.top_share}, {self.proposal_count} and {weight}"
            )
        if self.labelling is None and not (self.zero_levels and self.switch_costs_seconds):
            raise DataError("system 09 needs a labelling, or zero levels and switching costs to choose one from")

    def sight(self, name: str) -> StreamFeature:
        """One of STREAMS as a feature."""
        stream = self.appearance if name == "appearance" else self.motion
        return StreamFeature(stream=stream, stride=self.stride, learn=True)


@dataclass(frozen=True, eq=False)
class _Winner:
    """The best class of a video, its score there and at every frame."""

    label: str
    score: float
    curve: Float[np.ndarray, " steps"]
    grid: TimeGrid


class OffsetsAndLabelling(System[OffsetsAndLabellingConfig]):
    """System 09."""

    number: ClassVar[int] = 9
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION, Task.RECOGNITION, Task.LOCALIZATION})

    _features: tuple[BackboneFeature, ...] = ()
    _labels: tuple[str, ...]
    _trimmed: bool
    _weight: float
    _labelling: Labelling

    def features(self) -> tuple[Feature, ...]:
        """The frame scores of the two streams."""
        return self._fitted()

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the streams; the validation videos choose what the configuration leaves open."""
        if not any(a.instances for a in dataset.subset("training").annotations):
            raise DataError(f"system 09 learns classes of videos, but training videos of {dataset.name} have none")
        features = tuple(self._learned(name, dataset, store=store, run=run) for name in STREAMS)
        self._features, self._labels, self._trimmed = features, dataset.labels, dataset.trimmed
        self._weight = 0.5 if self.config.appearance_weight is None else self.config.appearance_weight
        self._labelling = self.config.labelling or Labelling()
        subset = "validation" if any(a.instances for a in dataset.subset("validation").annotations) else "training"
        known = [a.video for a in dataset.subset(subset).annotations if a.instances]
        if self.config.appearance_weight is None:
            self._weight = self._best_weight(dataset, self._ready(known, store, run), store)
        if self.config.labelling is None and not dataset.trimmed:
            self._labelling = self._best_labelling(dataset, subset, self._ready(known, store, run), store)

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Scores of all classes, and the best one's stretches where the system has learnt from untrimmed videos."""
        for video in ready([Sequences(feature) for feature in self._fitted()], videos, store=store):
            frames = self.frame_scores(video, store=store)
            classes = self.class_scores(frames)
            found = None if self._trimmed else self.detections(video, frames, labelled=self.config.labelled)
            yield Prediction(video=video, classes=classes, detections=found)

    def frame_scores(self, video: Video, *, store: FeatureStore, weight: float | None = None) -> FeatureSequence:
        """Fused scores of the classes at every frame of a video whose features are in the store.

        Args:
            video: which.
            store: of features.
            weight: of the appearance stream, in [0, 1]; the system's own by default. 1 and 0 are the streams alone.
        """
        both = join([Sequences(feature)(video, store=store) for feature in self._fitted()])
        appearance, motion = np.split(both.values.astype(np.float64), 2, axis=1)
        used = self._weight if weight is None else weight
        return FeatureSequence(used * appearance + (1 - used) * motion, both.grid)

    def class_scores(self, frames: FeatureSequence) -> ClassScores:
        """Of a video from those of its frames."""
        scores = top_mean(frames.values, self.config.top_share)
        return ClassScores(dict(zip(self._labels, scores.tolist(), strict=True)))

    def detections(self, video: Video, frames: FeatureSequence, *, labelled: bool = True) -> tuple[Detection, ...]:
        """The best class on its stretches, or on the whole video, each scored by mean of the frames * class score.

        Args:
            video: which.
            frames: its fused scores.
            labelled: by dynamic programming; False takes the whole video.
        """
        return self._placed(video, self._winner(frames), self._labelling if labelled else None)

    def save(self, folder: Path) -> None:
        """Configuration, labels, what validation chose, and the weights of both nets."""
        features = self._fitted()
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            tensors={
                name: load_file(feature.weights)
                for name, feature in zip(STREAMS, features, strict=True)
                if feature.weights is not None
            },
            extra={
                "labels": list(self._labels),
                "trimmed": self._trimmed,
                "appearance_weight": self._weight,
                "labelling": to_plain(self._labelling),
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote; its features take their nets' weights from the folder."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=OffsetsAndLabellingConfig)
        system, where = cls(config), folder / "config.json"
        weight = extra.get("appearance_weight")
        if set(tables) != set(STREAMS) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise DataError(
                f"{folder} must hold the nets {', '.join(STREAMS)} and a weight in [0, 1], got {sorted(tables)} "
                f"and {weight}"
            )
        system._labels, system._trimmed, system._weight = labels_of(extra, where=where), bool(extra["trimmed"]), weight
        system._labelling = from_plain(Labelling, extra.get("labelling"), where=f"{where}: labelling")
        system._features = tuple(
            replace(config.sight(name).feature(folder / f"{name}.safetensors"), output="scores") for name in STREAMS
        )
        return system

    def _learned(self, name: str, dataset: Dataset, *, store: FeatureStore, run: Run) -> BackboneFeature:
        sight, offsets = self.config.sight(name), self.config.offsets
        if name != "appearance" or offsets is None or dataset.trimmed:
            learnt = learn_feature(sight, dataset, store=store, run=run, name=training_name(sight.stream))
            return replace(learnt, output="scores")
        training = [a.video for a in dataset.subset("training").annotations if a.instances]
        extract((sight.stream.images,), training, store=store, progress=run.progress)
        name = f"offsets-{content_hash((sight.stream, offsets))}"
        backbone = fit_offset_stream(sight.stream, offsets, dataset, store=store, run=run, name=name)
        return replace(sight.feature(keep_weights(backbone, store)), output="scores")

    def _best_weight(self, dataset: Dataset, videos: Sequence[Video], store: FeatureStore) -> float:
        """The weight of the highest hit@1, among equals the one nearest to one half."""
        weights = np.linspace(0, 1, 21)
        scores = np.zeros((len(weights), len(videos), len(self._labels)))
        for place, video in enumerate(videos):
            appearance, motion = (self.frame_scores(video, store=store, weight=w).values for w in (1.0, 0.0))
            for number, weight in enumerate(weights):
                scores[number, place] = top_mean(weight * appearance + (1 - weight) * motion, self.config.top_share)
        members = class_members(dataset, videos)
        figures = [figure_of(table, members, "hit@1") for table in scores]
        return float(max(zip(figures, -np.abs(weights - 0.5), weights, strict=True))[2])

    def _best_labelling(self, dataset: Dataset, subset: str, videos: Sequence[Video], store: FeatureStore) -> Labelling:
        """The zero level and cost of the highest average mAP, among equals the first."""
        truth = ground_truth_of(dataset, subset)
        winners = [self._winner(self.frame_scores(video, store=store)) for video in videos]
        best, chosen = -1.0, Labelling()
        for level, cost in product(self.config.zero_levels, self.config.switch_costs_seconds):
            rule = Labelling(zero_level=level, switch_cost_seconds=cost)
            said = [
                Prediction(video=video, detections=self._placed(video, winner, rule))
                for video, winner in zip(videos, winners, strict=True)
            ]
            found = localization.evaluate(truth, predictions_of(said, Task.LOCALIZATION), ignore_unknown=True)
            if found.average_map > best:
                best, chosen = found.average_map, rule
        return chosen

    def _winner(self, frames: FeatureSequence) -> _Winner:
        scores = top_mean(frames.values, self.config.top_share)
        best = int(scores.argmax())
        curve = frames.values[:, best].astype(np.float64)
        return _Winner(self._labels[best], float(scores[best]), curve, frames.grid)

    def _placed(self, video: Video, winner: _Winner, rule: Labelling | None) -> tuple[Detection, ...]:
        pieces = [([0.0, video.duration], float(winner.curve.mean()))]
        if rule is not None:
            found = active_runs(winner.curve, winner.grid, video.duration, rule)
            stretches = list(zip(found.segments.tolist(), found.scores.tolist(), strict=True))
            pieces = stretches[: self.config.proposal_count] or pieces
        return tuple(Detection((start, end), winner.score * mean, winner.label) for (start, end), mean in pieces)

    def _ready(self, videos: Sequence[Video], store: FeatureStore, run: Run) -> list[Video]:
        return ready([Sequences(feature) for feature in self._fitted()], videos, store=store, progress=run.progress)

    def _fitted(self) -> tuple[BackboneFeature, ...]:
        if not self._features:
            raise NotTrained("system 09 (offsets and labelling) must be fitted or loaded first")
        return self._features


_SMALL = replace(RGB_TSN, sampling=Sampling(sections=1, frames=1), schedule=replace(RGB_TSN.schedule, batch_size=96))

LAPTOP = OffsetsAndLabellingConfig(
    appearance=_SMALL,
    motion=replace(
        _SMALL,
        images=PolarFlow(flow=FLOW, layout="xy-magnitude", bound=8.0),
        augmentation=Augmentation(flips=False),
    ),
    stride=4,
    appearance_weight=None,
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow, narrow nets, a score every third of a
second; the weight is searched, since that of the report's nets is theirs."""

"""19: Prop-SSAD refined by TAG (temporal proposals, rank 1: 64.80; temporal localization, rank 1: 33.40).

Source: Lin, Zhao and Shou, report 19 of the ActivityNet Challenge 2017 (`papers/19-prop-ssad-tag.txt`).

Recipe:
    snippets of 16 frames -> spatial: ResNet, the middle frame, 2,048      \\
                          -> temporal: BN-Inception, 5 flows about it, 1,024 -> 3,072 a snippet
    snippets -> 256 steps by linear interpolation -> Prop-SSAD -> overlap of 633 anchors -> suppression
    snippets -> MLP with one hidden layer -> actionness -> TAG
    a TAG proposal whose best tIoU with an SSAD proposal exceeds 0.75 lends it its boundaries -> 100 proposals
    the class of the video, stamped on its proposals -> detections

Published: ActivityNet 1.3 validation, AR@10/AR@100/AUC: Prop-SSAD 50.44/69.54/61.52, refined 52.50/73.01/64.40; average
mAP with the first 1/5/10/25/100 proposals 27.00/30.49/31.41/31.93/32.26, mAP at 0.5/0.75/0.95 48.99/32.91/7.87;
test: AUC 64.80, average mAP 33.40.

Finding: refinement helps, most of all at high tIoU; average mAP hangs on the first few proposals.

Choices:
    - The net's layers, ratios, matching and sampling are those of SSAD and of public code for its use on ActivityNet;
      see `nets.ssad.SsadConfig`, field by field. No code of the entry is public.
    - How Prop-SSAD's proposals are suppressed is not said. BSN's soft suppression, from the authors' next paper, is
      used: it leaves close proposals alone, which average recall wants.
    - Of the TAG settings only "multiple threshold" is said; the grid is that of the TAG paper.
    - The report borrows its video classes from an entry of 2016. Here they come from the two streams, the mean over
      snippets of the softmax, weighted by actionness, or from a file of the same kind (`classification`). A
      detection's score is the product of proposal and class; the report does not say.
    - ResNet-152 would give 2,048 dims as well as ResNet-50; the report says ResNet and cites a 50- to 200-layer net's
      caffe name ("Flatten-673"), which does not tell which.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from scipy.special import softmax

from untrimmed.data.submissions import read_predictions
from untrimmed.features.backbone import BackboneFeature
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature, FeatureSequence
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.joined import join
from untrimmed.features.learned import StreamFeature, learn_feature
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.fuse.weights import weighted_mean
from untrimmed.localize.stamp import Combination, stamp
from untrimmed.nets.backbone import fill
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.nets.ssad import SsadConfig, SsadItems, SsadNet, batch_loss, overlaps
from untrimmed.nets.zoo import AnyNet
from untrimmed.propose.actionness import ActionnessConfig, ActionnessNet, StepItems, actionness, actionness_loss
from untrimmed.propose.refine import lend_boundaries
from untrimmed.propose.suppress import BsnSoftNms, Rule, suppress
from untrimmed.propose.tag import PAPER, TagRule, tag
from untrimmed.records import ClassScores, DataError, Dataset, Detection, NotTrained, Prediction, Proposal, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import TimeGrid, clip_segments
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

SIGHTS = ("spatial", "temporal")

_SPATIAL_TRAINING = Schedule(
    steps=4500, batch_size=256, learning_rate=1e-3, weight_decay=5e-4, milestones=(2000, 4000), clip_gradient=40.0
)
_TEMPORAL_TRAINING = replace(
    _SPATIAL_TRAINING, steps=20000, learning_rate=5e-3, milestones=(12000, 18000), clip_gradient=20.0
)


def _sight(
    net: AnyNet, images: RgbImages | FlowImages, *, frames: int, schedule: Schedule, stride: int
) -> StreamFeature:
    stream = Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=3, frames=frames),
        augmentation=Augmentation(),
        schedule=schedule,
        views=TestViews(),
    )
    return StreamFeature(stream=stream, stride=stride, learn=True)


_SPATIAL = _sight(Resnet(depth=50), RgbImages(size=(256, 340)), frames=1, schedule=_SPATIAL_TRAINING, stride=16)
_TEMPORAL = _sight(
    BnInception(dropout=0.7), FlowImages(size=(256, 340)), frames=5, schedule=_TEMPORAL_TRAINING, stride=16
)


@dataclass(frozen=True, kw_only=True)
class PropSsadConfig:
    """Configuration of system 19."""

    spatial: StreamFeature = _SPATIAL
    """ResNet on the middle frame of 16-frame snippets without overlap, trained on the training set's classes;
    section 2.1. Its schedule is that of TSN's spatial net; the paper does not say."""
    temporal: StreamFeature = _TEMPORAL
    """BN-Inception on the flow of 6 consecutive frames about the middle, 5 fields; section 2.1. Its schedule is that
    of TSN's temporal net; the paper does not say."""
    ssad: SsadConfig = SsadConfig()  # noqa: RUF009
    """The proposal net; section 2.2."""
    ssad_schedule: Schedule = Schedule(epochs=31, batch_size=32, optimizer="adam", learning_rate=1e-4, milestones=(30,))  # noqa: RUF009
    """The paper does not say; that of SSAD (Adam, 1e-4 for 30 epochs, then 1e-5 for one)."""
    suppression: Rule = BsnSoftNms(most=None)  # noqa: RUF009
    """Of Prop-SSAD's proposals; the paper does not say."""
    actionness: ActionnessConfig = ActionnessConfig()  # noqa: RUF009
    """The multi-layer perceptron with one hidden layer; section 2.2."""
    actionness_schedule: Schedule = Schedule(epochs=10, batch_size=64, optimizer="adam", learning_rate=1e-3)  # noqa: RUF009
    """The paper does not say."""
    tag: TagRule = PAPER
    """How actionness is grouped: "method described in [15] with multiple threshold"; section 2.2."""
    refine_tiou: float | None = 0.75
    """A TAG proposal that overlaps more lends its boundaries; section 2.2. None leaves Prop-SSAD's alone."""
    proposal_count: int = 100
    """Proposals a video; the challenge's number."""
    stamped_proposals: int | None = None
    """Only so many of them become detections; None takes all, "Ours@100" of table 2."""
    stamped_classes: int = 1
    """Classes a video: "most videos in ActivityNet only contain one action category"; section 2.3."""
    weighted_classes: bool = True
    """Weigh snippets by their actionness where the video's class comes from the two streams, since they learn
    from the annotated instances alone and what lies between those would vote at random."""
    combination: Combination = "product"
    """Score of a detection from those of proposal and class; the paper does not say."""
    classification: Path | None = None
    """A classification submission ({results: {id: [{label, score}]}}) whose video classes are stamped, as the report
    borrows those of an entry of 2016; None takes the two streams' own."""

    @property
    def sights(self) -> tuple[StreamFeature, StreamFeature]:
        """The two streams in the order of SIGHTS."""
        return self.spatial, self.temporal


class PropSsad(System[PropSsadConfig]):
    """System 19."""

    number: ClassVar[int] = 19
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.PROPOSALS, Task.LOCALIZATION})

    _features: tuple[BackboneFeature, ...] = ()
    _labels: tuple[str, ...]
    _ssad: SsadNet
    _actionness: ActionnessNet

    def features(self) -> tuple[Feature, ...]:
        """The two streams' snippet features."""
        return self._fitted()

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the two streams on the classes, then Prop-SSAD and the actionness net on the annotated segments."""
        annotated = [annotation for annotation in dataset.subset("training").annotations if annotation.instances]
        if not annotated or dataset.trimmed:
            raise DataError(
                f"system 19 learns from segments of untrimmed videos, but training videos of {dataset.name} have none"
            )
        features = tuple(
            learn_feature(sight, dataset, store=store, run=run, name=name)
            for name, sight in zip(SIGHTS, self.config.sights, strict=True)
        )
        extract(features, [annotation.video for annotation in annotated], store=store, progress=run.progress)
        instances = {
            annotation.video.video_id: annotation.instances
            for annotation in annotated
            if _present(annotation.video, features, store)
        }

        def sequence(video_id: str) -> tuple[Float[np.ndarray, "steps dims"], Float[np.ndarray, "n 2"]]:
            whole = _snippets(video_id, features, store).resized(self.config.ssad.steps)
            segments = np.array([instance.segment for instance in instances[video_id]], dtype=np.float64)
            return whole.values, whole.grid.to_steps(segments) / whole.grid.steps

        def snippets(video_id: str) -> tuple[Float[np.ndarray, "steps dims"], TimeGrid]:
            whole = _snippets(video_id, features, store)
            return whole.values, whole.grid

        dims = snippets(next(iter(instances)))[0].shape[1]
        torch.manual_seed(run.seed)
        ssad, mlp = self.config.ssad.build(dims), self.config.actionness.build(dims)
        items = SsadItems(sequence, list(instances), self.config.ssad)
        fit(ssad, items, batch_loss, schedule=self.config.ssad_schedule, run=run, name="ssad")
        steps = StepItems(snippets, list(instances.items()))
        fit(mlp, steps, actionness_loss, schedule=self.config.actionness_schedule, run=run, name="actionness")
        self._features, self._labels, self._ssad, self._actionness = features, dataset.labels, ssad, mlp

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Classes that sum to 1 (or those of the file), proposals, and detections that stamp one on the other."""
        features = self._fitted()
        external = None if self.config.classification is None else _external(self.config.classification)
        extract(features, videos, store=store)
        for video in videos:
            if not _present(video, features, store):
                continue
            snippets = _snippets(video.video_id, features, store)
            curve = actionness(self._actionness, snippets.values)
            proposals = self._proposals(video, snippets, curve)
            classes = self._classes(snippets, curve) if external is None else external.get(video.video_id)
            detections: tuple[Detection, ...] = ()
            if classes is None:
                log.warning("video %s has no detections: it is not in %s", video.video_id, self.config.classification)
            else:
                detections = stamp(
                    proposals,
                    classes,
                    class_count=self.config.stamped_classes,
                    proposal_count=self.config.stamped_proposals,
                    combination=self.config.combination,
                )
            yield Prediction(video=video, classes=classes, proposals=proposals, detections=detections)

    def save(self, folder: Path) -> None:
        """Configuration, labels, and the weights of all four nets."""
        features = self._fitted()
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            modules={"ssad": self._ssad, "actionness": self._actionness},
            tensors={
                name: load_file(feature.weights)
                for name, feature in zip(SIGHTS, features, strict=True)
                if feature.weights is not None
            },
            extra={"labels": list(self._labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote; its features take their nets' weights from the folder."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=PropSsadConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        for name in ("ssad", "actionness"):
            if "norm.weight" not in tables.get(name, {}):
                raise DataError(f"{folder} must hold the weights {name}.safetensors of a {cls.__name__}")
        dims = len(tables["ssad"]["norm.weight"])
        system._ssad, system._actionness = config.ssad.build(dims).eval(), config.actionness.build(dims).eval()
        fill(system._ssad, tables["ssad"], where=folder / "ssad.safetensors")
        fill(system._actionness, tables["actionness"], where=folder / "actionness.safetensors")
        system._features = tuple(
            sight.feature(folder / f"{name}.safetensors" if name in tables else None)
            for name, sight in zip(SIGHTS, config.sights, strict=True)
        )
        return system

    def _proposals(
        self, video: Video, snippets: FeatureSequence, curve: Float[np.ndarray, " steps"]
    ) -> tuple[Proposal, ...]:
        sequence = snippets.resized(self.config.ssad.steps)
        anchors = sequence.grid.to_seconds(self.config.ssad.anchors() * sequence.grid.steps)
        segments, kept = clip_segments(anchors, video.duration)
        scores = overlaps(self._ssad, sequence.values)[kept]
        found = suppress(segments, scores, self.config.suppression, duration=video.duration)
        best = found.segments[: self.config.proposal_count]
        if self.config.refine_tiou is not None:
            lenders, _ = tag(curve, snippets.grid, video.duration, self.config.tag)
            best = lend_boundaries(best, lenders, least_tiou=self.config.refine_tiou)
        return tuple(
            Proposal((float(start), float(end)), float(score))
            for (start, end), score in zip(best, found.scores, strict=False)
        )

    def _classes(self, snippets: FeatureSequence, curve: Float[np.ndarray, " steps"]) -> ClassScores:
        """Mean over streams and snippets of the softmax of the streams' last layers on their features."""
        weights = curve if self.config.weighted_classes and curve.sum() > 0 else np.ones(len(curve))
        streams, first = [], 0
        for feature in self._fitted():
            weight, bias = _last_layer(feature)
            rows = snippets.values[:, first : first + weight.shape[1]].astype(np.float64)
            streams.append(weighted_mean(softmax(rows @ weight.T + bias, axis=1), weights.tolist()))
            first += weight.shape[1]
        return ClassScores(dict(zip(self._labels, weighted_mean(np.stack(streams)).tolist(), strict=True)))

    def _fitted(self) -> tuple[BackboneFeature, ...]:
        if not self._features:
            raise NotTrained("system 19 (Prop-SSAD and TAG) must be fitted or loaded first")
        return self._features


def _present(video: Video, features: Sequence[Feature], store: FeatureStore) -> bool:
    there = all(store.has(feature, video.video_id) for feature in features)
    if not there:
        log.warning("video %s is left out: its features could not be extracted", video.video_id)
    return there


def _snippets(video_id: str, features: Sequence[Feature], store: FeatureStore) -> FeatureSequence:
    found = [store.load(feature, video_id) for feature in features]
    return join([sequence for sequence in found if isinstance(sequence, FeatureSequence)])


def _last_layer(feature: BackboneFeature) -> tuple[Float[np.ndarray, "classes dims"], Float[np.ndarray, " classes"]]:
    assert feature.weights is not None  # learn_feature keeps the weights of what has learnt
    tensors = load_file(feature.weights)
    return tensors["classifier.weight"].double().numpy(), tensors["classifier.bias"].double().numpy()


def _external(path: Path) -> dict[str, ClassScores]:
    columns = read_predictions(path, Task.CLASSIFICATION)
    scores: dict[str, dict[str, float]] = {}
    assert columns.label_index is not None
    for video, label, score in zip(columns.video, columns.label_index, columns.scores, strict=True):
        scores.setdefault(columns.video_ids[video], {}).setdefault(columns.labels[label], float(score))
    return {video_id: ClassScores(classes) for video_id, classes in scores.items()}


_SMALL_TRAINING = Schedule(
    steps=150, batch_size=16, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01, decay="cosine", warmup_steps=20
)
_SMALL_RGB = RgbImages(size=(64, 86), per_second=12)
_SMALL_FLOW = FlowImages(size=(64, 86), per_second=12, method=Dis(), bound=8.0)

LAPTOP = PropSsadConfig(
    spatial=_sight(SmallNet(), _SMALL_RGB, frames=1, schedule=_SMALL_TRAINING, stride=4),
    temporal=_sight(SmallNet(), _SMALL_FLOW, frames=5, schedule=_SMALL_TRAINING, stride=4),
    ssad=SsadConfig(steps=128, trunk_width=64, width=64, dropout=0.2),
    ssad_schedule=Schedule(
        steps=250, batch_size=16, optimizer="adamw", learning_rate=2e-3, weight_decay=0.05, decay="cosine"
    ),
    actionness=ActionnessConfig(hidden=64),
    actionness_schedule=Schedule(steps=200, batch_size=16, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01),
    stamped_classes=5,
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow, narrow nets, snippets of a third of a
second. Five classes are stamped, since the first one of nets so small is right in one playground video of five: average
mAP was 2.2, 3.6 and 4.9 % with 1, 3 and 5."""

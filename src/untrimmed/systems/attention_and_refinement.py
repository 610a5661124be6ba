"""03: attention by people and objects, self-labelled outside videos, class-wise refinement (untrimmed classification,
rank 1).

Source: report 03 of the ActivityNet Challenge 2017 (`papers/03-tsn-attention-classwise-refinement.txt`).

Recipe:
    frames, flow -> TSN, five deep nets each -> softmax, mean: the baseline
    validation videos -> the baseline -> the hardest classes
    outside videos with keywords -> the baseline has the keyword's class among its three best -> training videos
    training, validation and outside videos
      -> TSN, five deep nets each, once more                                               \\
      -> feature maps weighted by people and objects in time and space -> softmax           -> mean -> scores
      -> spectrograms -> TSN                                                               /
    scores -> each of the hardest classes re-ranks its videos by a classifier of two classes -> class scores

Published: top-1 error on the test set 12.661 (baseline), 9.538 (outside videos, attention, 50 classes refined), 8.83
(with acoustic features, 100 classes refined). The baseline on validation: top-1 86.9, top-3 95.7, top-10 98.4.

Finding: refinement lowers the error of the hardest classes; table 1 names them (`evaluate.hardness` makes it).

Choices:
    - TSN's schedules, sections and views are not said; they are those of its paper, as in system 06. Nor are the
      crops: 299 pixels for the Inceptions, 224 for the ResNets.
    - Whether all five nets are in the final average, and with which weights: all, equally. ImageNet weights of
      ResNet-200 and ResNet-269 are published nowhere that this package reads; their nets name none.
    - The detectors (GBD, and a tracker of ImageNet VID's objects) are not to be had; torchvision's of COCO stand for
      them.
      How boxes become weights is `aggregate.attended`'s reading; the object table is this package's own.
    - The net that refines is not described: here it is the last layer alone, on the attended vectors of one member. How
      its ranking enters the scores is `classify.refine`'s reading. It ranks the videos that are predicted in one call
      among each other, so a video predicted alone keeps its fused scores; these no longer sum to 1 once refined.
    - The acoustic features are those "of [12]", which the report does not describe: log spectrograms under TSN, as
      reports 08 and 13 have them.
    - Classes are chosen on validation before these videos are learnt from, so all nets are trained twice where the
      training data grow.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float, Int

from untrimmed.classify.linear import LinearConfig
from untrimmed.classify.refine import RefinementConfig, Refiner, fit_refiner, hardest, restore_refiner
from untrimmed.features.attended_vectors import AttendedStream, Attention
from untrimmed.features.boxes import Boxes
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.detectors import HogPeople
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.laptop_streams import FLOW_TSN, RGB_TSN
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member, Members, fit_members
from untrimmed.features.object_table import COCO_OBJECTS
from untrimmed.features.outside_videos import OutsideVideos, searched, with_outside, with_validation
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.spectrograms import SpectrogramImages
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.features.vectors import VideoVector, class_members
from untrimmed.fuse.fusion import AnyFusion, Equal
from untrimmed.fuse.weights import weighted_mean
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.trunks import TRUNKS, TrunkName
from untrimmed.records import ClassScores, DataError, Dataset, Prediction, Task, Video
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.train import Run, Schedule

log = logging.getLogger(__name__)

REFINER = "refinement"
"""The name under which the classifiers of two classes are stored."""

DEEP_NETS: tuple[TrunkName, ...] = ("resnet200", "resnet269_v2", "inception_v3", "inception_v4", "inception_resnet_v2")
"""Section 2: "After testing ResNet-200 and Inception V3, we try ResNet-269, Inception V4, Inception-ResNet-v2"."""

_RGB = Stream(
    net=FrameNet(),
    images=RgbImages(size=(256, 340)),
    sampling=Sampling(sections=3),
    augmentation=Augmentation(),
    schedule=Schedule(
        steps=4500, batch_size=256, learning_rate=1e-3, weight_decay=5e-4, milestones=(2000, 4000), clip_gradient=40.0
    ),
    views=TestViews(positions=25),
)
_FLOW = replace(
    _RGB,
    images=FlowImages(size=(256, 340), compensated=False),
    sampling=Sampling(sections=3, frames=5),
    schedule=replace(_RGB.schedule, steps=20000, learning_rate=5e-3, milestones=(12000, 18000), clip_gradient=20.0),
)
_SOUND = replace(
    _RGB,
    net=BnInception(dropout=0.7),
    images=SpectrogramImages(),
    augmentation=Augmentation(whole=True, flips=False),
    views=TestViews(positions=25, ten_crop=False),
)


def _deep(stream: Stream, name: TrunkName, *, dropout: float) -> Stream:
    published = TRUNKS[name].published
    size = (299, 299) if name.startswith("inception") else (224, 224)
    net = FrameNet(net=name, weights="imagenet" if published else None, dropout=dropout, input_size=size)
    return replace(stream, net=net, partial_batch_norm=published)


def _attended(stream: Stream, *, stride: int, attention: Attention) -> VectorClassifier:
    frames = StreamFeature(stream=stream, stride=stride, learn=True)
    vector = VideoVector(source=SequenceSource(rows=AttendedStream(frames=frames, attention=attention)))
    return VectorClassifier(vector=vector, linear=LinearConfig(kind="softmax", cost=100.0))


_BASELINE = (
    *(Member(name=f"rgb-{name}", classifier=_deep(_RGB, name, dropout=0.8)) for name in DEEP_NETS),
    *(Member(name=f"flow-{name}", classifier=_deep(_FLOW, name, dropout=0.7)) for name in DEEP_NETS),
)
_ATTENTION = _attended(
    _deep(_RGB, "inception_resnet_v2", dropout=0.8), stride=15, attention=Attention(table=COCO_OBJECTS)
)
MEMBERS = (
    *_BASELINE,
    Member(name="attention", classifier=_ATTENTION),
    Member(name="sound", classifier=_SOUND),
)
"""Sections 2, 4 and 6."""


@dataclass(frozen=True, kw_only=True)
class AttentionAndRefinementConfig:
    """Configuration of system 03."""

    members: tuple[Member, ...] = MEMBERS
    """The two-stream nets, the classifier under attention, and the acoustic one."""
    baseline: tuple[str, ...] = tuple(member.name for member in _BASELINE)
    """Members whose mean is the baseline: it measures which classes are hard and judges outside videos. Section 2:
    "only by visual information (appearance and motion)"."""
    fusion: AnyFusion = Equal()  # noqa: RUF009
    """Section 2: "the combined result"; with the validation videos learnt from, no weights can be searched for."""
    outside: OutsideVideos | None = None
    """Unlabelled videos to learn from, section 3; nobody can hand them on, so there are none unless given."""
    learn_validation: bool = True
    """Whether the validation videos are learnt from once the baseline is confirmed on them; section 3."""
    refinement: RefinementConfig = RefinementConfig()  # noqa: RUF009
    """Section 5."""
    refined_on: str = "attention"
    """The member, a VectorClassifier, whose vectors the classifiers of two classes see. The paper does not say."""

    def __post_init__(self) -> None:
        kinds = {member.name: member.classifier for member in self.members}
        missing = [name for name in self.baseline if name not in kinds]
        if missing or not self.baseline:
            raise DataError(f"the baseline of system 03 must be some of the members {list(kinds)}, got {self.baseline}")
        if not isinstance(kinds.get(self.refined_on), VectorClassifier):
            raise DataError(f"system 03 refines on a member with vectors, got {self.refined_on!r} of {list(kinds)}")


class AttentionAndRefinement(EnsembleSystem[AttentionAndRefinementConfig]):
    """System 03."""

    number: ClassVar[int] = 3
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION})
    config_class: ClassVar[type[Any]] = AttentionAndRefinementConfig

    _refiner: Refiner | None = None

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the baseline, choose the hardest classes, let the data grow, train every member, then the refinement.

        Where the data do not grow, every member is trained once.
        """
        config = self.config
        held = any(one.labels for one in dataset.subset("validation").annotations)
        grows = config.outside is not None or (config.learn_validation and held)
        first = [one for one in config.members if one.name in config.baseline or not grows]
        members = fit_members(first, dataset, store=store, run=run)
        chosen = self._hardest(members, dataset, store=store, run=run)
        if grows:
            dataset = self._grown(members, dataset, store=store, run=run)
            again = replace(run, folder=None if run.folder is None else run.folder / "grown")
            members = fit_members(config.members, dataset, store=store, run=again)
        self._members, self._labels = members, dataset.labels
        self._fusion = self._fitted_fusion(dataset, store=store, run=run)
        self._refiner = self._fitted_refiner(dataset, chosen, store=store, run=run)

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores in [0, 1]; within each refined class the videos of this call are ranked among each other."""
        there = self._trained().ready(videos, store=store)
        scores = self.fused(there, store=store) if there else np.zeros((0, len(self._labels)))
        for video, row in zip(there, scores, strict=True):
            yield Prediction(video=video, classes=ClassScores(dict(zip(self._labels, row.tolist(), strict=True))))

    def fused(self, videos: Sequence[Video], *, store: FeatureStore) -> Float[np.ndarray, "videos classes"]:
        """The refined answer for videos whose features are in the store, in the order of `labels`."""
        scores = self.unrefined(videos, store=store)
        assert self._refiner is not None
        return self._refiner(scores, self._rows(videos, store))

    def unrefined(self, videos: Sequence[Video], *, store: FeatureStore) -> Float[np.ndarray, "videos classes"]:
        """What the members say together, before the refinement: rows of sum 1."""
        return super().fused(videos, store=store)

    @property
    def refined_classes(self) -> tuple[str, ...]:
        """The classes that are refined, the hardest first."""
        self._trained()
        assert self._refiner is not None
        return tuple(self._labels[place] for place in self._refiner.classes.tolist())

    def save(self, folder: Path) -> None:
        """As every ensemble, and the classifiers of two classes."""
        self._trained()
        assert self._refiner is not None
        self._write(folder, tables={REFINER: self._refiner.tensors()}, extra={})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        system, _, tables = cls._read(folder)
        vectors, config = system._trained().vectors, system.config
        assert vectors is not None  # the configuration has seen to it
        system._refiner = restore_refiner(
            tables.get(REFINER, {}),
            config.refinement,
            classes=len(system._labels),
            dims=vectors.linear[config.refined_on].weight.shape[1],
            where=str(folder / f"{REFINER}.safetensors"),
        )
        return system

    def _baseline(self, members: Members, videos: Sequence[Video], store: FeatureStore) -> np.ndarray:
        """The mean over the members of the baseline: (videos, classes)."""
        named = dict(zip((one.name for one in members.configs), members.scores(videos, store=store), strict=True))
        return weighted_mean(np.stack([named[name] for name in self.config.baseline]))

    def _hardest(self, members: Members, dataset: Dataset, *, store: FeatureStore, run: Run) -> Int[np.ndarray, " n"]:
        known = [one.video for one in dataset.subset("validation").annotations if one.labels]
        if not known:
            log.warning("%s has no validation videos: the training videos tell which classes are hard", dataset.name)
            known = [one.video for one in dataset.subset("training").annotations if one.labels]
        videos = members.ready(known, store=store, progress=run.progress)
        if not videos:
            return np.zeros(0, np.int64)
        scores = self._baseline(members, videos, store)
        return hardest(scores, class_members(dataset, videos), self.config.refinement.classes)

    def _grown(self, members: Members, dataset: Dataset, *, store: FeatureStore, run: Run) -> Dataset:
        config = self.config
        grown = with_validation(dataset) if config.learn_validation else dataset
        if config.outside is None:
            return grown
        found = searched(config.outside, dataset)
        there = members.ready(found.videos, store=store, progress=run.progress)
        scores = list(self._baseline(members, there, store)) if there else []
        named = dict(zip((video.video_id for video in there), scores, strict=True))
        return with_outside(grown, found, named, config.outside)

    def _fitted_refiner(
        self, dataset: Dataset, classes: Int[np.ndarray, " n"], *, store: FeatureStore, run: Run
    ) -> Refiner:
        labelled = [one.video for one in dataset.subset("training").annotations if one.labels]
        videos = self._trained().ready(labelled, store=store, progress=run.progress)
        scores, rows = self.unrefined(videos, store=store), self._rows(videos, store)
        members = class_members(dataset, videos)
        return fit_refiner(rows, scores, members, self.config.refinement, classes=classes)

    def _rows(self, videos: Sequence[Video], store: FeatureStore) -> Float[np.ndarray, "videos dims"]:
        """What the classifiers of two classes see."""
        vectors = self._trained().vectors
        assert vectors is not None  # the configuration has seen to it
        vector = vectors.configs[self.config.refined_on].vector
        return vector.table(vectors.sources[vector.source, vector.quantization], videos, store=store)


_PEOPLE = Attention(boxes=Boxes(detector=HogPeople(size=(240, 320)), per_second=2.0, most=4))
LAPTOP = AttentionAndRefinementConfig(
    members=(
        Member(name="rgb", classifier=RGB_TSN),
        Member(name="flow", classifier=FLOW_TSN),
        Member(name="attention", classifier=_attended(RGB_TSN, stride=6, attention=_PEOPLE)),
        Member(
            name="sound",
            classifier=replace(
                RGB_TSN,
                images=SpectrogramImages(rate=16000, size=(64, 64), stride=32),
                augmentation=Augmentation(whole=True, flips=False),
            ),
        ),
    ),
    baseline=("rgb", "flow"),
    learn_validation=False,
    refinement=RefinementConfig(classes=10, depth=5),
)
"""The variant for two cores: the small streams of features.laptop_streams, people found by OpenCV's detector, and half
of the playground's twenty classes refined among the five best of a video. The nets are trained once: the validation
videos are not learnt from, so that figures on them stay honest."""

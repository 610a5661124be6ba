"""21: SSN with dense human pose (temporal localization, rank 3: 31.83).

Source: report 21 of the ActivityNet Challenge 2017 (`papers/21-ssn-dense-pose.txt`).

Recipe:
    video -> 20 snippets -> windows of 3, which move by one -> 18 regions, once for each person who is found in them
    frames, flow -> two-stream rows, shared by all people                                 \\
    frames -> dense pose net: joints, parts I, places U and V, support vector shapes       > rows of one person
           -> each person's share of the maps, by attention -> a block of numbers         /
    rows -> structured temporal pyramid pooling over five parts
         -> activity (classes and background), completeness and offsets of each class -> suppression -> detections
    the dense pose net learns joints; I, U, V and the shapes are auxiliary targets

Published: ActivityNet 1.3 test, average mAP 31.826 (SSN alone in the year before 28.28).

Finding: the gain over SSN alone lies in short, pose-like, sparsely annotated classes; dense targets make the pose net
learn faster and locate joints better.

Choices:
    - The report says how its parts work and gives hardly a number: those of SSN are the released program's (nets.ssn,
      localize.ssn_samples, field by field). How pose joins SSN is not said; its numbers stand behind those of frames
      and flow in each row, so that all classifiers see both. SSN here stands on rows of nets that learnt the classes
      first; ResNet-101 is that of report 08, whose authors SSN is by.
    - The regions of the report are all 3/20 of the video long. Those that meet an instance well are few, so the
      annotated segments are learnt from too, as in SSN; regression is what fits the length. `SlidingRegions.sizes`
      takes further lengths.
    - Its pose net (of the authors' paper on DenseReg pose) is not public. A narrow net of this package learns from
      ground truth of key points, parts and places; I, U, V are DensePose's 24 parts and background, 25 classes. Which
      support vector shapes are learnt is not said: those of all bodies in the picture, at the four C of figure 2.
    - People are found by that net too, in place of a human detector of its own. "Spacial attentions": what the maps
      show is split among the people by where each cell says its person is (features.dense_pose.attention).
    - The completeness term of the report's loss, -log P(c | p) - 1(c > 1) P(b | c, p), lacks a logarithm and is taken
      for SSN's, a hinge.
    - Of the regions of several people suppression leaves the surest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.dense_pose import DensePose
from untrimmed.features.feature import Feature
from untrimmed.features.given_files import kept_names, with_kept_files
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.ssn_regions import SlidingRegions
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.ssn import SsnConfig
from untrimmed.records import Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.structured import Structured, StructuredConfig, fit_structured, restore_structured
from untrimmed.systems.system import System
from untrimmed.train import Run, Schedule

_TRAINING = Schedule(
    epochs=50, batch_size=128, learning_rate=1e-3, weight_decay=5e-4, milestones=(20, 40), clip_gradient=20.0
)
_RGB = Stream(
    net=Resnet(depth=101),
    images=RgbImages(size=(256, 340)),
    sampling=Sampling(sections=3),
    augmentation=Augmentation(),
    schedule=_TRAINING,
    views=TestViews(),
)
_FLOW = replace(_RGB, images=FlowImages(size=(256, 340)), sampling=Sampling(sections=3, frames=5))


def _streams(*streams: Stream, stride: int) -> tuple[SequenceSource, ...]:
    return tuple(SequenceSource(rows=StreamFeature(stream=one, stride=stride, learn=True)) for one in streams)


_POSE = DensePose()
SSN = StructuredConfig(
    sources=(*_streams(_RGB, _FLOW, stride=6), SequenceSource(rows=_POSE)),
    regions=SlidingRegions(),
    nets=(SsnConfig(),),
    people=_POSE.people,
)
"""Frames, flow and dense pose every 6 frames; the pyramid of five parts (section 2)."""


@dataclass(frozen=True, kw_only=True)
class SsnDensePoseConfig:
    """Configuration of system 21."""

    localization: StructuredConfig = SSN
    """Regions, rows and networks. The last source is the people's; its net's weights are a file that
    learn_dense_pose_net writes."""


class SsnDensePose(System[SsnDensePoseConfig]):
    """System 21."""

    number: ClassVar[int] = 21
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.LOCALIZATION})

    _structured: Structured | None = None

    def features(self) -> tuple[Feature, ...]:
        """The two streams and dense pose."""
        return self._fitted().features

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the two streams on the classes, then SSN on the rows of every person."""
        self._structured = fit_structured(self.config.localization, dataset, store=store, run=run)

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Proposals and detections."""
        return self.localized(videos, store=store)

    def localized(
        self, videos: Sequence[Video], *, store: FeatureStore, localization: StructuredConfig | None = None
    ) -> Iterator[Prediction]:
        """What predict says, or what it would say under another configuration of what happens at test.

        Args:
            videos: what to search.
            store: of features.
            localization: other scores, suppression, no regression.
        """
        structured = replace(self._fitted(), config=localization or self.config.localization)
        for video in structured.ready(videos, store=store):
            yield structured.added(Prediction(video=video), store=store)

    def save(self, folder: Path) -> None:
        """Configuration, labels, the weights of all nets, and those of the given dense pose net."""
        structured = self._fitted()
        save_system(
            folder,
            system=type(self).__name__,
            config=self.config,
            tensors=structured.tables(),
            files=kept_names(self.config),
            extra={"labels": list(structured.labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote; its features take their nets' weights from the folder."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=SsnDensePoseConfig)
        config = with_kept_files(config, folder)
        system = cls(config)
        labels = labels_of(extra, where=folder / "config.json")
        system._structured = restore_structured(config.localization, labels, tables, folder=folder)
        return system

    def _fitted(self) -> Structured:
        if self._structured is None:
            raise NotTrained("system 21 (SSN with dense pose) must be fitted or loaded first")
        return self._structured


def without_pose(config: SsnDensePoseConfig) -> SsnDensePoseConfig:
    """SSN alone on the same regions and streams: what the finding compares with."""
    own = config.localization
    return replace(config, localization=replace(own, sources=own.sources[:-1], people=1))


_SMALL_POSE = DensePose(per_second=3.0)
LAPTOP = SsnDensePoseConfig(
    localization=replace(
        SSN,
        sources=(
            *_streams(laptop_streams.RGB_TSN, laptop_streams.FLOW_TSN, stride=4),
            SequenceSource(rows=_SMALL_POSE),
        ),
        regions=SlidingRegions(sizes=(2, 3, 5, 8)),
        nets=(SsnConfig(dropout=0.5),),
        schedule=replace(laptop_streams.SCHEDULE, batch_size=16),
    )
)
"""The variant for two cores: small streams three times a second, and windows of 2, 3, 5 and 8 of 20 snippets, so that
instances of several lengths are met. Dense pose needs a net that has been taught,
`with_feature_weights(LAPTOP, {"dense_pose": file})`; without one its numbers are those of a net that has learnt
nothing."""

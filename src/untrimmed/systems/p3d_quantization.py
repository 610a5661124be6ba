"""17: P3D, deep quantization and trajectories; TAG and re-ranking; LSTM-A3 for a reward (trimmed classification;
temporal proposals, rank 2: 63.12 on validation; dense captions, rank 1: METEOR 12.84).

Source: report 17 of the ActivityNet Challenge 2017 (`papers/17-p3d-deep-quantization-tag-captioning.txt`), sections 2
to 6.

Recipe:
    25 frames -> ResNet                     \\
    25 clips of 16 frames -> P3D ResNet      -> pool5 -> the mean over the video                  \\
    25 stacks of 32 flow images -> ResNet    -> res5c -> deep quantization of all its positions    -> a linear SVM each,
    25 clips of 16 flows -> P3D ResNet      /                                                        C = 100
    improved trajectories -> Fisher vectors of four descriptors                                   /
    the nine SVMs -> linear fusion -> class scores
    nets on untrimmed videos -> actionness -> watershed and TAG -> re-ranking -> fusion -> proposals
    (the recipe in `systems.tag_reranking`)
    the best 50 -> attributes, video, neighbours -> LSTM-A3, and sentences of similar segments -> consensus -> captions
    (the recipe in `systems.attribute_captions`)

Published: Kinetics validation, top-1 / top-5, mean and deep quantization: ResNet on frames 70.70 / 89.75 and 71.50 /
90.20; P3D on clips 71.24 / 90.01 and 72.66 / 90.74; on flow ResNet 59.84 / 82.54 and 61.03 / 83.51, P3D 61.92 / 84.19
and 63.24 / 85.53; trajectories 45.09 / 69.73. Of the fusion no figure. Area under AR-AN on ActivityNet's validation
set, without and with re-ranking: ResNet from ImageNet 56.96 and 59.03, from Kinetics 59.75 and 60.13; P3D from
Sports-1M 58.79 and 60.76, from Kinetics 59.90 and 61.13; all fused 63.12. METEOR / BLEU@4 on
ActivityNet Captions' validation set: LSTM-A3 7.71 / 3.38, with policy gradient 8.47 / 3.07, with retrieval 8.73 / 3.13.

Finding: deep quantization is above the mean for each net; P3D is above the net on frames; flow is below either.
Re-ranking lifts the proposals of each net, and their fusion is above the best of them. Policy gradient lifts METEOR and
lowers BLEU@4; retrieval lifts METEOR.

Choices:
    - 25 a video: a row every tenth frame, of 25 a second, are the 25 of Kinetics' ten seconds. Longer videos give more.
    - Each net learns the data set's classes first. The paper says "pre-trained" of its nets (P3D's on Sports-1M) and
      not whether they were tuned; nets start at random unless their `weights` name a file or "imagenet".
    - Which ResNet and which P3D ResNet is not said: 152 layers, and P3D's 199, which grows from them ([15]).
    - The generative net is a variational auto-encoder, as in the paper's [14]; its sizes, the projection of local
      features and over which parameters the score is taken stand in `aggregate.quantization` and
      `features.quantized_vectors`. The classification term, with lambda 0.1, is on.
    - How SVMs of different scales are fused is not said: the softmax of their margins, with weights that are searched
      for on the validation set by the share of videos that are right.
    - The final SVMs were trained on training and validation videos, with the fusion's weights from before; here they
      learn from the training subset, so that the weights stay true to what they weigh.
    - A data set of trimmed clips gives classes; one of untrimmed videos gives proposals too, and classes learnt from
      its instances; one whose training videos have sentences gives captions of the proposals.
    - The nets of table 2 that start from Kinetics and Sports-1M need the `weights` of the user. By default there are
      ResNet from ImageNet, ResNet and P3D as they are here without; a second P3D makes the paper's eight streams.
    - Schedules are not said: 7,500 steps of 128 clips with a rate of 0.001 that falls to a tenth at 3,000 and 6,000.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from untrimmed.aggregate.codebook import CodebookConfig
from untrimmed.aggregate.quantization import QuantizationConfig
from untrimmed.classify.linear import LinearConfig
from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.feature import Feature
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.picture_kinds import AnyImages
from untrimmed.features.quantized_vectors import Quantized
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.learning import TrajectoryEncoding
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.fusion import AnyFusion, Searched
from untrimmed.nets.p3d import P3d
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import SmallNet
from untrimmed.nets.zoo import AnyNet
from untrimmed.propose.actionness import ActionnessConfig
from untrimmed.propose.rerank import ProposalRows
from untrimmed.records import Dataset, Prediction, Task, Video
from untrimmed.systems import attribute_captions
from untrimmed.systems.attribute_captions import (
    AttributeCaptionsConfig,
    CaptioningPart,
    fit_captioning,
    restore_captioning,
)
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.systems.tag_reranking import ProposalPart, TagRerankingConfig, fit_proposals, restore_proposals
from untrimmed.train import Run, Schedule

_RGB = RgbImages(size=(256, 340), per_second=25)
_FLOW = FlowImages(size=(256, 340), per_second=25, compensated=False)
_TRAINING = Schedule(steps=7500, batch_size=128, learning_rate=1e-3, milestones=(3000, 6000))
_SVM = LinearConfig(kind="svm", cost=100.0)
"""Section 4.1: "When training SVM, we fix C = 100"."""


def _net(net: AnyNet, images: AnyImages, *, frames: int, stride: int = 10) -> SequenceSource:
    stream = Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=1, frames=frames),
        augmentation=Augmentation(),
        schedule=_TRAINING,
        views=TestViews(),
    )
    return SequenceSource(rows=StreamFeature(stream=stream, stride=stride, learn=True))


FRAME = _net(Resnet(depth=152), _RGB, frames=1)
CLIP = _net(P3d(), _RGB, frames=16)
FRAME_MOTION = _net(Resnet(depth=152), _FLOW, frames=16)
CLIP_MOTION = _net(P3d(), _FLOW, frames=16)
SNIPPETS = (
    _net(Resnet(depth=152, weights="imagenet"), _RGB, frames=1, stride=8),
    _net(Resnet(depth=152), _RGB, frames=1, stride=8),
    _net(P3d(), _RGB, frames=16, stride=8),
)
"""Section 5.1: "every 16 continuous frames as one snippet and the stride size is 8 frames"; table 2's nets."""
SIGHTS = (_net(Resnet(depth=152), _RGB, frames=1, stride=12), _net(P3d(), _RGB, frames=16, stride=12))
"""Section 6.1: "uniform sample 2 frames/clips per second"; ResNet and P3D ResNet, whose training table 1's share."""


@dataclass(frozen=True, kw_only=True)
class P3dQuantizationConfig:
    """Configuration of system 17."""

    frame: SequenceSource = FRAME
    """ResNet on single frames; section 2, "Frame"."""
    clip: SequenceSource = CLIP
    """P3D ResNet on 16 frames; section 2, "Short Clip"."""
    frame_motion: SequenceSource = FRAME_MOTION
    """ResNet on "32 optical flow images, consisting of two-direction optical flow from 16 consecutive frames";
    section 2, "Motion"."""
    clip_motion: SequenceSource = CLIP_MOTION
    """P3D ResNet on the same, two channels in time."""
    trajectories: SequenceSource = SequenceSource(rows=TrajectoryEncoding())  # noqa: RUF009
    """Improved trajectories with Fisher vectors: trajectory, HOG, HOF and MBH; section 2, "Long Clip"."""
    quantization: Quantized = Quantized()  # noqa: RUF009
    """Of the positions of each net's last map; section 3."""
    svm: LinearConfig = _SVM
    """On each vector."""
    fusion: AnyFusion = Searched()  # noqa: RUF009
    """Section 4.2: "linearly fused using the weights tuned on validation set"."""
    proposals: TagRerankingConfig = TagRerankingConfig(streams=SNIPPETS)  # noqa: RUF009
    """Of untrimmed videos; section 5."""
    captions: AttributeCaptionsConfig = AttributeCaptionsConfig(sights=SIGHTS)  # noqa: RUF009
    """Of the proposals; section 6."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The rows of table 1: the mean and the quantization of each net, and the trajectories."""
        nets = {
            "frame": self.frame,
            "clip": self.clip,
            "frame_motion": self.frame_motion,
            "clip_motion": self.clip_motion,
        }
        vectors = {}
        for name, source in nets.items():
            vectors[f"{name}_mean"] = VideoVector(source=source)
            vectors[f"{name}_quantized"] = VideoVector(source=source, quantization=self.quantization)
        vectors["trajectories"] = VideoVector(source=self.trajectories)
        return tuple(
            Member(name=name, classifier=VectorClassifier(vector=vector, linear=self.svm))
            for name, vector in vectors.items()
        )


class P3dQuantization(EnsembleSystem[P3dQuantizationConfig]):
    """System 17."""

    number: ClassVar[int] = 17
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.RECOGNITION, Task.PROPOSALS, Task.CAPTIONING})
    config_class = P3dQuantizationConfig

    proposals: ProposalPart | None = None
    """Where it was fitted on untrimmed videos."""
    captions: CaptioningPart | None = None
    """Where these had sentences."""

    def features(self) -> tuple[Feature, ...]:
        """What the members, the proposals and the captions are measured with."""
        parts = [part.features for part in (self.proposals, self.captions) if part is not None]
        every = [*super().features(), *(feature for part in parts for feature in part)]
        return tuple({feature.key: feature for feature in every}.values())  # loaded ones differ in their files' names

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the members and their fusion; on untrimmed videos the proposals too, and captions of sentences."""
        super().fit(dataset, store=store, run=run)
        trimmed = dataset.trimmed
        self.proposals = None if trimmed else fit_proposals(self.config.proposals, dataset, store=store, run=run)
        told = not trimmed and any(any(one.events) for one in dataset.subset("training").annotations)
        self.captions = fit_captioning(self.config.captions, dataset, store=store, run=run) if told else None

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores of sum 1; proposals where it was fitted on untrimmed videos, captions where on sentences."""
        self._trained()
        there = videos if self.proposals is None else self.proposals.ready(videos, store=store)
        there = there if self.captions is None else self.captions.ready(there, store=store)
        for prediction in super().predict(there, store=store):
            video = prediction.video
            found = None if self.proposals is None else self.proposals.propose(video, store=store)
            said = None if self.captions is None else self.captions.describe(video, found or (), store=store)
            yield replace(prediction, proposals=found, captions=said)

    def save(self, folder: Path) -> None:
        """Everything that was learnt, and the files that features are measured with."""
        tables = {} if self.proposals is None else self.proposals.tables()
        tables |= {} if self.captions is None else self.captions.tables()
        told = None if self.captions is None else self.captions.extra()
        self._write(folder, tables=tables, extra={"untrimmed": self.proposals is not None, "captions": told})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        system, extra, tables = cls._read(folder)
        if extra.get("untrimmed"):
            system.proposals = restore_proposals(system.config.proposals, tables, folder=folder)
        told = extra.get("captions")
        if isinstance(told, dict):
            system.captions = restore_captioning(system.config.captions, tables, told, folder=folder)
        return system


def _small(stream: Stream, *, stride: int) -> SequenceSource:
    return SequenceSource(rows=StreamFeature(stream=stream, stride=stride, learn=True))


_SMALL_P3D = P3d(depth=63, width=8, input_size=(56, 56), dropout=0.3)
_SMALL_FRAME = _small(laptop_streams.RGB_TSN, stride=4)
_SMALL_CLIP = _small(replace(laptop_streams.RGB_CLIPS, net=_SMALL_P3D), stride=4)
_SMALL_FRAME_MOTION = _small(
    replace(laptop_streams.FLOW_TSN, net=SmallNet(), sampling=Sampling(sections=3, frames=16)), stride=4
)
_SMALL_CLIP_MOTION = _small(replace(laptop_streams.FLOW_CLIPS, net=_SMALL_P3D), stride=4)
_SMALL_STEPS = Schedule(steps=200, batch_size=16, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01)
LAPTOP = P3dQuantizationConfig(
    frame=_SMALL_FRAME,
    clip=_SMALL_CLIP,
    frame_motion=_SMALL_FRAME_MOTION,
    clip_motion=_SMALL_CLIP_MOTION,
    trajectories=SequenceSource(
        rows=TrajectoryEncoding(
            trajectories=Trajectories(key_points="orb"),
            size=(120, 160),
            codebook=CodebookConfig(words=32, samples=40_000, iterations=30),
            videos_at_most=40,
        )
    ),
    quantization=Quantized(
        dims=32,
        net=QuantizationConfig(hidden=32, code=16),
        schedule=Schedule(steps=600, batch_size=256, optimizer="adam", learning_rate=3e-3, milestones=(450,)),
        samples=50_000,
        videos_at_most=200,
    ),
    proposals=TagRerankingConfig(
        streams=(_SMALL_FRAME, _SMALL_CLIP, _SMALL_FRAME_MOTION, _SMALL_CLIP_MOTION),
        actionness=ActionnessConfig(hidden=64),
        actionness_schedule=_SMALL_STEPS,
        seen=ProposalRows(context=0.5),
        ranker=ActionnessConfig(hidden=64),
        ranker_schedule=_SMALL_STEPS,
    ),
    captions=replace(attribute_captions.LAPTOP, sights=(_SMALL_FRAME, _SMALL_FRAME_MOTION, _SMALL_CLIP_MOTION)),
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, three looks a second, DIS flow, a residual net of
ten narrow layers, a P3D ResNet of 63 layers of an eighth of the width, trajectories with ORB key points and 32 words,
and a generative net of 32 hidden units. The classifier of proposals also sees half a length before and after each,
since narrow nets alone hardly tell a whole instance from a piece of it. The four nets of the proposals differ by what
they see (pictures or flow) rather than by where they were trained before: here colour says little of when something
happens."""

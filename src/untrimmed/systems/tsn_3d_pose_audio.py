"""08: TSN in 2-D and 3-D, pose, audio, UntrimmedNet and SSN (untrimmed and trimmed classification, temporal
localization; rank 2 in all three).

Source: report 08 of the ActivityNet Challenge 2017 (`papers/08-tsn3d-pose-audio-untrimmednet-ssn.txt`).

Recipe:
    frames, TV-L1 flow
      -> BN-Inception, Inception-v3, ResNet-101, ResNet-200, Inception-ResNet-v2; 3 sections of 1 frame or 5 flows
      -> BN-Inception and Inception-v3 with 3-D pools, or 3-D pools and convolutions; 2 sections of 8 or 32 frames
      -> UntrimmedNet: whole videos under their labels, the 3 of 7 sections that score a class highest
           -> its features, soft attention over sections
    key points, 6 a second -> hierarchical pose CNN on 48 steps
    44.1 kHz sound -> log spectrogram as grey pictures -> BN-Inception, 3 sections of 1 patch
      each: classes drawn equally often in training; softmax, mean over 25 positions at test
      -> weighted mean -> class scores
    untrimmed: binary TSN -> actionness -> grouping (TAG) -> proposals, each with a start, a course and an end
      ResNet-101, every 6 frames -> structured pyramid pooling
        -> a: activity (classes and background), completeness, offsets of each class; b: one classifier for both
      -> mean of a and b -> suppression -> moved by their offsets -> detections

Published: T2 error 13.93, T1 top-1 error 9.79 (both test). Kinetics validation, top-1: BN-Inception 69.09 RGB, 62.93
flow (60.55 without and 62.07 with equally drawn classes), Inception-v3 72.51 and 63.07, ResNet-200 70.73; 3-D pools
69.97 without TSN, 71.12 with, 73.83 on Inception-v3; 3-D convolutions 69.64 on 8 frames, 65.68 on 32; pose 20.13 flat,
24.11 hierarchical; audio 19.44 with one patch, 23.10 with 3. ActivityNet 1.3 validation, top-1: BN-Inception RGB 75.44
from ImageNet, 81.95 from Kinetics; UntrimmedNet 81.91. T4, average mAP: validation a 29.20, b 28.00, a and b 29.67;
test BN-Inception a 29.34, ResNet-101 a and b 31.86; ActivityNet 1.2 validation, BN-Inception: from ImageNet 26.81, from
Kinetics 28.57.

Finding: equally drawn classes help; TSN is above one section, in 3-D and on sound; body parts apart are above the whole
body; Kinetics is the better start; UntrimmedNet nears nets that know the instances; b is below a, both together above.

Choices:
    - One ensemble serves both tasks; which models the submitted ones hold, and their weights, is not said: all of the
      tables here, weighted by a search on the validation subset. Its "IR-10" is taken for Inception-ResNet-v2.
    - T1 starts from T2's nets (section 3): `fine_tuned` takes them from the folder of a system fitted on Kinetics and
      freezes batch normalisation but the first; on Kinetics, and without given weights, it learns ("(un)freezing").
    - UntrimmedNet with hard selection is a TSN that sees whole videos: the mean logit of the k sections that score a
      class highest is the top-k consensus, trained end to end. On trimmed clips it is TSN with top-k pooling, which
      section 2.1 names too. Soft selection learns on that net's features, which then stand still; the original trains
      both at once. Report 08 does not say which made its figures, nor k and the sections.
    - Schedules, dropout, the size of pictures, the stride of 3-D clips and the aggregation of T1 at test are not said:
      rates and dropout of TSN (ECCV 2016), its pictures of 256 x 340, continuous frames, means.
    - OpenPose is for research only; key points are torchvision's, in the same 18 joints, of two people. Every fifth
      frame is taken as 6 a second, so that 48 steps are 8 s at any frame rate.
    - SSN is trained end to end in the report; here its nets stand on rows of streams that have learnt the classes
      first, so that the pictures of a video go through a net once. One linear layer on the rows of frames and flow side
      by side takes the place of one a stream whose scores are added. Rows are of centre crops, not the mean of ten.
    - The report repeats SSN in words; its numbers are those of the released program (nets.ssn, localize.ssn_samples,
      field by field), the pyramid that of SSN's paper: the course also in two halves, which the program left out.
      `localize.structured.RELEASED` is the other. The activity classifier sees the course as a whole in both.
    - How a and b are fused is not said: the mean of their scores, b's softmax with class 0, and of their offsets; nor
      whether b has offsets: it has. The hidden layer of b has 1,024 units.
    - Three scores are in use in the released program; its default, softmax over the classes alone, is taken here.
      `scoring` names the others, and `video_classes` looks for the ensemble's best classes alone, as it does on THUMOS.
    - The binary TSN learns its two classes equally often (the program 3 to 9), and suppression measures seconds, not
      frames plus one. Where grouping finds nothing the whole video is the one proposal.
    - The laptop's variant has no pose until `with_pose` adds it: its key points need a net that has been taught.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from untrimmed.aggregate.consensus import TopK
from untrimmed.aggregate.selection import SelectionConfig
from untrimmed.features import laptop_streams
from untrimmed.features.binary_actionness import BinaryActionness
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.feature import Feature
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.key_points import KeyPoints
from untrimmed.features.learned import StreamFeature
from untrimmed.features.members import Member
from untrimmed.features.pose_estimators import SmallPose, TorchvisionPose
from untrimmed.features.row_nets import RowNet
from untrimmed.features.sequences import SequenceSource
from untrimmed.features.spectrograms import SpectrogramImages
from untrimmed.features.ssn_regions import GroupedRegions
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream
from untrimmed.fuse.fusion import AnyFusion, Searched
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.frame_nets import FrameNet
from untrimmed.nets.inflated import INFLATED, Inflated
from untrimmed.nets.pose1d import SMALL_HIERARCHICAL, HierarchicalPose
from untrimmed.nets.resnet import Resnet
from untrimmed.nets.small import Small3d, SmallNet
from untrimmed.nets.ssn import SsnConfig, UnifiedConfig
from untrimmed.nets.zoo import AnyNet
from untrimmed.propose.tag import RELEASED
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.ensemble import EnsembleSystem
from untrimmed.systems.structured import Structured, StructuredConfig, fit_structured, restore_structured
from untrimmed.train import Run, Schedule

_TRAINING = Schedule(
    epochs=50, batch_size=128, learning_rate=1e-3, weight_decay=5e-4, milestones=(20, 40), clip_gradient=20.0
)
_TSN = Stream(
    net=BnInception(),
    images=RgbImages(size=(256, 340)),
    sampling=Sampling(sections=3),
    augmentation=Augmentation(),
    schedule=_TRAINING,
    views=TestViews(positions=25),
    balanced=True,
)
_FLOW = replace(
    _TSN,
    net=BnInception(dropout=0.7),
    images=FlowImages(size=(256, 340), compensated=False),
    sampling=Sampling(sections=3, frames=5),
)
_AUDIO = replace(
    _TSN,
    net=BnInception(dropout=0.7),
    images=SpectrogramImages(),
    augmentation=Augmentation(whole=True, flips=False),
    views=TestViews(positions=25, ten_crop=False),
)
_POSE = RowNet(
    sources=(SequenceSource(rows=KeyPoints(estimator=TorchvisionPose(), per_second=6.0)),),
    head=HierarchicalPose(),
    schedule=_TRAINING,
    window=8.0,  # 48 steps
    balanced=True,
)


def _solid(net: Inflated) -> Stream:
    return replace(_TSN, net=net, sampling=Sampling(sections=2, frames=net.frames))


def _untrimmed(stream: Stream, net: AnyNet) -> Stream:
    """Whole videos, 3 of 7 sections in training, of centre crops, and as large a share of the positions at test."""
    views = replace(stream.views, ten_crop=False)
    counts = (TopK(k=3), TopK(k=max(1, round(views.positions * 3 / 7))))
    sampling = replace(stream.sampling, sections=7)
    changed = replace(stream, net=net, sampling=sampling, views=views, whole_videos=True)
    return replace(changed, consensus=counts[0], test_consensus=counts[1])


def _attention(stream: Stream, *, stride: int, schedule: Schedule) -> RowNet:
    rows = SequenceSource(rows=StreamFeature(stream=stream, stride=stride, learn=True))
    return RowNet(
        sources=(rows,), head=SelectionConfig(mode="soft"), schedule=schedule, balanced=True, whole_videos=True
    )


_INCEPTION_V3 = FrameNet(net="inception_v3")
_RESNET_101 = Resnet(depth=101)
_UNTRIMMED = _untrimmed(_TSN, BnInception())

MEMBERS = (
    Member(name="rgb-bn-inception", classifier=_TSN),
    Member(name="flow-bn-inception", classifier=_FLOW),
    Member(name="rgb-inception-v3", classifier=replace(_TSN, net=_INCEPTION_V3)),
    Member(name="flow-inception-v3", classifier=replace(_FLOW, net=replace(_INCEPTION_V3, dropout=0.7))),
    Member(name="rgb-resnet-101", classifier=replace(_TSN, net=_RESNET_101)),
    Member(name="flow-resnet-101", classifier=replace(_FLOW, net=_RESNET_101)),
    Member(name="rgb-resnet-200", classifier=replace(_TSN, net=Resnet(depth=200))),
    Member(name="rgb-inception-resnet-v2", classifier=replace(_TSN, net=FrameNet(net="inception_resnet_v2"))),
    Member(name="pools-bn-inception", classifier=_solid(INFLATED["08 pools, 8 frames"])),
    Member(name="pools-inception-v3", classifier=_solid(INFLATED["08 pools, Inception-v3"])),
    Member(name="cubes-8-frames", classifier=_solid(INFLATED["08 pools and convolutions, 8 frames"])),
    Member(name="cubes-32-frames", classifier=_solid(INFLATED["08 pools and convolutions, 32 frames"])),
    Member(name="pose", classifier=_POSE),
    Member(name="audio", classifier=_AUDIO),
    Member(name="untrimmed-bn-inception", classifier=_UNTRIMMED),
    Member(name="untrimmed-inception-v3", classifier=_untrimmed(_TSN, _INCEPTION_V3)),
    Member(name="attention-bn-inception", classifier=_attention(_UNTRIMMED, stride=6, schedule=_TRAINING)),
)
"""The models of report 08's tables 1, 2, 3, 5, 6, 8, 9 and 10."""


def _rows(*streams: Stream, stride: int) -> tuple[SequenceSource, ...]:
    return tuple(SequenceSource(rows=StreamFeature(stream=one, stride=stride, learn=True)) for one in streams)


def _binary(*streams: Stream, stride: int) -> BinaryActionness:
    return BinaryActionness(
        streams=tuple(
            StreamFeature(stream=replace(one, sampling=replace(one.sampling, sections=5)), stride=stride, learn=True)
            for one in streams
        )
    )


SSN = StructuredConfig(
    sources=_rows(replace(_TSN, net=_RESNET_101), replace(_FLOW, net=_RESNET_101), stride=6),
    regions=GroupedRegions(actionness=_binary(_TSN, _FLOW, stride=5)),
    nets=(SsnConfig(), UnifiedConfig()),
    net_weights=(1.0, 1.0),
)
"""Models a and b of section 4 on ResNet-101; the binary TSN has BN-Inception, 5 sections and a score every 5 frames, as
in the released program."""


@dataclass(frozen=True, kw_only=True)
class Tsn3dPoseAudioConfig:
    """Configuration of system 08 in its three tasks."""

    members: tuple[Member, ...] = MEMBERS
    """The models of the ensemble. The paper does not say which those are that it submitted."""
    fusion: AnyFusion = field(default_factory=Searched)
    """From their scores to the answer: weights that do best on the validation subset. The paper does not say."""
    localization: StructuredConfig = SSN
    """What untrimmed videos are searched with; trimmed clips need none. Section 4."""


class Tsn3dPoseAudio(EnsembleSystem[Tsn3dPoseAudioConfig]):
    """System 08."""

    number: ClassVar[int] = 8
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION, Task.RECOGNITION, Task.LOCALIZATION})
    config_class = Tsn3dPoseAudioConfig

    _structured: Structured | None = None

    def features(self) -> tuple[Feature, ...]:
        """What the members are measured with, and the nets that localize."""
        own = self._structured.features if self._structured is not None else ()
        return tuple(dict.fromkeys([*super().features(), *own]))

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the members and their fusion; on untrimmed videos then the nets that localize."""
        super().fit(dataset, store=store, run=run)
        self._structured = None
        if not dataset.trimmed:
            self._structured = fit_structured(self.config.localization, dataset, store=store, run=run)

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores of sum 1; if untrimmed videos were learnt from, proposals and detections too."""
        if self._structured is None:
            yield from super().predict(videos, store=store)
            return
        there = {video.video_id for video in self._structured.ready(videos, store=store)}
        for answer in super().predict(videos, store=store):
            yield self._structured.added(answer, store=store) if answer.video.video_id in there else answer

    def localized(
        self, videos: Sequence[Video], *, store: FeatureStore, localization: StructuredConfig | None = None
    ) -> Iterator[Prediction]:
        """Proposals and detections alone, without the members.

        Args:
            videos: what to search.
            store: of features.
            localization: another configuration of what happens at test: net_weights (1, 0) for model a alone, (0, 1)
                for b, other scores, no regression.

        Raises:
            NotTrained: when the system has learnt from trimmed clips, or nothing.
        """
        if self._structured is None:
            raise NotTrained("system 08 localizes once it has been fitted on untrimmed videos")
        structured = replace(self._structured, config=localization or self.config.localization)
        for video in structured.ready(videos, store=store):
            yield structured.added(Prediction(video=video), store=store)

    def save(self, folder: Path) -> None:
        """Configuration, labels, all that was learnt, and the files that features are measured with."""
        tables = self._structured.tables() if self._structured is not None else {}
        self._write(folder, tables=tables, extra={"localizes": self._structured is not None})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        system, extra, tables = cls._read(folder)
        if extra.get("localizes"):
            system._structured = restore_structured(system.config.localization, system.labels, tables, folder=folder)
        return system


def fine_tuned(config: Tsn3dPoseAudioConfig, folder: Path) -> Tsn3dPoseAudioConfig:
    """The same system whose streams start from those of a trained one, with batch normalisation frozen but the first.

    Args:
        config: what is to be trained, on ActivityNet.
        folder: what save wrote of a system with members of the same names, trained on Kinetics.

    Raises:
        DataError: when the folder has none of the streams.

    Source: report 08, section 3 and table 8; TSN, section 3.2 (partial batch normalisation).
    """

    streams: dict[Stream, Stream] = {}
    for member in config.members:
        weights = folder / f"net-{member.name}.safetensors"
        if isinstance(member.classifier, Stream) and weights.is_file():
            net = replace(member.classifier.net, weights=weights)
            streams[member.classifier] = replace(member.classifier, net=net, partial_batch_norm=True)
    if not streams:
        names = ", ".join(member.name for member in config.members if isinstance(member.classifier, Stream))
        raise DataError(f"{folder} must hold trained streams to start from, any of {names}, got none")

    def source(given: SequenceSource) -> SequenceSource:
        rows = given.rows
        if isinstance(rows, StreamFeature):
            rows = replace(rows, stream=streams.get(rows.stream, rows.stream))
        return replace(given, rows=rows)

    def started(member: Member) -> Member:
        one = member.classifier
        if isinstance(one, Stream):
            return replace(member, classifier=streams.get(one, one))
        if isinstance(one, RowNet):
            return replace(member, classifier=replace(one, sources=tuple(source(given) for given in one.sources)))
        return member

    return replace(config, members=tuple(started(member) for member in config.members))


_SMALL_TRAINING = laptop_streams.SCHEDULE
_SMALL_TSN = replace(laptop_streams.RGB_TSN, balanced=True)
_SMALL_FLOW = replace(laptop_streams.FLOW_TSN, balanced=True)
_SMALL_AUDIO = replace(
    _SMALL_TSN,
    net=SmallNet(input_size=(64, 64)),
    images=SpectrogramImages(rate=22050, size=(64, 64), stride=16),
    augmentation=Augmentation(whole=True, flips=False),
)
_SMALL_UNTRIMMED = replace(
    _untrimmed(_SMALL_TSN, SmallNet()), schedule=replace(_SMALL_TRAINING, batch_size=16), balanced=True
)

_SMALL_SSN = replace(
    SSN,
    sources=_rows(_SMALL_TSN, _SMALL_FLOW, stride=3),
    regions=GroupedRegions(
        actionness=_binary(_SMALL_TSN, _SMALL_FLOW, stride=3), rule=replace(RELEASED, sigma_steps=1.5)
    ),
    nets=(SsnConfig(dropout=0.5), UnifiedConfig(dropout=0.5, hidden=128)),
    schedule=replace(_SMALL_TRAINING, batch_size=16),
)

LAPTOP = Tsn3dPoseAudioConfig(
    members=(
        Member(name="rgb", classifier=_SMALL_TSN),
        Member(name="flow", classifier=_SMALL_FLOW),
        Member(
            name="cubes",
            classifier=replace(
                _SMALL_TSN,
                net=Small3d(frames=8),
                sampling=Sampling(sections=2, frames=8),
                schedule=replace(_SMALL_TRAINING, batch_size=16),
            ),
        ),
        Member(name="audio", classifier=_SMALL_AUDIO),
        Member(name="untrimmed", classifier=_SMALL_UNTRIMMED),
        Member(name="attention", classifier=_attention(_SMALL_UNTRIMMED, stride=6, schedule=_SMALL_TRAINING)),
    ),
    localization=_SMALL_SSN,
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow, residual nets of ten narrow layers, 300
steps a member."""


def with_pose(config: Tsn3dPoseAudioConfig, weights: Path) -> Tsn3dPoseAudioConfig:
    """The laptop's variant and a hierarchical pose CNN on the key points of a small net that has been taught.

    Args:
        config: LAPTOP, or another without a pose member.
        weights: of the small net of key points.
    """
    rows = SequenceSource(rows=KeyPoints(estimator=SmallPose(), weights=weights, per_second=6.0))
    pose = replace(_POSE, sources=(rows,), head=SMALL_HIERARCHICAL, schedule=_SMALL_TRAINING)
    return replace(config, members=(*config.members, Member(name="pose", classifier=pose)))

"""06: TSN and C3D compared, with camera motion removed (untrimmed and trimmed classification; no rank).

Source: report 06 of the ActivityNet Challenge 2017 (`papers/06-tsn-and-c3d-comparison.txt`).

Recipe:
    frames, compensated TV-L1 flow, 128 x 171
      -> rgb_tsn   BN-Inception, 3 sections of 1 frame            -> softmax, mean over 25 positions and ten crops
      -> flow_tsn  BN-Inception, 3 sections of 5 stacked flows    -> the same
      -> rgb_c3d   C3D 112, 16 frames                             -> softmax, mean over clips
      -> flow_c3d  C3D 112, 16 flows                              -> the same
      -> rgb_ltc   C3D layers, 112, 32 frames, max over time      -> the same
      -> flow_ltc  C3D layers, 112, 32 flows, max over time       -> the same
    the scores of the submitted streams -> late fusion -> class scores

Published: ActivityNet 1.3 validation, top-1: rgb_tsn 72.73, flow_tsn 53.40, rgb_c3d 65.36, flow_c3d 48.27. Test with
rgb_ltc alone: about 34 % top-1 error on ActivityNet, 30 % mean of top-1 and top-5 error on Kinetics (the text says
"about 34% top-1" without saying of what; 65 % accuracy of its smaller sibling makes it an error). Parameters at 101
classes: BN-Inception 10,373,765, C3D 78,409,573.

Finding: RGB is above compensated flow; the 2-D net is above the 3-D one; a longer clip helps, most of all flow.

Choices:
    - Where the paper is silent the schedules are those of the papers it cites: TSN (Wang et al., ECCV 2016, section
      4.1) and C3D (Tran et al., ICCV 2015, section 3.1); it names no length, rate or batch size.
    - Pretrained weights (ImageNet, Sports-1M) are files that the user names in each net's `weights`; without them the
      nets start at random.
    - Untrimmed videos are learnt from their annotated instances and scored as a whole; the paper does not say.
    - Which streams are fused besides the submitted one is not said; a two-stream mean has equal weights here.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from torch.nn import Module

from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, fit_stream, stream_scores
from untrimmed.fuse.weights import weighted_mean
from untrimmed.nets.backbone import Backbone, fill
from untrimmed.nets.bn_inception import BnInception
from untrimmed.nets.c3d import C3d, Ltc
from untrimmed.nets.small import Small3d
from untrimmed.nets.zoo import AnyNet
from untrimmed.records import ClassScores, DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.train import Run, Schedule

log = logging.getLogger(__name__)

StreamName = Literal["rgb_tsn", "flow_tsn", "rgb_c3d", "flow_c3d", "rgb_ltc", "flow_ltc"]
ALL_STREAMS: tuple[StreamName, ...] = ("rgb_tsn", "flow_tsn", "rgb_c3d", "flow_c3d", "rgb_ltc", "flow_ltc")

_TSN_TRAINING = Schedule(
    steps=4500, batch_size=256, learning_rate=1e-3, weight_decay=5e-4, milestones=(2000, 4000), clip_gradient=40.0
)
_TSN_FLOW_TRAINING = replace(
    _TSN_TRAINING, steps=20000, learning_rate=5e-3, milestones=(12000, 18000), clip_gradient=20.0
)
_C3D_TRAINING = Schedule(epochs=16, batch_size=30, learning_rate=3e-3, weight_decay=5e-4, milestones=(4, 8, 12))


def _tsn(net: AnyNet, images: RgbImages | FlowImages, *, frames: int, schedule: Schedule) -> Stream:
    return Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=3, frames=frames),
        augmentation=Augmentation(resized_to=(256, 340)),
        schedule=schedule,
        views=TestViews(positions=25, ten_crop=True),
    )


def _c3d(net: AnyNet, images: RgbImages | FlowImages, *, frames: int) -> Stream:
    return Stream(
        net=net,
        images=images,
        sampling=Sampling(sections=1, frames=frames),
        augmentation=Augmentation(),
        schedule=_C3D_TRAINING,
        views=TestViews(positions=10, ten_crop=False),
    )


@dataclass(frozen=True, kw_only=True)
class TsnAndC3dConfig:
    """The six streams of report 06 and which of them answer."""

    rgb_tsn: Stream = _tsn(BnInception(dropout=0.8), RgbImages(), frames=1, schedule=_TSN_TRAINING)  # noqa: RUF009
    """BN-Inception on single frames, 3 sections; section 2, "Input". Schedule of TSN's spatial net."""
    flow_tsn: Stream = _tsn(BnInception(dropout=0.7), FlowImages(), frames=5, schedule=_TSN_FLOW_TRAINING)  # noqa: RUF009
    """BN-Inception on 5 stacked flows; section 2, "Input". Schedule of TSN's temporal net."""
    rgb_c3d: Stream = _c3d(C3d(), RgbImages(), frames=16)  # noqa: RUF009
    """C3D on 16 continuous frames, "rgb-C3D-size112-len16"."""
    flow_c3d: Stream = _c3d(C3d(), FlowImages(), frames=16)  # noqa: RUF009
    """C3D on 16 continuous flows, "flow-C3D-size112-len16"."""
    rgb_ltc: Stream = _c3d(Ltc(), RgbImages(), frames=32)  # noqa: RUF009
    """C3D's layers on 32 frames, "rgb-LTC-maxpool-size112-len32"."""
    flow_ltc: Stream = _c3d(Ltc(), FlowImages(), frames=32)  # noqa: RUF009
    """C3D's layers on 32 flows; section 3 says that a longer clip helps flow most."""
    trained: tuple[StreamName, ...] = ALL_STREAMS
    """Streams that fit trains, "individually" (section 2)."""
    submitted: tuple[StreamName, ...] = ("rgb_ltc",)
    """Streams whose scores are the answer; section 3 submits the LTC alone."""
    weights: tuple[float, ...] | None = None
    """Of the submitted streams in late fusion; None weighs them equally. The paper does not say."""

    def __post_init__(self) -> None:
        missing = [name for name in self.submitted if name not in self.trained]
        if missing or not self.submitted:
            raise DataError(f"submitted streams must be among the trained {self.trained}, got {self.submitted}")
        if self.weights is not None and len(self.weights) != len(self.submitted):
            raise DataError(f"late fusion needs {len(self.submitted)} weights, got {self.weights}")

    def stream(self, name: StreamName) -> Stream:
        """One stream by name."""
        stream: Stream = getattr(self, name)
        return stream


class TsnAndC3d(System[TsnAndC3dConfig]):
    """System 06."""

    number: ClassVar[int] = 6
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION, Task.RECOGNITION})

    def __init__(self, config: TsnAndC3dConfig) -> None:
        super().__init__(config)
        self._labels: tuple[str, ...] = ()
        self._nets: dict[StreamName, Backbone] = {}

    def features(self) -> tuple[Feature, ...]:
        """The pictures of the submitted streams."""
        return self._images(self.config.submitted)

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train every stream by itself on the training subset."""
        videos = [video for video in dataset.videos if video.subset != "testing"]
        extract(self._images(self.config.trained), videos, store=store, progress=run.progress)
        nets = {}
        for name in self.config.trained:
            nets[name] = fit_stream(self.config.stream(name), dataset, store=store, run=run, name=name)
            log.info("stream %s is trained", name)
        self._labels, self._nets = dataset.labels, nets

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores that sum to 1, the fusion of the submitted streams."""
        self._check()
        extract(self.features(), videos, store=store)
        for video in videos:
            if not all(store.has(images, video.video_id) for images in self.features()):
                log.warning("video %s is left out: its pictures could not be extracted", video.video_id)
                continue
            rows = np.stack([self.scores(name, video, store=store) for name in self.config.submitted])
            fused = weighted_mean(rows, self.config.weights)
            scores = dict(zip(self._labels, fused.tolist(), strict=True))
            yield Prediction(video=video, classes=ClassScores(scores))

    def scores(self, name: StreamName, video: Video, *, store: FeatureStore) -> np.ndarray:
        """What one stream says of a video whose pictures are in the store: (classes,) in the order of `labels`."""
        self._check()
        return next(stream_scores(self._nets[name], self.config.stream(name), [video.video_id], store=store))[1]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of scores."""
        self._check()
        return self._labels

    def save(self, folder: Path) -> None:
        """Write configuration, labels and the nets."""
        self._check()
        extra = {"labels": list(self._labels)}
        nets: dict[str, Module] = dict(self._nets.items())
        save_system(folder, system=type(self).__name__, config=self.config, modules=nets, extra=extra)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=TsnAndC3dConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        for name in config.trained:
            net = system.config.stream(name).build(classes=len(system._labels), pretrained=False)
            fill(net, tables.get(name, {}), where=folder / f"{name}.safetensors")
            system._nets[name] = net.eval()
        return system

    def _images(self, names: Sequence[StreamName]) -> tuple[Feature, ...]:
        return tuple(dict.fromkeys(self.config.stream(name).images for name in names))

    def _check(self) -> None:
        if not self._nets:
            raise NotTrained("system 06 (TSN and C3D) must be fitted or loaded first")


def _longer(stream: Stream) -> Stream:
    net = Small3d(frames=32, input_size=(40, 40))
    return replace(stream, net=net, sampling=Sampling(sections=1, frames=32))


LAPTOP = TsnAndC3dConfig(
    rgb_tsn=laptop_streams.RGB_TSN,
    flow_tsn=laptop_streams.FLOW_TSN,
    rgb_c3d=laptop_streams.RGB_CLIPS,
    flow_c3d=laptop_streams.FLOW_CLIPS,
    rgb_ltc=_longer(laptop_streams.RGB_CLIPS),
    flow_ltc=_longer(laptop_streams.FLOW_CLIPS),
    submitted=ALL_STREAMS,
)
"""The variant for two cores: 64 x 86 pictures twelve times a second, DIS flow, residual nets of ten narrow layers, 300
steps a stream, and all six streams fused. It differs from the report in everything but the composition."""

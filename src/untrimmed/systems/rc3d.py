"""20: R-C3D, the region convolutional 3-D network (temporal localization; "most innovative").

Source: report 20 of the ActivityNet Challenge 2017 (`papers/20-r-c3d.txt`), which is Xu, Das and Saenko, R-C3D, ICCV
2017.

Recipe:
    frames 112 x 112 -> buffers of 768 -> C3D conv1a to conv5b -> 512 x L/8 x 7 x 7, shared
    shared -> 3x3x3 convolution, maximum over the area -> K anchors a step: score, (centre, log length)
           -> suppression at 0.7 -> proposals
    shared, proposals -> 3-D region pooling 1x4x4 -> two hidden layers -> K + 1 classes, (centre, log length)
           -> suppression of each class at (evaluated tIoU - 0.1) -> detections
    all four losses together; C3D first learns to classify clips

Published: THUMOS'14 mAP at 0.1 to 0.5: one-way buffers 51.6/49.2/42.8/33.4/27.0, two-way 54.5/51.5/44.8/35.6/28.9;
ActivityNet 1.3 mAP at 0.5 26.8 (validation), average mAP 12.7 (validation), 16.7 (test, trained on both parts);
Charades 12.4, 12.7 with post-processing, mAP at 0.5 9.3; proposals at tIoU 0.7: precision 85, recall 83; 569 frames a
second on a Titan X Maxwell, 1,030 on a Pascal.

Finding: two-way buffers are above one-way; one pass from frames is faster than sliding windows.

Choices:
    - Scales are the paper's. The released ActivityNet net has 37 of 1 to 100 steps, and reads one frame of 8, 3.1 a
      second; see `nets.rc3d.Rc3dNetConfig`, field by field, for where paper and code differ.
    - Offsets are learnt for each class, as in Faster R-CNN and the released code; the paper does not say.
    - Annotated segments are among the proposals in training (Faster R-CNN's and the released code's way); else a young
      proposal subnet would give the classifier nothing but background.
    - A smooth L1 loss is divided by the number of anchors or proposals drawn, as the released code does; equation 1
      says "the number of anchor/proposal segments", and may mean all.
    - The backward pass of two-way buffers slides from the end; frames keep their order.
    - NMS at (evaluated tIoU - 0.1) gives one set of detections for each threshold. Where one set must serve all, as in
      a submission, it is made for `evaluated_tiou`, 0.5: NMS at 0.4, as in the released code. `detections` makes the
      others.
    - Each buffer is suppressed by itself first, so that what is held of a long video is little; then all together.
    - C3D's start (Sports-1M; for THUMOS'14 fine-tuned on UCF101) is a file in the trunk's `weights`; without it the net
      starts at random. Lengths and rates of fine-tuning on clips are C3D's (Tran et al., section 3.1).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch

from untrimmed.configs import content_hash
from untrimmed.features import laptop_streams
from untrimmed.features.buffers import Buffering, video_buffers
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews, opened
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.labelled_buffers import BufferSet, labelled_buffers
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, fit_stream, training_name
from untrimmed.nets.backbone import fill
from untrimmed.nets.c3d import C3d
from untrimmed.nets.rc3d import STEP_FRAMES, Rc3dNet, Rc3dNetConfig
from untrimmed.nets.rc3d_losses import joint_loss
from untrimmed.propose.suppress import HardNms, suppress
from untrimmed.records import DataError, Dataset, Detection, NotTrained, Prediction, Proposal, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import clip_segments
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

_CLIPS = Schedule(epochs=16, batch_size=30, learning_rate=3e-3, weight_decay=5e-4, milestones=(4, 8, 12))
_TRAINING = Schedule(epochs=15, batch_size=1, learning_rate=1e-4, weight_decay=5e-4, milestones=(10,))


@dataclass(frozen=True, kw_only=True)
class Rc3dConfig:
    """Configuration of system 20; the defaults are those of ActivityNet."""

    images: RgbImages | FlowImages = RgbImages(size=(128, 171), per_second=3)  # noqa: RUF009
    """Frames, 3 a second; section 4.2. The paper gives the crop, 112 x 112, the released code the size."""
    net: Rc3dNetConfig = Rc3dNetConfig()  # noqa: RUF009
    """Trunk, anchors, regions."""
    buffering: Buffering = Buffering()  # noqa: RUF009
    """How videos become buffers."""
    clip_schedule: Schedule | None = _CLIPS
    """Of the trunk's training as a C3D on clips of the annotated segments, which precedes; section 4.2. None leaves it
    out. The paper does not say how long."""
    schedule: Schedule = _TRAINING
    """1e-4 for 10 epochs, 1e-5 for 5; section 4.2. Batch and decay: the paper does not say, the released code's."""
    least_score: float = 0.005
    """Lower scores are no detections; the paper does not say, the released code's."""
    evaluated_tiou: float = 0.5
    """Detections are suppressed for this evaluation, at 0.1 less; section 3.5."""
    refined: bool = True
    """Whether the classification subnet moves the proposals; section 3.5."""
    buffers_at_once: int = 1
    """Buffers that the net sees together at test."""

    def classifier(self) -> Stream:
        """The trunk as a C3D on clips."""
        return Stream(
            net=self.net.trunk,
            images=self.images,
            sampling=Sampling(sections=1, frames=self.net.trunk.frames, stride=self.buffering.every),
            augmentation=Augmentation(flips=self.buffering.flips, whole=self.buffering.whole),
            schedule=self.clip_schedule or _CLIPS,
            views=TestViews(positions=10, ten_crop=False),
        )


class Rc3d(System[Rc3dConfig]):
    """System 20."""

    number: ClassVar[int] = 20
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.LOCALIZATION})

    _net: Rc3dNet | None = None
    _labels: tuple[str, ...]

    def features(self) -> tuple[Feature, ...]:
        """The pictures."""
        return (self.config.images,)

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train C3D on clips, then the whole net on buffers."""
        config = self.config
        known = [annotation.video for annotation in dataset.subset("training").annotations if annotation.instances]
        if not known or dataset.trimmed:
            raise DataError(
                f"system 20 learns from segments of untrimmed videos, but training videos of {dataset.name} have none"
            )
        extract(self.features(), known, store=store, progress=run.progress)
        backbone = None
        if config.clip_schedule is not None:
            clips = config.classifier()
            backbone = fit_stream(clips, dataset, store=store, run=run, name=training_name(clips))
        buffers = labelled_buffers(dataset, config.buffering, images=config.images, store=store)
        if not buffers:
            raise DataError(f"no buffer of {dataset.name} holds enough of an instance to learn from")
        torch.manual_seed(run.seed)
        net = config.net.build(classes=len(dataset.labels), channels=config.images.channels)
        if backbone is not None:
            net.start_from(backbone.cpu())
        size = config.net.trunk.input_size
        items = BufferSet(buffers, config.buffering, images=config.images, store=store, size=size)
        learnt = (config.images, config.clip_schedule, config.net, config.buffering, config.schedule)
        fit(net, items, joint_loss, schedule=config.schedule, run=run, name=f"rc3d-{content_hash(learnt)}")
        self._net, self._labels = net, dataset.labels

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Proposals, and detections for `evaluated_tiou`."""
        self._fitted()
        extract(self.features(), videos, store=store)
        for video in videos:
            if not store.has(self.config.images, video.video_id):
                log.warning("video %s is left out: its pictures could not be extracted", video.video_id)
                continue
            yield self.detections(video, store=store)

    def detections(self, video: Video, *, store: FeatureStore, evaluated_tiou: float | None = None) -> Prediction:
        """What is found in a video whose pictures are in the store.

        Args:
            video: the video.
            store: where its pictures are.
            evaluated_tiou: the overlap at which the detections will be evaluated; None takes the configuration's.
        """
        net, config = self._fitted(), self.config
        wanted = config.evaluated_tiou if evaluated_tiou is None else evaluated_tiou
        rule = HardNms(tiou=max(0.0, wanted - 0.1), per_class=True)
        images = opened(store, config.images, video.video_id)
        size, buffering = config.net.trunk.input_size, config.buffering
        length, device = buffering.length(len(images)), net.mean.device
        places, sure = [np.zeros((0, 2))], [np.zeros(0)]
        segments, scores, classes = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0, np.int64)]
        net.eval()
        for spans, frames in video_buffers(images, buffering, size=size, at_once=config.buffers_at_once):
            contents = torch.from_numpy((spans[:, 1] - spans[:, 0]).astype(np.float32))
            with torch.inference_mode():
                every = net(torch.from_numpy(frames).to(device), contents)
            for (first, _), found in zip(spans.tolist(), every, strict=True):
                places.append(first + STEP_FRAMES * found.proposals.segments)
                sure.append(found.proposals.scores)
                rows, labels = np.nonzero(found.probabilities >= config.least_score)
                chosen = found.refined[rows, labels] if config.refined else found.proposals.segments[rows]
                own, chance = first + STEP_FRAMES * chosen, found.probabilities[rows, labels]
                real = own[:, 0] < own[:, 1]
                kept = suppress(own[real], chance[real], rule, labels=labels[real])
                segments.append(kept.segments)
                scores.append(kept.scores)
                classes.append(labels[real][kept.indices])
        left = suppress(np.concatenate(places), np.concatenate(sure), HardNms(tiou=config.net.proposal_tiou))
        best = suppress(np.concatenate(segments), np.concatenate(scores), rule, labels=np.concatenate(classes))

        def seconds(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return clip_segments(buffering.to_seconds(np.clip(some, 0, length), images.grid), video.duration)

        proposals, indices = seconds(left.segments)
        detected, numbers = seconds(best.segments)
        names = np.concatenate(classes)[best.indices[numbers]]
        return Prediction(
            video=video,
            proposals=tuple(
                Proposal((float(start), float(end)), float(score))
                for (start, end), score in zip(proposals, left.scores[indices], strict=True)
            ),
            detections=tuple(
                Detection((float(start), float(end)), float(score), self._labels[name])
                for (start, end), score, name in zip(detected, best.scores[numbers], names, strict=True)
            ),
        )

    def save(self, folder: Path) -> None:
        """Configuration, labels, the net."""
        net = self._fitted()
        extra = {"labels": list(self._labels)}
        save_system(folder, system=type(self).__name__, config=self.config, modules={"rc3d": net}, extra=extra)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=Rc3dConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        net = config.net.build(classes=len(system._labels), channels=config.images.channels, pretrained=False)
        fill(net, tables.get("rc3d", {}), where=folder / "rc3d.safetensors")
        system._net = net.eval()
        return system

    def _fitted(self) -> Rc3dNet:
        if self._net is None:
            raise NotTrained("system 20 (R-C3D) must be fitted or loaded first")
        return self._net


ACTIVITYNET = Rc3dConfig()
"""3 frames a second, 20 scales, two convolutions frozen; section 4.2."""
THUMOS14 = Rc3dConfig(
    images=RgbImages(size=(128, 171), per_second=25),
    net=Rc3dNetConfig(scales=(2, 4, 5, 6, 8, 9, 10, 12, 14, 16), frozen=0),
    buffering=Buffering(flips=False),
    clip_schedule=None,
    schedule=replace(_TRAINING, milestones=()),
)
"""25 frames a second, 10 scales, no mirroring, all layers learn at 1e-4 (how long is not said), and C3D comes
fine-tuned on UCF101; section 4.1."""
CHARADES = Rc3dConfig(
    images=RgbImages(size=(128, 171), per_second=5),
    net=Rc3dNetConfig(scales=(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48)),
)
"""5 frames a second, 18 scales; section 4.3."""
LAPTOP = Rc3dConfig(
    images=laptop_streams.FLOW,
    net=Rc3dNetConfig(
        trunk=C3d(frames=16, input_size=(48, 48), width=8, hidden=128, dropout=(0.3, 0.3)),
        scales=(2, 3, 4, 6, 8, 10, 12, 16, 20),
        dropout=0.3,
        fill=True,
        offset_scale=(0.1, 0.2),
        proposals=100,
    ),
    buffering=Buffering(frames=192, every=2, stride_frames=48, test_stride_frames=96, whole=True),
    clip_schedule=laptop_streams.CLIP_SCHEDULE,
    schedule=Schedule(
        steps=250,
        batch_size=4,
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=0.01,
        decay="cosine",
        warmup_steps=20,
    ),
    buffers_at_once=4,
)
"""The variant for two cores: an eighth of C3D's width, 48 x 48 pixels, six fields of flow a second, buffers of 32
seconds that overlap by half.

Without pretraining, 80 videos teach C3D hardly a class from frames: after all its steps the loss on clips is 2.7 (3.0
at first), from flow 2.2. On the playground's validation part, one-way, seed 0: mAP at 0.5 0.9 and average mAP 0.3 with
frames, 5.3 and 2.0 with flow; AUC of the proposals 58.3 and 59.2."""

"""07: multi-scale 3-D CNN proposals (untrimmed classification; trimmed recognition; temporal proposals).

Source: report 07 of the ActivityNet Challenge 2017 (`papers/07-multiscale-3dcnn-proposals.txt`).

Recipe:
    about one centre: 16, 128, 1,024 and 8,192 frames, each thinned to 16 of 112 x 112 -> a C3D or 3-D ResNet-34 each
    their last features side by side -> actionness, begin (from the centre, over the duration), log duration
    samples above 0.7 of overlap : below 0.3 = 1 : 1 -> cross-entropy + smooth L1
    a sliding window over the video -> threshold -> non-maximum suppression -> proposals
    T1 and T2: the same 3-D nets with a softmax -> its mean over clips of 16 frames that do not overlap

Published: ActivityNet 1.3: top-1 61.0 (C3D, validation), 64.8 and 65.3 (ResNet, validation and test); Kinetics: 68.9,
mean of top-1 and top-5 (ResNet, test); proposals, area under AR-AN: 51.6 and 51.7 (C3D, validation and test). The
organisers' random proposals reach 44.9.

Finding: the proposals are above random ones; ResNet-34 is above C3D in classification.

Choices:
    - What overlaps how: "the overlap ratio is calculated using the smallest scale". As tIoU a sample of 16 frames could
      be positive for actions of less than 23 frames alone; so it is the share of the sample that lies inside the
      action, and the net learns to tell the whole action from a moment of it. `clips.overlap` offers the other.
    - The class label that the report speaks of is action or none, since the net outputs an "actionness score".
    - The nets of the scales have weights of their own (`net.shared` offers the other); they see the first or last
      picture beyond the ends of a video (`clips.padding`). The report's figure may say; its text does not.
    - Stride of the window, threshold and suppression are not said; see the fields. A video's windows are of all its
      pictures, the last one moved back to end with it.
    - The loss of the begin and the duration is Fast R-CNN's: over all samples of a batch, times lambda = 1.
    - Training clips of the classifier are cut from corners and centre (TSN's way); the report names the centre, which
      the proposals and the tests have.
    - Where ResNet-34 changes its width the shortcut is a convolution; the report does not say.
    - Sports-1M's and Kinetics' weights are files in the nets' `weights`; without one they start at random, or from
      the classifier (`start_from_classes`).
    - A video is as many clips as fit without overlap, evenly spread, so that no end is favoured.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float

from untrimmed.configs import content_hash
from untrimmed.features import laptop_streams
from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews, opened
from untrimmed.features.extract import extract
from untrimmed.features.feature import Feature
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.multi_scale_clips import CentredClips, SampleSet, sampled_videos, video_samples
from untrimmed.features.store import FeatureStore
from untrimmed.features.streams import Stream, fit_stream, stream_scores, training_name
from untrimmed.nets.backbone import Backbone, fill
from untrimmed.nets.multi_scale import MultiScale, MultiScaleNet, Resnet3d, joint_loss
from untrimmed.nets.small import Small3d
from untrimmed.propose.centred import decode
from untrimmed.propose.suppress import HardNms, Rule, suppress
from untrimmed.records import ClassScores, DataError, Dataset, NotTrained, Prediction, Proposal, Task, Video
from untrimmed.systems.saving import labels_of, load_system, save_system
from untrimmed.systems.system import System
from untrimmed.timeline import clip_segments
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

_TRAINING = Schedule(epochs=20, batch_size=32, learning_rate=1e-3, weight_decay=5e-4, milestones=(10, 15))

_CLASSIFIER = Stream(
    net=Resnet3d(),
    images=RgbImages(),
    sampling=Sampling(sections=1, frames=16),
    augmentation=Augmentation(),
    schedule=_TRAINING,
    views=TestViews(positions=1, ten_crop=False),
)


@dataclass(frozen=True, kw_only=True)
class MultiScaleProposalsConfig:
    """Configuration of system 07: ResNet-34 for classes, C3D for proposals, as in table 1."""

    classifier: Stream = _CLASSIFIER
    """Of T1 and T2, on clips of 16 frames; section 3. At test its `views` do not count: clips do not overlap. How long
    it is trained and how: the paper says SGD with momentum and no more."""
    images: RgbImages | FlowImages = RgbImages()  # noqa: RUF009
    """What proposals are made from: every frame, at the size of report 06, whose centre of 112 x 112 is cut out."""
    clips: CentredClips = CentredClips()  # noqa: RUF009
    """The clips about a centre."""
    net: MultiScale = MultiScale()  # noqa: RUF009
    """What looks at them."""
    schedule: Schedule = _TRAINING
    """Of the joint net's training: SGD with momentum (section 2); the paper does not say more. An epoch has a positive
    and a negative sample for each instance; an even batch holds as many of both."""
    start_from_classes: bool = False
    """Start the joint net's backbones from the trained classifier, which must be the same net; the paper starts from
    Sports-1M."""
    least_score: float = 0.1
    """Lower actionness is no proposal; the paper does not say."""
    rule: Rule = HardNms(tiou=0.7, most=100)  # noqa: RUF009
    """Which proposals are suppressed; the paper says "non-maximum suppression". 100 count in the evaluation."""
    samples_at_once: int = 8
    """Samples that the net sees together at test."""

    def __post_init__(self) -> None:
        if self.clips.frames != self.net.backbone.frames:
            raise DataError(
                f"clips of system 07 must have the {self.net.backbone.frames} frames that its "
                f"{type(self.net.backbone).__name__} takes, got {self.clips.frames}"
            )
        if self.start_from_classes and self.net.backbone != self.classifier.net:
            raise DataError("system 07 can start from its classifier only where both are the same net")


class MultiScaleProposals(System[MultiScaleProposalsConfig]):
    """System 07."""

    number: ClassVar[int] = 7
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CLASSIFICATION, Task.RECOGNITION, Task.PROPOSALS})

    _labels: tuple[str, ...]
    _classifier: Backbone | None = None
    _proposer: MultiScaleNet | None = None

    def features(self) -> tuple[Feature, ...]:
        """The pictures; once fitted on trimmed clips, those of the classifier alone."""
        pictures: tuple[Feature, ...] = (self.config.classifier.images,)
        if self._classifier is None or self._proposer is not None:
            pictures += (self.config.images,)
        return tuple(dict.fromkeys(pictures))

    def fit(self, dataset: Dataset, *, store: FeatureStore, run: Run) -> None:
        """Train the classifier; then, on untrimmed videos, the joint net."""
        config = self.config
        known = [one.video for one in dataset.annotations if one.labels and one.video.subset != "testing"]
        extract((config.classifier.images,), known, store=store, progress=run.progress)
        name = training_name(config.classifier)
        classifier = fit_stream(config.classifier, dataset, store=store, run=run, name=name)
        proposer = None
        if not dataset.trimmed:
            training = [video for video in known if video.subset == "training"]
            extract((config.images,), training, store=store, progress=run.progress)
            videos = sampled_videos(dataset, config.clips, images=config.images, store=store)
            torch.manual_seed(run.seed)
            proposer = self._built(pretrained=True)
            if config.start_from_classes:
                proposer.start_from(classifier)
            start = config.classifier if config.start_from_classes else None
            name = f"proposals-{content_hash((config.net, config.clips, config.images, config.schedule, start))}"
            items = SampleSet(videos, config.clips, images=config.images, store=store, size=proposer.input_size)
            fit(proposer, items, joint_loss, schedule=config.schedule, run=run, name=name)
        self._labels, self._classifier, self._proposer = dataset.labels, classifier, proposer

    def predict(self, videos: Sequence[Video], *, store: FeatureStore) -> Iterator[Prediction]:
        """Class scores of sum 1, and proposals where the system has learnt from untrimmed videos."""
        self._fitted()
        extract(self.features(), videos, store=store)
        for video in videos:
            if not all(store.has(images, video.video_id) for images in self.features()):
                log.warning("video %s is left out: its pictures could not be extracted", video.video_id)
                continue
            found = None if self._proposer is None else self.proposals(video, store=store)
            yield Prediction(video=video, classes=self.class_scores(video, store=store), proposals=found)

    def class_scores(self, video: Video, *, store: FeatureStore) -> ClassScores:
        """The mean softmax over the clips of a video whose pictures are in the store."""
        stream = self.config.classifier
        length = len(opened(store, stream.images, video.video_id))
        views = replace(stream.views, positions=separate_clips(length, stream.sampling.span), scales=())
        scored = stream_scores(self._fitted(), replace(stream, views=views), [video.video_id], store=store)
        return ClassScores(dict(zip(self._labels, next(scored)[1].tolist(), strict=True)))

    def candidates(
        self, video: Video, *, store: FeatureStore, told: bool = True
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """What the net says at each place of a video whose pictures are in the store.

        Args:
            video: which.
            store: of pictures.
            told: where the net says that an action begins and how long it is; False leaves the smallest scale's window.

        Returns:
            Segments in seconds, not cut to the video, and actionness in [0, 1], in order of time.
        """
        net, clips = self._proposer, self.config.clips
        if net is None:
            raise NotTrained("system 07 (multi-scale proposals) must be fitted on untrimmed videos to propose")
        images = opened(store, self.config.images, video.video_id)
        device = net.actionness.weight.device
        segments, scores = [], []
        net.eval()
        for samples, read in video_samples(images, clips, size=net.input_size, at_once=self.config.samples_at_once):
            with torch.inference_mode():
                logits, numbers = net(torch.from_numpy(read).to(device))
            scores.append(logits.double().softmax(1)[:, 1].cpu().numpy())
            places = decode(samples.mean(axis=1), numbers.double().cpu().numpy(), size=clips.scales[0])
            segments.append(images.grid.to_seconds(places if told else samples))
        return np.concatenate(segments), np.concatenate(scores)

    def proposals(self, video: Video, *, store: FeatureStore, told: bool = True) -> tuple[Proposal, ...]:
        """The candidates above the threshold, cut to the video and suppressed, in falling score."""
        segments, scores = self.candidates(video, store=store, told=told)
        sure = scores >= self.config.least_score
        inside, indices = clip_segments(segments[sure], video.duration)
        kept = suppress(inside, scores[sure][indices], self.config.rule, duration=video.duration)
        return tuple(
            Proposal((float(start), float(end)), float(score))
            for (start, end), score in zip(kept.segments, kept.scores, strict=True)
        )

    def save(self, folder: Path) -> None:
        """Configuration, labels, both nets."""
        nets: dict[str, torch.nn.Module] = {"classes": self._fitted()}
        if self._proposer is not None:
            nets["proposals"] = self._proposer
        extra = {"labels": list(self._labels)}
        save_system(folder, system=type(self).__name__, config=self.config, modules=nets, extra=extra)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The system that save wrote."""
        config, extra, tables = load_system(folder, system=cls.__name__, config_class=MultiScaleProposalsConfig)
        system = cls(config)
        system._labels = labels_of(extra, where=folder / "config.json")
        classifier = config.classifier.build(classes=len(system._labels), pretrained=False)
        fill(classifier, tables.get("classes", {}), where=folder / "classes.safetensors")
        system._classifier = classifier.eval()
        if "proposals" in tables:
            proposer = system._built(pretrained=False)
            fill(proposer, tables["proposals"], where=folder / "proposals.safetensors")
            system._proposer = proposer.eval()
        return system

    def _built(self, *, pretrained: bool) -> MultiScaleNet:
        config = self.config
        return config.net.build(scales=len(config.clips.scales), channels=config.images.channels, pretrained=pretrained)

    def _fitted(self) -> Backbone:
        if self._classifier is None:
            raise NotTrained("system 07 (multi-scale proposals) must be fitted or loaded first")
        return self._classifier


def separate_clips(length: int, span: int) -> int:
    """How many clips of so many pictures can be spread evenly over a video so that none overlap; at least one."""
    return max(1, (length - span + 1) // span)


C3D = MultiScaleProposalsConfig(classifier=replace(_CLASSIFIER, net=MultiScale().backbone))
"""C3D for all, the first line of table 1."""
LAPTOP = MultiScaleProposalsConfig(
    classifier=laptop_streams.FLOW_CLIPS,
    images=laptop_streams.FLOW,
    clips=CentredClips(scales=(16, 64, 256, 1024), stride=4, whole=True, flips=True),
    net=MultiScale(backbone=Small3d(frames=16)),
    schedule=Schedule(
        steps=300,
        batch_size=16,
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=0.01,
        decay="cosine",
        warmup_steps=20,
    ),
    start_from_classes=True,
    rule=HardNms(tiou=0.9, most=100),
)
"""The variant for two cores: flow of 64 x 86 pixels twelve times a second, four scales a factor of four apart (1.3 to
85 seconds: the last sees a whole video), residual nets of ten narrow layers that start from the classifier, a sample
every third of a second.

Without pretraining, 80 videos teach these nets motion rather than looks, and suppression at 0.7 leaves 16 proposals a
video. On the playground's validation part, seed 0: with frames, three scales and suppression at 0.7 a moment inside an
action is above one outside in 57 % of pairs, told and true durations correlate by -0.2, and the AUC is 29.6; with flow
and four scales 67 %, 0.2 and 31.9; with suppression at 0.9, which leaves 50, 36.2. Uniform random proposals have 45.8
with 100 a video, but 22.9 at 10 a video, where this has 17.7, and 26.9 with suppression at 0.7."""

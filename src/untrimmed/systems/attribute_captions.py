"""The captions of report 17: LSTM-A3 trained for a reward, and the consensus with sentences of similar segments.

Source: report 17 of the ActivityNet Challenge 2017 (`papers/17-p3d-deep-quantization-tag-captioning.txt`), section 6.

Recipe:
    a segment -> rows of its nets -> mean -> v;  a linear detector -> probabilities of attributes -> a
    [a, then v with the events before and after] -> LSTM -> sentences (likelihood first, then CIDEr-D and METEOR)
    the 300 training segments most like v -> their sentences
    of all these sentences the one that is most like the others -> caption

A system that has segments uses `fit_captioning`, `CaptioningPart.describe`, `tables`, `extra`, `restore_captioning`.

Choices:
    - The attribute detector is a linear softmax on v, trained on annotated actions; where a data set has none it tells
      its most frequent words instead. The paper takes class probabilities of its system for classification.
    - Neighbours are the events whose centres are nearest, `attributes.neighbours`; how they come in is not said.
    - Likeness of segments is the cosine of standardised features.
    - The score of a caption is its mean likeness to the other candidates as a share of the highest there is; without
      retrieval it is the geometric mean of the probabilities of its words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from untrimmed.caption.attribute_decoder import AttributeDecoderConfig, AttributeSpeaker
from untrimmed.caption.attribute_learning import ToldEvents, likelihood_loss, mean_reward, mean_word, reward_loss
from untrimmed.caption.attributes import AttributeDetector
from untrimmed.caption.beam import BeamConfig, search
from untrimmed.caption.consensus import ConsensusConfig, consensus
from untrimmed.caption.layout import in_time_order
from untrimmed.caption.likeness import HIGHEST, CiderD
from untrimmed.caption.retrieval import ToldSegments, unit_rows
from untrimmed.caption.reward import RewardConfig, SentenceReward
from untrimmed.caption.self_critical import SelfCriticalConfig
from untrimmed.caption.vocabulary import Vocabulary
from untrimmed.configs import content_hash
from untrimmed.evaluate.text.meteor import scores
from untrimmed.evaluate.tokens import tokenize
from untrimmed.features import laptop_streams
from untrimmed.features.event_attributes import AttributesConfig, ToldVideos, event_vectors, fit_detector, seen_by
from untrimmed.features.feature import Feature
from untrimmed.features.learned import StreamFeature
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.nets.backbone import fill
from untrimmed.records import Caption, DataError, Dataset, Proposal, Video
from untrimmed.train import Run, Schedule, fit

TABLE = "captions"
"""How the names of what is stored begin."""

_ATTRIBUTES, _SPEAKER, _TOLD = (f"{TABLE}-{name}" for name in ("attributes", "speaker", "told"))

_LIKELIHOOD = Schedule(
    epochs=30,
    batch_size=64,
    optimizer="adam",
    learning_rate=5e-4,
    milestones=tuple(range(3, 30, 3)),
    gamma=0.8,
    clip_gradient=5.0,
)
_LAPTOP_SCHEDULE = Schedule(
    epochs=30, batch_size=32, optimizer="adam", learning_rate=3e-3, decay="cosine", clip_gradient=5.0
)
_REWARD = Schedule(epochs=20, batch_size=64, optimizer="adam", learning_rate=5e-5, clip_gradient=5.0)


@dataclass(frozen=True, kw_only=True)
class AttributeCaptionsConfig:
    """Configuration of the captions of system 17."""

    sights: tuple[SequenceSource, ...]
    """Rows of each net, joined; section 6.1: ResNet and P3D ResNet, two a second."""
    proposals: int = 50
    """Proposals of a video that are described, those that score best; section 6.1."""
    attributes: AttributesConfig = AttributesConfig()  # noqa: RUF009
    """What the first step of LSTM-A3 is shown."""
    decoder: AttributeDecoderConfig = AttributeDecoderConfig()  # noqa: RUF009
    """LSTM-A3 and its sizes."""
    neighbours: int = 5
    """Events that are taken as context, before and after each; the paper does not say."""
    schedule: Schedule = _LIKELIHOOD
    """Training for likelihood; the paper does not say: as public code of the authors of LSTM-A."""
    reward: RewardConfig | None = RewardConfig()  # noqa: RUF009
    """What is rewarded afterwards; None ends with likelihood (the first row of table 3)."""
    self_critical: SelfCriticalConfig = SelfCriticalConfig()  # noqa: RUF009
    """How."""
    reward_schedule: Schedule = _REWARD
    """Training for reward; the paper does not say: Adam at a tenth of the rate, as public code has it."""
    search: BeamConfig = BeamConfig(width=3)  # noqa: RUF009
    """How sentences are searched for; the paper does not say, 3 is LSTM-A's."""
    retrieved: int = 300
    """Nearest training segments whose sentences are candidates too; section 6.1. 0: only what the LSTM says."""
    consensus: ConsensusConfig = ConsensusConfig()  # noqa: RUF009
    """How one of the candidates is chosen."""
    minimum_count: int = 5
    """Occurrences of a word in the training sentences; the paper does not say, 5 is LSTM-A's."""


@dataclass(frozen=True, eq=False)
class CaptioningPart:
    """What says captions of segments.

    Attributes:
        config: as it was fitted.
        sights: the sources of rows, made ready.
        detector: of attributes.
        speaker: the LSTM-A.
        vocabulary: its words.
        told: training segments with their sentences.
    """

    config: AttributeCaptionsConfig
    sights: tuple[Sequences, ...]
    detector: AttributeDetector
    speaker: AttributeSpeaker
    vocabulary: Vocabulary
    told: ToldSegments
    _tokens: list[list[str]] = field(init=False)
    _cider: CiderD = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tokens", tokenize(self.told.sentences))
        object.__setattr__(self, "_cider", CiderD.of(self._tokens))

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is measured into the store for it."""
        return measured(self.sights)

    def ready(self, videos: Sequence[Video], *, store: FeatureStore) -> list[Video]:
        """Measure what the store lacks; the videos that can be looked at, in order. The others are logged."""
        return ready(self.sights, videos, store=store)

    def describe(self, video: Video, proposals: Sequence[Proposal], *, store: FeatureStore) -> tuple[Caption, ...]:
        """Captions of the best of a video's proposals (in falling score), in order of time; see caption."""
        best = [proposal.segment for proposal in proposals[: self.config.proposals]]
        return in_time_order(self.caption(video, np.array(best, dtype=np.float64).reshape(-1, 2), store=store))

    def caption(self, video: Video, segments: Float[np.ndarray, "n 2"], *, store: FeatureStore) -> tuple[Caption, ...]:
        """One caption for each segment (seconds) of a video whose features are at hand, in the segments' order.

        The segments are each other's neighbours.

        Raises:
            DataError: when the features are not there.
        """
        spans = [(float(start), float(end)) for start, end in segments]
        if not spans:
            return ()
        looks = event_vectors(self.sights, video, spans, store=store)
        seen = seen_by(self.detector, looks, segments, tracks=(len(spans),), most=self.config.neighbours)
        device = next(self.speaker.parameters()).device
        found = search(self.speaker.eval(), seen.evidence(range(len(spans))).to(device), config=self.config.search)
        if not self.config.retrieved:
            best = [hypotheses[0] for hypotheses in found]
            said = [(hypothesis.confidence, self.vocabulary.sentence(hypothesis.words)) for hypothesis in best]
            return tuple(Caption(span, *one) for span, one in zip(spans, said, strict=True))
        near = self.told.nearest(
            _likeness_rows(self.detector, looks), self.config.retrieved, videos=[video.video_id] * len(spans)
        )
        weights = self.config.consensus
        captions = []
        for span, hypotheses, places in zip(spans, found, near, strict=True):
            texts = [self.vocabulary.sentence(one.words) for one in hypotheses]
            tokens = [list(self.vocabulary.decode(one.words)) for one in hypotheses]
            texts += [self.told.sentences[place] for place in places]
            tokens += [self._tokens[place] for place in places]
            ranking = consensus(tokens, cider=self._cider, meteor=meteor_scores, config=weights)
            best_one = int(ranking.order[0])
            highest = HIGHEST * weights.cider + weights.meteor
            captions.append(Caption(span, float(ranking.scores[best_one] / highest), texts[best_one]))
        return tuple(captions)

    def tables(self) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps: the nets of the sights, the detector, the speaker, the training segments."""
        kept: dict[str, Mapping[str, Tensor]] = {}
        for number, sight in enumerate(self.sights):
            kept |= sight.tables(f"{TABLE}-rows-{number}")
        kept[_ATTRIBUTES], kept[_SPEAKER] = self.detector.state_dict(), self.speaker.state_dict()
        kept[_TOLD] = {"vectors": torch.from_numpy(self.told.vectors)}
        return kept

    def extra(self) -> dict[str, Any]:
        """What save_system keeps beside them."""
        return {
            "words": list(self.vocabulary.words),
            "exclusive": self.detector.exclusive,
            "videos": list(self.told.videos),
            "sentences": list(self.told.sentences),
        }


def fit_captioning(
    config: AttributeCaptionsConfig, dataset: Dataset, *, store: FeatureStore, run: Run
) -> CaptioningPart:
    """Learn nets (where they are to), attributes, likelihood and reward from the training subset.

    Sentences of the validation subset, where there are any, choose the epochs.

    Raises:
        DataError: when the training subset has no sentence.
    """
    if not any(any(annotation.events) for annotation in dataset.subset("training").annotations):
        raise DataError(f"captions are learnt from sentences, but the training subset of {dataset.name} has none")
    sights = tuple(fit_sequences(sight, dataset, store=store, run=run) for sight in config.sights)
    parts = {name: dataset.subset(name).annotations for name in ("training", "validation")}
    known = [a.video for part in parts.values() for a in part if any(a.events) or a.instances]
    there = {video.video_id for video in ready(sights, known, store=store, progress=run.progress)}
    told, checked = (
        ToldVideos.of([a for a in part if a.video.video_id in there], sights, store=store) for part in parts.values()
    )
    if not told.sentences:
        raise DataError(f"no training video of {dataset.name} that has sentences has features")
    vocabulary = Vocabulary.of(told.tokens, minimum_count=config.minimum_count)
    # One training for likelihood serves all that follows it, so that the rows of table 3 can share it.
    spoken = replace(config, retrieved=0, consensus=ConsensusConfig())
    name = content_hash(replace(spoken, reward=None, self_critical=SelfCriticalConfig(), reward_schedule=_REWARD))
    acted = [a for a in parts["training"] if a.instances and a.video.video_id in there]
    detector = fit_detector(
        config.attributes,
        told,
        acted,
        sights=sights,
        labels=dataset.labels,
        store=store,
        run=run,
        name=f"attributes-{name}",
    )
    most = config.neighbours
    data, check = (
        ToldEvents(
            seen_by(detector, part.looks, part.segments, tracks=part.tracks, most=most),
            [vocabulary.encode(tokens) for tokens in part.tokens],
            most_words=config.search.most_words,
        )
        for part in (told, checked)
    )
    torch.manual_seed(run.seed)
    attributes, dims = detector.linear.weight.shape
    speaker = AttributeSpeaker(len(vocabulary), attributes, dims, config=config.decoder)
    speaker.standard.see(told.looks)
    likely = (lambda _: mean_word(speaker, check)) if len(check) else None
    fit(speaker, data, likelihood_loss, schedule=config.schedule, run=run, name=f"words-{name}", validate=likely)
    if config.reward is not None:
        given, judged = (
            SentenceReward(vocabulary, tokens, meteor=meteor_scores, config=config.reward) if tokens else None
            for tokens in (told.tokens, checked.tokens)
        )
        assert given is not None
        loss = reward_loss(given, config.self_critical)
        good = (lambda _: mean_reward(speaker, check, judged)) if judged is not None else None
        name = f"reward-{content_hash(spoken)}"
        fit(speaker, data, loss, schedule=config.reward_schedule, run=run, name=name, validate=good)
    segments = ToldSegments(
        vectors=_likeness_rows(detector, told.looks), videos=tuple(told.videos), sentences=tuple(told.sentences)
    )
    return CaptioningPart(config, sights, detector, speaker, vocabulary, segments)


def restore_captioning(
    config: AttributeCaptionsConfig,
    tables: Mapping[str, Mapping[str, Tensor]],
    extra: Mapping[str, Any],
    *,
    folder: Path,
) -> CaptioningPart:
    """What `tables` and `extra` of a part kept.

    Raises:
        DataError: when something is missing or does not fit.
    """
    weight = tables.get(_ATTRIBUTES, {}).get("linear.weight", torch.zeros(0))
    vectors = tables.get(_TOLD, {}).get("vectors", torch.zeros(0))
    texts = [extra.get(name) for name in ("words", "videos", "sentences")]
    good = all(isinstance(part, list) and all(isinstance(one, str) for one in part) for part in texts)
    if not good or weight.ndim != 2 or vectors.ndim != 2 or _SPEAKER not in tables:
        raise DataError(f"{folder} must hold the words, the attributes, the speaker and the segments of its captions")
    words, videos, sentences = (tuple(part) for part in texts if part is not None)
    attributes, dims = weight.shape
    detector = AttributeDetector(dims, attributes, exclusive=extra.get("exclusive") is True)
    fill(detector, tables[_ATTRIBUTES], where=folder / f"{_ATTRIBUTES}.safetensors")
    speaker = AttributeSpeaker(len(words), attributes, dims, config=config.decoder)
    fill(speaker, tables[_SPEAKER], where=folder / f"{_SPEAKER}.safetensors")
    sights = tuple(
        Sequences.restore(sight, f"{TABLE}-rows-{number}", tables, folder=folder)
        for number, sight in enumerate(config.sights)
    )
    told = ToldSegments(vectors=vectors.float().numpy(), videos=videos, sentences=sentences)
    return CaptioningPart(config, sights, detector.eval(), speaker.eval(), Vocabulary(words), told)


def meteor_scores(pairs: Sequence[tuple[str, str]]) -> Float[np.ndarray, " pairs"]:
    """METEOR of pairs that are asked of once, without a memory that would grow with every sampled sentence."""
    from untrimmed.evaluate.text import meteor_python

    return scores(meteor_python.statistics(pairs))


@torch.no_grad()
def _likeness_rows(
    detector: AttributeDetector, looks: Float32[np.ndarray, "events dims"]
) -> Float32[np.ndarray, "events dims"]:
    """Standardised and of length 1, so that near means a high cosine."""
    device = detector.linear.weight.device
    return unit_rows(detector.standard(torch.from_numpy(looks).to(device)).cpu().numpy())


LAPTOP = AttributeCaptionsConfig(
    sights=(SequenceSource(rows=StreamFeature(stream=laptop_streams.RGB_TSN, stride=4, learn=True)),),
    attributes=AttributesConfig(schedule=replace(_LAPTOP_SCHEDULE, epochs=40)),
    decoder=AttributeDecoderConfig(embed=96, hidden=192, dropout=0.3),
    schedule=_LAPTOP_SCHEDULE,
    self_critical=SelfCriticalConfig(baseline="others", samples=5, most_words=20),
    reward_schedule=replace(_LAPTOP_SCHEDULE, epochs=5, learning_rate=1e-4, decay="milestones"),
    search=BeamConfig(width=3, most_words=20),
    retrieved=50,
    minimum_count=2,
)
"""The variant for two cores: one small net on frames, three looks a second, a decoder of 192 units."""

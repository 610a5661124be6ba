"""The proposals of report 17: actionness, watershed and TAG, re-ranked by a classifier of whole proposals, fused.

Source: report 17 of the ActivityNet Challenge 2017 (`papers/17-p3d-deep-quantization-tag-captioning.txt`), section 5.

Recipe, for the rows of each net:
    snippets of 16 frames, every 8 -> binary classifier -> actionness curve
    curve -> watershed at many levels -> basins -> joined by TAG -> non-maximum suppression -> candidates
    the mean of the rows in a candidate -> binary classifier of proposals -> its new score
Then:
    the candidates of all nets, each scored by every curve and every classifier of proposals -> weighted sum, weights
    tuned on the validation set -> non-maximum suppression -> the best 100

A system that has rows uses `fit_proposals`, `ProposalPart.propose`, `tables`, `restore_proposals`.

Choices:
    - The kind of classifier is not said: a net with one hidden layer for snippets and for proposals.
    - The curve is the snippets' probabilities side by side; how the overlapping ones are "accumulated" is not said.
    - The eight streams "with different settings" are taken to be the eight rows of table 2: four nets, each without and
      with re-ranking. A curve's score of a segment is its mean over it, so every stream can score every candidate.
    - Suppression is TAG's, at 0.95; the paper names no threshold.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.columns import Predictions, ground_truth_of
from untrimmed.configs import content_hash
from untrimmed.evaluate import proposals
from untrimmed.features.annotated import AnnotatedRows
from untrimmed.features.feature import Feature, FeatureSequence
from untrimmed.features.sequences import Sequences, SequenceSource, fit_sequences, measured, ready
from untrimmed.features.store import FeatureStore
from untrimmed.fuse.simplex import climb
from untrimmed.nets.backbone import fill
from untrimmed.propose.actionness import ActionnessConfig, ActionnessNet, StepItems, actionness, actionness_loss
from untrimmed.propose.rerank import Candidates, PairItems, PairRule, ProposalRows, means_within
from untrimmed.propose.suppress import HardNms, suppress
from untrimmed.propose.watershed import BasinRule, candidates
from untrimmed.records import Annotation, DataError, Dataset, Proposal, Task, Video
from untrimmed.train import Run, Schedule, fit

log = logging.getLogger(__name__)

TABLE = "proposals"
"""How the names of what is stored begin."""

Scored = tuple[Float[np.ndarray, "kept 2"], Float[np.ndarray, " kept"]]


@dataclass(frozen=True, kw_only=True)
class TagRerankingConfig:
    """Configuration of the proposals of system 17."""

    streams: tuple[SequenceSource, ...]
    """Rows of each net, a snippet of 16 frames every 8; section 5.1."""
    actionness: ActionnessConfig = ActionnessConfig()  # noqa: RUF009
    """The binary classifier of snippets; the paper does not say."""
    actionness_schedule: Schedule = Schedule(epochs=10, batch_size=64, optimizer="adam", learning_rate=1e-3)  # noqa: RUF009
    """The paper does not say."""
    basins: BasinRule = BasinRule()  # noqa: RUF009
    """Watershed, TAG and suppression; section 5.1."""
    seen: ProposalRows = ProposalRows()  # noqa: RUF009
    """What the classifier of proposals sees; section 2: the mean over the proposal."""
    pairs: PairRule = PairRule()  # noqa: RUF009
    """What it learns from; the paper does not say."""
    ranker: ActionnessConfig = ActionnessConfig()  # noqa: RUF009
    """The binary classifier of proposals; the paper does not say."""
    ranker_schedule: Schedule = Schedule(epochs=20, batch_size=64, optimizer="adam", learning_rate=1e-3)  # noqa: RUF009
    """The paper does not say."""
    suppression: HardNms = HardNms(tiou=0.95)  # noqa: RUF009
    """Of the candidates of all nets together; the paper does not say, TAG's."""
    levels: int = 10
    """Steps of the search for weights; 10 tries every tenth. The paper does not say."""
    proposal_count: int = 100
    """Proposals a video; section 5.1."""


@dataclass(frozen=True, eq=False)
class ProposalPart:
    """What gives proposals.

    Attributes:
        config: as it was fitted.
        sources: of rows, made ready.
        curves: the classifier of snippets of each source.
        rankers: the classifier of proposals of each source.
        weights: of the voices, first the curves, then the rankers; >= 0, of sum 1.
    """

    config: TagRerankingConfig
    sources: tuple[Sequences, ...]
    curves: tuple[ActionnessNet, ...]
    rankers: tuple[ActionnessNet, ...]
    weights: Float[np.ndarray, " voices"]

    @property
    def features(self) -> tuple[Feature, ...]:
        """What is measured into the store for it."""
        return measured(self.sources)

    def ready(self, videos: Sequence[Video], *, store: FeatureStore) -> list[Video]:
        """Measure what the store lacks; the videos that can be looked at, in order. The others are logged."""
        return ready(self.sources, videos, store=store)

    def propose(self, video: Video, *, store: FeatureStore) -> tuple[Proposal, ...]:
        """Proposals of a video whose features are at hand, in falling score in [0, 1]."""
        segments, voices = self.voices(video, store=store)
        return _records(self._best(segments, self.weights @ voices))

    def alone(self, video: Video, stream: int, *, reranked: bool, store: FeatureStore) -> tuple[Proposal, ...]:
        """What one net gives by itself, without or with re-ranking: a row of table 2."""
        segments, scores, rows = self._stream(video, stream, store)
        if reranked:
            scores = self._ranked(stream, rows, segments, video)
        order = np.argsort(-scores, kind="stable")[: self.config.proposal_count]
        return _records((segments[order], scores[order]))

    def voices(
        self, video: Video, *, store: FeatureStore
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "voices n"]]:
        """The candidates of all nets, and what each curve and each classifier of proposals says of every one."""
        found = [self._stream(video, number, store) for number in range(len(self.sources))]
        segments = np.unique(np.concatenate([part[0] for part in found]), axis=0)
        curves = [
            means_within(actionness(net, rows.values)[:, None], rows.grid, segments)[:, 0]
            for net, (_, _, rows) in zip(self.curves, found, strict=True)
        ]
        ranked = [self._ranked(number, rows, segments, video) for number, (_, _, rows) in enumerate(found)]
        return segments, np.stack([*curves, *ranked])

    def tables(self) -> dict[str, Mapping[str, Tensor]]:
        """What save_system keeps: the nets of the sources, the classifiers and the weights."""
        kept: dict[str, Mapping[str, Tensor]] = {TABLE: {"weights": torch.from_numpy(self.weights)}}
        for number, source in enumerate(self.sources):
            kept |= source.tables(f"{TABLE}-rows-{number}")
            kept[f"{TABLE}-curve-{number}"] = self.curves[number].state_dict()
            kept[f"{TABLE}-ranker-{number}"] = self.rankers[number].state_dict()
        return kept

    def _best(self, segments: Float[np.ndarray, "n 2"], scores: Float[np.ndarray, " n"]) -> Scored:
        kept = suppress(segments, scores, replace(self.config.suppression, most=self.config.proposal_count))
        return kept.segments, kept.scores

    def _stream(
        self, video: Video, number: int, store: FeatureStore
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"], FeatureSequence]:
        rows = self.sources[number](video, store=store)
        curve = actionness(self.curves[number], rows.values)
        return *candidates(curve, rows.grid, video.duration, self.config.basins), rows

    def _ranked(
        self, number: int, rows: FeatureSequence, segments: Float[np.ndarray, "n 2"], video: Video
    ) -> Float[np.ndarray, " n"]:
        described = self.config.seen(rows.values, rows.grid, segments, duration=video.duration)
        return actionness(self.rankers[number], described)


def fit_proposals(config: TagRerankingConfig, dataset: Dataset, *, store: FeatureStore, run: Run) -> ProposalPart:
    """Learn nets (where they are to) and both classifiers of each from the training subset, weights from validation.

    A training is named by what it makes, so that systems that share a run's folder share it.

    Raises:
        DataError: when no training video has annotated segments, or none of them has features.
    """
    if dataset.trimmed or not any(annotation.instances for annotation in dataset.subset("training").annotations):
        raise DataError(
            f"proposals are learnt from segments of untrimmed videos, but training videos of {dataset.name} have none"
        )
    known = {annotation.video.video_id: annotation for annotation in dataset.annotations}
    sources, curves, rankers = [], [], []
    for source in config.streams:
        found = fit_sequences(source, dataset, store=store, run=run)
        data = AnnotatedRows(found, dataset, store=store, progress=run.progress)
        name = content_hash(replace(config, streams=(source,)))
        torch.manual_seed(run.seed)
        curve = config.actionness.build(data.dims)
        steps = StepItems(data, data.instances)
        fit(curve, steps, actionness_loss, schedule=config.actionness_schedule, run=run, name=f"curve-{name}")
        videos = [_candidates(curve, data, known[video_id], config) for video_id, _ in data.instances]
        items = PairItems(data, videos, seen=config.seen, rule=config.pairs)
        torch.manual_seed(run.seed)
        ranker = config.ranker.build(items[0][0].shape[1])
        fit(ranker, items, actionness_loss, schedule=config.ranker_schedule, run=run, name=f"ranker-{name}")
        sources.append(found)
        curves.append(curve)
        rankers.append(ranker)
    equal = np.full(2 * len(sources), 0.5 / len(sources))
    part = ProposalPart(config, tuple(sources), tuple(curves), tuple(rankers), equal)
    return replace(part, weights=_tuned(part, dataset, store))


def restore_proposals(
    config: TagRerankingConfig, tables: Mapping[str, Mapping[str, Tensor]], *, folder: Path
) -> ProposalPart:
    """What `tables` of a part kept.

    Raises:
        DataError: when something is missing or does not fit.
    """
    weights = tables.get(TABLE, {}).get("weights", torch.zeros(0)).double()
    count = len(config.streams)
    if weights.shape != (2 * count,) or not bool((weights >= 0).all()):
        raise DataError(f"{folder / TABLE}.safetensors must hold {2 * count} weights >= 0, got {weights.tolist()}")
    nets = []
    for kind, build in (("curve", config.actionness), ("ranker", config.ranker)):
        for number in range(count):
            name = f"{TABLE}-{kind}-{number}"
            if "norm.weight" not in tables.get(name, {}):
                raise DataError(f"{folder} must hold the weights {name}.safetensors of its proposals")
            net = build.build(len(tables[name]["norm.weight"]))
            fill(net, tables[name], where=folder / f"{name}.safetensors")
            nets.append(net.eval())
    sources = tuple(
        Sequences.restore(source, f"{TABLE}-rows-{number}", tables, folder=folder)
        for number, source in enumerate(config.streams)
    )
    return ProposalPart(config, sources, tuple(nets[:count]), tuple(nets[count:]), weights.numpy())


def _candidates(curve: ActionnessNet, data: AnnotatedRows, known: Annotation, config: TagRerankingConfig) -> Candidates:
    video = known.video
    rows, grid = data(video.video_id)
    segments, _ = candidates(actionness(curve, rows), grid, video.duration, config.basins)
    instances = np.array([instance.segment for instance in known.instances], dtype=np.float64).reshape(-1, 2)
    return Candidates(video_id=video.video_id, duration=video.duration, segments=segments, instances=instances)


def _tuned(part: ProposalPart, dataset: Dataset, store: FeatureStore) -> Float[np.ndarray, " voices"]:
    """Weights that raise the area under AR-AN of the validation videos; equal ones where there are none."""
    known = [a.video for a in dataset.subset("validation").annotations if a.instances]
    there = part.ready(known, store=store) if known else []
    if not there:
        log.warning("%s has no validation videos to tune the proposals' fusion on: voices weigh equally", dataset.name)
        return part.weights
    truth = ground_truth_of(dataset, "validation")
    names = tuple(video.video_id for video in there)
    truth = truth.without(set(truth.video_ids) - set(names))
    said = [part.voices(video, store=store) for video in there]

    def area(weights: Float[np.ndarray, " voices"]) -> float:
        found = [part._best(segments, weights @ voices) for segments, voices in said]
        columns = Predictions(
            task=Task.PROPOSALS,
            video_ids=names,
            video=np.repeat(np.arange(len(found)), [len(scores) for _, scores in found]),
            scores=np.concatenate([scores for _, scores in found]),
            segments=np.concatenate([segments for segments, _ in found]),
        )
        return proposals.evaluate(truth, columns).auc if len(columns) else 0.0

    return climb(area, len(part.weights), levels=part.config.levels)


def _records(found: Scored) -> tuple[Proposal, ...]:
    return tuple(Proposal((float(start), float(end)), float(score)) for (start, end), score in zip(*found, strict=True))

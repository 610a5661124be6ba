"""Who says what of which segments: what the group captions measures, trained and ready to speak."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from untrimmed.cli.measures import localization, main_path, rows
from untrimmed.cli.workshop import Row, Workshop
from untrimmed.records import Caption, Dataset, Prediction, Video

if TYPE_CHECKING:
    from untrimmed.systems.attribute_captions import AttributeCaptionsConfig, CaptioningPart
    from untrimmed.systems.context_captions import ContextCaptions

OLD = "T5, rules 2017-06"
"""The task of the rows under the rules of the challenge's summer, by which reports 17 and 22 were ranked."""
STEPS = ("17 LSTM-A3", "17 LSTM-A3 + policy gradient", "17 LSTM-A3 + policy gradient + retrieval")
"""The rows of table 3 of report 17."""

Segments = Mapping[str, np.ndarray]
"""Of each video by its name: (n, 2) in seconds."""
Say = Callable[[Video, np.ndarray], Sequence[Caption]]
"""What says one caption for each segment of a video."""


@dataclass(frozen=True)
class Stage:
    """The videos that are told of, and the figures of what is said."""

    shop: Workshop
    dataset: Dataset

    @cached_property
    def part(self) -> Dataset:
        return self.dataset.subset("testing")

    @cached_property
    def annotated(self) -> Segments:
        """The segments of the first annotator."""
        return {
            one.video.video_id: np.array([event.segment for event in one.events[0]], dtype=np.float64).reshape(-1, 2)
            for one in self.part.annotations
        }

    @cached_property
    def sentences(self) -> list[str]:
        """Of the training videos, sorted."""
        training = self.dataset.subset("training").annotations
        return sorted(event.sentence for one in training for event in (one.events or ((),))[0])

    @property
    def constant(self) -> Say:
        """The most frequent training sentence; the first of several in the alphabet."""
        said = max(dict.fromkeys(self.sentences), key=self.sentences.count)
        return lambda _, segments: [Caption((start, end), 1.0, said) for start, end in segments.tolist()]

    def told(self, name: str, segments: Segments, say: Say) -> Iterator[Row]:
        """The figures of one speaker, under both rules."""
        from untrimmed.caption.layout import in_time_order

        yield from self.scored(
            name,
            [
                Prediction(video=video, captions=in_time_order(say(video, segments[video.video_id])))
                for video in self.part.videos
            ],
        )

    def scored(self, name: str, said: Sequence[Prediction], *, dataset: Dataset | None = None) -> Iterator[Row]:
        """Both rows of what was said; another data set may hold the references."""
        truth = self.dataset if dataset is None else dataset
        yield rows.captioned(name, truth, said, figures=(*rows.SENTENCE_FIGURES, "Recall", "Precision"))
        yield rows.captioned(name, truth, said, task=OLD, rules="2017-06", figures=rows.SENTENCE_FIGURES)


class Speakers:
    """What was trained with one seed; each is trained when it is first asked for."""

    def __init__(self, shop: Workshop, dataset: Dataset) -> None:
        self.shop, self.dataset = shop, dataset
        self._parts: dict[AttributeCaptionsConfig, CaptioningPart] = {}

    def part(self, config: "AttributeCaptionsConfig") -> "CaptioningPart":
        """The captions of 17; equal trainings are shared with each other and with the group localization."""
        from untrimmed.systems.attribute_captions import fit_captioning

        if config not in self._parts:
            run = self.shop.run(localization.WORK)
            part = fit_captioning(config, self.dataset, store=self.shop.store, run=run)
            part.ready(self.dataset.subset("testing").videos, store=self.shop.store)
            self._parts[config] = part
        return self._parts[config]

    def say(self, config: "AttributeCaptionsConfig") -> Say:
        """The captions of 17 as rows want them."""
        part = self.part(config)
        return lambda video, segments: part.caption(video, segments, store=self.shop.store)

    @cached_property
    def twenty_two(self) -> "dict[str, ContextCaptions]":
        """MP, TA and TAC, those of the group main_path."""
        from untrimmed.features.extract import extract
        from untrimmed.systems import context_captions

        found = {
            name: self.shop.trained(context_captions.ContextCaptions(one), self.dataset, name=f"22-{name}", work="22")
            for name, one in main_path.caption_models(context_captions.LAPTOP).items()
        }
        for system in found.values():
            extract(system.features(), self.dataset.subset("testing").videos, store=self.shop.store)
        return found

    def contexts(self, name: str) -> Say:
        """The captions of a model of 22."""
        system = self.twenty_two[name]
        return lambda video, segments: system.caption_segments(video, segments, store=self.shop.store)


def retrieved(part: "CaptioningPart", shop: Workshop, most: int) -> Say:
    """The consensus of the sentences of the nearest training segments; of one, its sentence."""
    import torch

    from untrimmed.caption.consensus import consensus
    from untrimmed.caption.likeness import CiderD
    from untrimmed.caption.retrieval import unit_rows
    from untrimmed.evaluate.tokens import tokenize
    from untrimmed.features.event_attributes import event_vectors
    from untrimmed.systems.attribute_captions import meteor_scores

    tokens = tokenize(part.told.sentences)
    cider = CiderD.of(tokens)

    def say(video: Video, segments: np.ndarray) -> list[Caption]:
        spans = [(float(start), float(end)) for start, end in segments]
        looks = event_vectors(part.sights, video, spans, store=shop.store)
        with torch.no_grad():
            queries = unit_rows(part.detector.standard(torch.from_numpy(looks)).numpy())
        captions = []
        near = part.told.nearest(queries, most, videos=[video.video_id] * len(spans))
        for span, places in zip(spans, near, strict=True):
            said = [tokens[place] for place in places]
            order = consensus(said, cider=cider, meteor=meteor_scores, config=part.config.consensus).order
            captions.append(Caption(span, 1.0, part.told.sentences[places[order[0]]]))
        return captions

    return say


def steps(config: "AttributeCaptionsConfig") -> "dict[str, AttributeCaptionsConfig]":
    """What each of STEPS is."""
    return dict(
        zip(STEPS, (replace(config, reward=None, retrieved=0), replace(config, retrieved=0), config), strict=True)
    )


def designs(config: "AttributeCaptionsConfig") -> "dict[str, AttributeCaptionsConfig]":
    """What the decoder is shown and when, beside LSTM-A3; trained for likelihood."""
    plain = replace(config, reward=None, retrieved=0)

    def one(**change: str) -> "AttributeCaptionsConfig":
        return replace(plain, decoder=replace(plain.decoder, **change))  # type: ignore[arg-type]

    named = {f"17 LSTM-{name}": one(variant=name) for name in ("A1", "A2", "A4", "A5")}
    return {"17 LSTM-A3, no contexts": one(context="none"), "17 LSTM, no attributes": one(variant="plain"), **named}

"""A net over rows in time: from one or several sources of rows to the classes of a data set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.features.clip_sets import Piece, class_order, pieces_of
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.sequences import Sequences, SequenceSource, ready
from untrimmed.features.store import FeatureStore
from untrimmed.nets.heads import AnyHead, SeveralHead
from untrimmed.nets.recurrent import padded
from untrimmed.nets.tsn import section_starts
from untrimmed.records import DataError, Dataset, Video
from untrimmed.train import Run, Schedule, fit

OPEN_VIDEOS = 1024
"""Videos whose rows are kept at hand while a net learns."""

Load = Callable[[str], tuple[FeatureSequence, ...]]
"""From a video_id to its rows of each source."""


@dataclass(frozen=True, kw_only=True)
class RowNet:
    """A head over rows and how it is trained."""

    sources: tuple[SequenceSource, ...]
    """Where rows come from; one unless the head takes several."""
    head: AnyHead
    """From rows to logits."""
    schedule: Schedule
    """Length and step sizes of its training."""
    steps: int | None = None
    """Rows of each source that it sees at once; of more, one of each of as many equal sections is drawn in training
    and the middle one taken at test. None takes all."""
    window: float | None = None
    """Seconds of a long video that are scored at once, and learnt from at once; the scores of all windows are
    averaged. None takes the whole of a video or instance."""
    balanced: bool = False
    """Draw classes equally often instead of instances."""
    whole_videos: bool = False
    """Learn from whole untrimmed videos under their labels instead of the annotated instances."""

    def __post_init__(self) -> None:
        several = isinstance(self.head, SeveralHead)
        if not self.sources or (len(self.sources) > 1 and not several):
            raise DataError(
                f"a head {type(self.head).__name__} needs {'sources' if several else 'one source'} of rows, "
                f"got {len(self.sources)}"
            )
        if (self.steps is not None and self.steps < 1) or (self.window is not None and not self.window > 0):
            raise DataError(f"a net over rows needs steps and window > 0, got {self.steps} and {self.window}")

    def build(self, dims: Sequence[int], classes: int) -> "RowHead":
        """The head, untrained, for sources of these dims."""
        if isinstance(self.head, SeveralHead):
            return RowHead(self.head.build(dims, classes), dims)
        return RowHead(_OneSource(self.head.build(dims[0], classes)), dims)


class RowHead(nn.Module):
    """A head that takes the rows and lengths of each source and remembers how wide these are.

    Attributes:
        dims: of the sources, int64; kept with the weights.
    """

    dims: Tensor

    def __init__(self, head: nn.Module, dims: Sequence[int]) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("dims", torch.tensor(list(dims)))

    def forward(
        self, rows: Sequence[Float[Tensor, "n _ _"]], lengths: Sequence[Int[Tensor, " n"]]
    ) -> Float[Tensor, "n classes"]:
        """Logits."""
        logits: Tensor = self.head(rows, lengths)
        return logits


class _OneSource(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, rows: Sequence[Tensor], lengths: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.head(rows[0], lengths[0])
        return logits


class RowItems:
    """Pieces of videos as items for training: the rows of each source, and the class."""

    def __init__(self, config: RowNet, pieces: Sequence[Piece], *, load: Load) -> None:
        self._config, self._pieces = config, tuple(pieces)
        self._load = lru_cache(maxsize=OPEN_VIDEOS)(load)

    @property
    def identity(self) -> str:
        """What the items are made of; another text for other items."""
        return repr((self._config, self._pieces))

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, index: int) -> tuple[list[Tensor], int]:
        """The middle of an item."""
        return self._item(index, None)

    def at(self, index: int, generator: np.random.Generator) -> tuple[list[Tensor], int]:
        """Rows at random places; a window of a long piece, at a random place too."""
        return self._item(index, generator)

    def order(self, generator: np.random.Generator) -> Int[np.ndarray, " items"]:
        """The items of one epoch."""
        return class_order([piece.label for piece in self._pieces], generator, balanced=self._config.balanced)

    @staticmethod
    def collate(items: list[tuple[list[Tensor], int]]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]:
        """Padded rows of each source, their lengths, and the classes."""
        batches = [padded(list(rows)) for rows in zip(*(item[0] for item in items), strict=True)]
        labels = torch.tensor([item[1] for item in items])
        return tuple(rows for rows, _ in batches), tuple(lengths for _, lengths in batches), labels

    def _item(self, index: int, generator: np.random.Generator | None) -> tuple[list[Tensor], int]:
        piece = self._pieces[index]
        sequences = self._load(piece.video_id)
        segment = piece.segment or _span(sequences)
        window = self._config.window
        if window is not None and segment[1] - segment[0] > window:
            place = 0.5 if generator is None else float(generator.random())
            begin = segment[0] + place * (segment[1] - segment[0] - window)
            segment = (begin, begin + window)
        return rows_of(sequences, segment, steps=self._config.steps, generator=generator), piece.label


def rows_of(
    sequences: Sequence[FeatureSequence],
    segment: tuple[float, float],
    *,
    steps: int | None,
    generator: np.random.Generator | None = None,
) -> list[Float[Tensor, "_ _"]]:
    """The rows of each source inside a segment, at least one, at most `steps`.

    Args:
        sequences: of one video.
        segment: seconds.
        steps: see RowNet.
        generator: draws the rows where there are more; None takes the middle of each section.
    """
    found = []
    for sequence in sequences:
        first, past = sequence.grid.step_range(segment)
        rows = sequence.values[first:past]
        if steps is not None and len(rows) > steps:
            rows = rows[section_starts(len(rows), sections=steps, span=1, generator=generator)]
        found.append(torch.tensor(np.asarray(rows), dtype=torch.float32))
    return found


def fit_row_net(
    config: RowNet,
    sources: Mapping[SequenceSource, Sequences],
    dataset: Dataset,
    *,
    store: FeatureStore,
    run: Run,
    name: str,
) -> RowHead:
    """Train a head on the training subset.

    Args:
        config: what to train how.
        sources: those of the configuration, made ready by fit_sequences.
        dataset: trimmed clips or untrimmed videos with classes.
        store: of features; what is missing is measured first, and videos without are left out and logged.
        run: device, seed, folder.
        name: of the training in the run.

    Returns:
        The head on the run's device, in evaluation mode.

    Raises:
        DataError: when there is nothing to learn from.
    """
    given = [sources[source] for source in config.sources]
    training = dataset.subset("training")
    labelled = {annotation.video.video_id: annotation.video for annotation in training.annotations if annotation.labels}
    videos = {video.video_id: video for video in ready(given, list(labelled.values()), store=store)}
    pieces = [piece for piece in pieces_of(training, whole=config.whole_videos) if piece.video_id in videos]
    if not pieces or not dataset.labels:
        raise DataError(f"net {name} needs training videos with classes and features, but {dataset.name} has none")

    def load(video_id: str) -> tuple[FeatureSequence, ...]:
        return tuple(source(videos[video_id], store=store) for source in given)

    torch.manual_seed(run.seed)
    net = config.build([sequence.values.shape[1] for sequence in load(pieces[0].video_id)], len(dataset.labels))
    fit(net, RowItems(config, pieces, load=load), _loss, schedule=config.schedule, run=run, name=name)
    return net


def row_net_scores(
    net: RowHead,
    config: RowNet,
    sources: Mapping[SequenceSource, Sequences],
    video: Video,
    *,
    store: FeatureStore,
) -> Float[np.ndarray, " classes"]:
    """What a trained head says of a video whose rows are at hand: the mean softmax over its windows."""
    device = net.dims.device
    sequences = [sources[source](video, store=store) for source in config.sources]
    begin, end = _span(sequences)
    count = 1 if config.window is None else max(1, round((end - begin) / config.window))
    edges = np.linspace(begin, end, count + 1)
    windows = [(float(edges[i]), float(edges[i + 1])) for i in range(count)]
    parts = [rows_of(sequences, segment, steps=config.steps) for segment in windows]
    net.eval()
    found = []
    with torch.inference_mode():
        for part in parts:
            rows, lengths, _ = RowItems.collate([(part, 0)])
            logits = net([each.to(device) for each in rows], lengths)
            found.append(logits.softmax(1)[0].double().cpu().numpy())
    return np.mean(found, axis=0)


def _span(sequences: Sequence[FeatureSequence]) -> tuple[float, float]:
    """From the start of the first step of any source to the end of the last."""
    cells = [sequence.grid.cells for sequence in sequences]
    return float(min(cell[0, 0] for cell in cells)), float(max(cell[-1, 1] for cell in cells))


def _loss(model: nn.Module, batch: tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]) -> Tensor:
    rows, lengths, labels = batch
    return nn.functional.cross_entropy(model(rows, lengths), labels)

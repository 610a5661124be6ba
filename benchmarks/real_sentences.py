"""What sentences of the training subset can say of validation: ActivityNet Captions without any video, in one run.

Training sentences are the store, every 40th video of val_1 is scored on its annotated segments. No system: each row is
told something that only a perfect one would know, and so bounds, or floors, what retrieval and consensus can reach.

    nothing      the same sentence everywhere; a training sentence at random
    the class    sentences of training videos of the video's class (ActivityNet 1.3)
    the words    training sentences whose tf-idf words are nearest those of the reference itself

Of the sentences found, up to 300, the row takes one at random, the nearest, or the consensus.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse

from benchmarks.consensus import meteor
from benchmarks.table import Row, at_least
from untrimmed.caption.consensus import ConsensusConfig, consensus
from untrimmed.caption.likeness import CiderD
from untrimmed.caption.retrieval import ToldSegments, unit_rows
from untrimmed.caption.vocabulary import SIGNS, Vocabulary
from untrimmed.columns import Sentences
from untrimmed.data import activitynet, captions, raw
from untrimmed.evaluate import captioning
from untrimmed.evaluate.tokens import tokenize

FOLDER = Path(__file__).parent.parent.parent / "shared" / "data"
TRAIN, VALIDATION = (FOLDER / "activitynet_captions" / name for name in ("train.json.gz", "val_1.json.gz"))
CLASSES = FOLDER / "activitynet" / "activity_net.v1-3.json.gz"
EVERY = 40
NEAREST = 300
CONSTANT = "A man is seen speaking to the camera and leads into him holding up various objects"
WORDS = 1000
"""Words of the oracle's vectors, the most frequent; rarer ones tell sentences apart, not events."""


def run() -> list[Row]:
    """Measure, or say that the material is absent."""
    for path in (TRAIN, VALIDATION, CLASSES):
        if not path.exists():
            return [Row(what="sentences", value=float("nan"), note=f"needs shared/data/{path.relative_to(FOLDER)}")]
    store = raw.to_references(captions.read(TRAIN, subset="training"))[0]
    whole = captions.read(VALIDATION)
    every = tokenize(raw.to_references(whole)[0].sentences)
    whole.videos = whole.videos[::EVERY]
    truth = raw.to_references(whole)[0]
    told, given = tokenize(store.sentences), tokenize(truth.sentences)
    vocabulary = Vocabulary.of(told, minimum_count=5)
    known = set(vocabulary.words[len(SIGNS) :])
    counts = Counter(token for tokens in every for token in tokens)
    covered = sum(count for token, count in counts.items() if token in known) / counts.total()

    cider, draw = CiderD.of(told), np.random.default_rng(0)
    labels = {video.video_id: video.instances[0].text for video in activitynet.read(CLASSES).videos if video.instances}
    of_class: dict[str, list[int]] = {}
    for number, video in enumerate(store.video):
        of_class.setdefault(labels[store.video_ids[video]], []).append(number)
    segments = ToldSegments(
        vectors=_word_vectors(told, told, vocabulary),
        videos=tuple(store.video_ids[video] for video in store.video),
        sentences=store.sentences,
    )
    queries = _word_vectors(given, told, vocabulary)
    videos = [truth.video_ids[video] for video in truth.video]
    near = segments.nearest(queries, NEAREST, videos=videos)

    @cache
    def class_sentences(label: str) -> tuple[int, ...]:
        found = of_class[label]
        return tuple(np.random.default_rng(1).permutation(found)[:NEAREST].tolist())

    @cache
    def agreed(numbers: tuple[int, ...], weight: float) -> int:
        ranking = consensus(
            [told[i] for i in numbers], cider=cider, meteor=meteor, config=ConsensusConfig(meteor=weight)
        )
        return numbers[int(ranking.order[0])]

    places = range(len(truth))
    by_class = [class_sentences(labels[video]) for video in videos]
    by_words = [tuple(found.tolist()) for found in near]
    ways: dict[str, Callable[[int], str]] = {
        "constant sentence": lambda i: CONSTANT,
        "random training sentence": lambda i: store.sentences[int(draw.integers(len(store)))],
        "class known, random": lambda i: store.sentences[int(draw.choice(by_class[i]))],
        "class known, consensus of CIDEr-D": lambda i: store.sentences[agreed(by_class[i], 0.0)],
        "class known, consensus with METEOR": lambda i: store.sentences[agreed(by_class[i], 10.0)],
        "words known, nearest": lambda i: store.sentences[by_words[i][0]],
        "words known, random of 300": lambda i: store.sentences[int(draw.choice(by_words[i]))],
        "words known, consensus of CIDEr-D": lambda i: store.sentences[agreed(by_words[i], 0.0)],
        "words known, consensus with METEOR": lambda i: store.sentences[agreed(by_words[i], 10.0)],
    }
    rows = [
        Row(what="words of 5 occurrences and more", value=len(known), unit="", note=f"{len(told)} training sentences"),
        at_least("validation tokens that are among them", covered, 0.95, unit="", note=f"{counts.total()} tokens"),
    ]
    figures: dict[str, float] = {}
    for name, way in ways.items():
        said = Sentences(
            video_ids=truth.video_ids,
            durations=truth.durations,
            video=truth.video,
            segments=truth.segments,
            sentences=tuple(way(i) for i in places),
        )
        found = captioning.evaluate([truth], said, scorers=("METEOR", "CIDEr"))
        figures[name] = 100 * found.average("METEOR")
        cider_of = 100 * cider.pairs(tokenize(said.sentences), given).mean()  # in percent, as papers give it
        rows.append(Row(what=name, value=figures[name], unit="METEOR", note=f"CIDEr-D {cider_of:.2f} %"))
    gain = figures["words known, consensus with METEOR"] - figures["words known, random of 300"]
    note = f"{len(truth)} segments of {len(truth.video_ids)} videos; CIDEr-D with the df of training sentences"
    rows.append(at_least("consensus above one at random, words known", gain, 0.0, unit="METEOR", note=note))
    return rows


def _word_vectors(sentences: list[list[str]], documents: list[list[str]], vocabulary: Vocabulary) -> np.ndarray:
    """Unit tf-idf vectors over the most frequent words."""
    column = {word: number for number, word in enumerate(vocabulary.words[len(SIGNS) :][:WORDS])}
    frequency = Counter(word for tokens in documents for word in set(tokens))
    idf = np.array([np.log(len(documents) / frequency[word]) for word in column])
    at = [(row, column[word]) for row, tokens in enumerate(sentences) for word in tokens if word in column]
    rows, columns = zip(*at, strict=True)
    counts = scipy.sparse.csr_matrix((np.ones(len(at)), (rows, columns)), shape=(len(sentences), len(column)))
    return unit_rows(counts.multiply(idf[None]).toarray().astype(np.float32))

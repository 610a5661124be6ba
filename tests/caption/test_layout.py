"""Captions in order: time, merging, cutting where they overlap, and the best that do not, against brute force."""

import itertools

import numpy as np
import pytest

from untrimmed.caption.layout import Layout, flatten, in_time_order, lay_out, merge_identical, one_at_a_time
from untrimmed.records import Caption, Detection
from untrimmed.timeline import even_segments


def caption(start: float, end: float, sentence: str = "A.", score: float = 0.5) -> Caption:
    return Caption((start, end), score, sentence)


def random_captions(seed: int, count: int) -> list[Caption]:
    draw = np.random.default_rng(seed)
    starts = draw.integers(0, 12, count)
    ends = starts + draw.integers(1, 6, count)
    scores = draw.integers(-1, 9, count) / 8
    return [
        caption(float(a), float(b), f"Sentence {draw.integers(3)}.", float(s))
        for a, b, s in zip(starts, ends, scores, strict=True)
    ]


def test_order_is_by_start_then_end() -> None:
    assert in_time_order([caption(3, 4), caption(0, 9), caption(0, 2)]) == (
        caption(0, 2), caption(0, 9), caption(3, 4),
    )  # fmt: skip


def test_neighbours_that_say_the_same_are_joined() -> None:
    captions = [caption(4, 6, score=0.9), caption(0, 2), caption(2, 4), caption(7, 8), caption(1, 3, "B.")]
    assert merge_identical(captions) == (caption(0, 6, score=0.9), caption(1, 3, "B."), caption(7, 8))
    assert merge_identical(captions, gap=1.0) == (caption(0, 8, score=0.9), caption(1, 3, "B."))


@pytest.mark.parametrize("seed", range(20))
def test_merging_again_changes_nothing_and_covers_the_same_time(seed: int) -> None:
    captions = random_captions(seed, 12)
    merged = merge_identical(captions)
    assert merge_identical(merged) == merged
    for sentence in {item.sentence for item in captions}:

        def covered(items: object, sentence: str = sentence) -> set[int]:
            return {t for item in items if item.sentence == sentence for t in range(*map(int, item.segment))}  # type: ignore[attr-defined]

        assert covered(merged) == covered(captions)
        mine = [item.segment for item in merged if item.sentence == sentence]
        assert all(a[1] < b[0] for a, b in itertools.pairwise(mine))


@pytest.mark.parametrize("seed", range(20))
def test_one_at_a_time_is_the_best_choice_of_all(seed: int) -> None:
    captions = random_captions(seed, 9)

    def worth(chosen: object) -> float:
        return sum(max(0.0, c.score) * (c.segment[1] - c.segment[0]) for c in chosen)  # type: ignore[attr-defined]

    def apart(chosen: object) -> bool:
        ordered = sorted(chosen, key=lambda c: c.segment)  # type: ignore[call-overload]
        return all(a.segment[1] <= b.segment[0] for a, b in itertools.pairwise(ordered))

    every = [subset for n in range(10) for subset in itertools.combinations(captions, n) if apart(subset)]
    chosen = one_at_a_time(captions)
    assert apart(chosen)
    assert list(chosen) == sorted(chosen, key=lambda c: c.segment)
    assert worth(chosen) == pytest.approx(max(map(worth, every)))


def test_even_proposals_of_one_score_give_a_partition_of_the_video() -> None:
    captions = [caption(float(a), float(b)) for a, b in even_segments(60.0, 5)]
    chosen = one_at_a_time(captions)
    assert sum(c.segment[1] - c.segment[0] for c in chosen) == pytest.approx(60)
    better = [caption(*c.segment, score=0.9 if c.segment[0] > 35 else 0.5) for c in captions]
    assert min(c.segment[0] for c in one_at_a_time(better)) == 0
    assert one_at_a_time([]) == ()


def texts_at(captions: list[Caption], time: float) -> list[str]:
    ordered = sorted(captions, key=lambda item: item.segment)
    said = [item.sentence for item in ordered if item.segment[0] <= time < item.segment[1]]
    return list(dict.fromkeys(said))


@pytest.mark.parametrize("seed", range(20))
def test_flat_pieces_say_at_every_moment_what_was_said_and_never_overlap(seed: int) -> None:
    captions = random_captions(seed, 9)
    pieces = flatten(captions)
    assert all(a.segment[1] <= b.segment[0] for a, b in itertools.pairwise(pieces))
    assert not any(a.segment[1] == b.segment[0] and a.sentence == b.sentence for a, b in itertools.pairwise(pieces))
    for time in np.arange(0, 20, 0.5).tolist():
        inside = [piece for piece in pieces if piece.segment[0] <= time < piece.segment[1]]
        said = texts_at(captions, time)
        assert [piece.sentence for piece in inside] == ([" ".join(said)] if said else [])
        best = max((item.score for item in captions if item.segment[0] <= time < item.segment[1]), default=None)
        assert best is None or inside[0].score >= best
    assert flatten(pieces) == pieces


def test_flat_detections_are_joined_with_commas_and_silence_adds_nothing() -> None:
    found = [Detection((0.0, 4.0), 0.25, "Run"), Detection((2.0, 6.0), 0.5, "Jump"), Detection((8.0, 9.0), 0.5, "Run")]
    assert flatten(found) == (
        Detection((0.0, 2.0), 0.25, "Run"),
        Detection((2.0, 4.0), 0.5, "Run, Jump"),
        Detection((4.0, 6.0), 0.5, "Jump"),
        Detection((8.0, 9.0), 0.5, "Run"),
    )
    assert flatten([caption(0, 4, "A."), caption(1, 2, " ")]) == (caption(0, 4, "A."),)
    assert flatten([]) == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_three_layouts(seed: int) -> None:
    captions = random_captions(seed, 9)
    assert lay_out(captions, Layout.OVERLAP) == in_time_order(captions)
    assert lay_out(captions, Layout.FLATTEN) == flatten(captions)
    assert lay_out(captions, Layout.BEST) == one_at_a_time(captions)

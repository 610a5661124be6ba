"""Regions by sliding and grouping, by whose rows they are judged, and what a binary TSN learns from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from untrimmed.features.binary_actionness import ACTION, BACKGROUND, BinaryActionness, binary_pieces
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.laptop_streams import RGB_TSN
from untrimmed.features.learned import StreamFeature
from untrimmed.features.ssn_regions import GroupedRegions, PersonRows, RegionFinder, SlidingRegions, nearest_rows
from untrimmed.records import Annotation, DataError, Instance, Video
from untrimmed.timeline import TimeGrid, tiou

STREAM = StreamFeature(stream=RGB_TSN, stride=3, learn=True)
GRID = TimeGrid(start=0.0, stride=1.0, window=1.0, steps=10)


def test_twenty_snippets_give_eighteen_regions() -> None:
    found = SlidingRegions().segments(40.0)
    assert found.shape == (18, 2)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], 6.0)
    np.testing.assert_allclose(found[:, 0], 2.0 * np.arange(18))
    assert found[-1, 1] == pytest.approx(40.0)
    assert len(SlidingRegions(sizes=(1, 20)).segments(7.0)) == 21
    for duration in np.random.default_rng(0).uniform(1, 100, 200):
        assert SlidingRegions(sizes=(2, 3, 5)).segments(float(duration)).max() == pytest.approx(duration)
        assert SlidingRegions(sizes=(2, 3, 5)).segments(float(duration)).max() <= duration


def test_regions_are_there_for_each_person_who_is() -> None:
    present = np.zeros((3, 10), dtype=bool)
    present[0, 2:4], present[2, 3:8] = True, True
    rows = PersonRows(np.zeros((3, 10, 2)), present, GRID)
    region, person = rows.judges(np.array([[0.0, 2.0], [0.0, 5.0], [5.0, 9.0], [8.0, 10.0]]))
    assert list(zip(region.tolist(), person.tolist(), strict=True)) == [(0, 0), (1, 0), (1, 2), (2, 2), (3, 0)]


def test_rows_of_people_are_the_nearest_in_time() -> None:
    given = FeatureSequence(np.arange(6.0)[:, None], TimeGrid(start=0.3, stride=2.0, window=0.2, steps=6))
    nearest = np.abs(given.grid.centres[None] - GRID.centres[:, None]).argmin(axis=1)
    assert nearest_rows(given, GRID)[:, 0].tolist() == nearest.tolist()
    none = FeatureSequence(np.zeros((0, 1)), replace(GRID, steps=0))
    with pytest.raises(DataError, match="rows of people need one step or more, got none"):
        nearest_rows(none, GRID)


def test_a_binary_net_learns_from_what_meets_an_instance_and_what_meets_none() -> None:
    config = BinaryActionness(streams=(STREAM,))
    known = np.array([[10.0, 14.0], [30.0, 47.0]])
    instances = tuple(Instance((start, end), "x") for start, end in known.tolist())
    annotation = Annotation(video=Video(video_id="v", duration=60.0), instances=instances)
    pieces = binary_pieces([annotation], config)
    kinds = {ACTION: 0, BACKGROUND: 0}
    for piece in pieces:
        assert piece.segment is not None
        best = tiou(np.array([piece.segment]), known).max()
        assert best > 0.7 if piece.label == ACTION else best < 0.01
        kinds[piece.label] += 1
    assert kinds[ACTION] > 2 < kinds[BACKGROUND]
    assert {(10.0, 14.0), (30.0, 47.0)} <= {piece.segment for piece in pieces if piece.label == ACTION}


def test_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sliding regions need sizes of 1 to all snippets"):
        SlidingRegions(sizes=(21,))
    with pytest.raises(DataError, match="binary actionness needs streams that learn, got 0 streams"):
        BinaryActionness(streams=())
    grouped = GroupedRegions(actionness=BinaryActionness(streams=(STREAM,)))
    with pytest.raises(DataError, match="the binary TSN that regions are grouped by is not there"):
        RegionFinder.restore(grouped, {}, folder=tmp_path, name="x")

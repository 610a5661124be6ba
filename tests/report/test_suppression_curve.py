"""Recall over the threshold of suppression: the challenge's figures, and what each number of proposals wants."""

import numpy as np
import pytest

from untrimmed.columns import ground_truth_of, predictions_of
from untrimmed.evaluate import proposals
from untrimmed.propose.pyramid import Pyramid
from untrimmed.propose.suppress import HardNms, suppress_proposals
from untrimmed.records import Annotation, DataError, Dataset, Instance, Prediction, Proposal, Task, Video
from untrimmed.report.suppression_curve import SuppressionCurve, recall_over_suppression, suppression_curve
from untrimmed.timeline import tiou

ANCHORS = Pyramid().anchors()


def _world(videos: int = 12) -> tuple[Dataset, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Candidates of the pyramid, scored by their overlap and some noise."""
    rng = np.random.default_rng(0)
    annotations, candidates = [], {}
    for number in range(videos):
        starts = np.sort(rng.uniform(0, 90, 2))
        instances = np.stack([starts, np.minimum(100, starts + rng.uniform(5, 40, 2))], axis=1)
        video = Video(video_id=f"v{number}", duration=100.0, subset="validation")
        known = tuple(Instance((start, end), "run") for start, end in instances.tolist())
        annotations.append(Annotation(video=video, instances=known))
        segments = 100 * ANCHORS
        scores = tiou(segments, instances).max(axis=1) + rng.normal(0, 0.1, len(segments))
        candidates[video.video_id] = (segments, scores)
    return Dataset(name="drawn", annotations=tuple(annotations)), candidates


@pytest.fixture(scope="module")
def drawn() -> tuple[Dataset, dict[str, tuple[np.ndarray, np.ndarray]], SuppressionCurve]:
    dataset, candidates = _world()
    return dataset, candidates, suppression_curve(candidates, ground_truth_of(dataset))


def test_it_is_what_the_evaluator_says_of_suppressed_proposals(
    drawn: tuple[Dataset, dict[str, tuple[np.ndarray, np.ndarray]], SuppressionCurve],
) -> None:
    dataset, candidates, curve = drawn
    for column, threshold in enumerate(curve.thresholds):
        said = []
        for annotation in dataset.annotations:
            segments, scores = candidates[annotation.video.video_id]
            given = [Proposal(tuple(segment), score) for segment, score in zip(segments.tolist(), scores, strict=True)]
            kept = suppress_proposals(given, HardNms(tiou=float(threshold), most=100))
            said.append(Prediction(video=annotation.video, proposals=kept))
        found = proposals.evaluate(ground_truth_of(dataset), predictions_of(said, Task.PROPOSALS))
        assert curve.auc[column] == pytest.approx(found.auc)


def test_more_proposals_never_find_less_and_want_a_higher_threshold(
    drawn: tuple[Dataset, dict[str, tuple[np.ndarray, np.ndarray]], SuppressionCurve],
) -> None:
    _, _, curve = drawn
    assert curve.recall.shape == (5, 7)
    assert (np.diff(curve.recall, axis=0) >= 0).all()
    assert np.ptp(curve.recall[0]) == 0  # the first is never suppressed
    best = curve.best()
    assert best["AR@5"] < best["AR@100"]
    assert set(best) == {"auc", "AR@1", "AR@5", "AR@10", "AR@50", "AR@100"}


def test_the_plot_is_drawn(drawn: tuple[Dataset, dict[str, tuple[np.ndarray, np.ndarray]], SuppressionCurve]) -> None:
    plot = recall_over_suppression(drawn[2])
    picture = plot.picture("svg")
    assert b"suppression above tIoU" in picture
    assert b"AR@50" in picture
    assert plot.picture("svg") == picture
    assert plot.picture("png")[:4] == b"\x89PNG"


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="a suppression curve needs candidates and thresholds, got 0 videos, 7"):
        suppression_curve({}, ground_truth_of(_world(1)[0]))

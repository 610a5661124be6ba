"""What every system of the catalogue promises: one test over all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fresh_process import FreshProcess, fresh_process, plain
from torch.optim.optimizer import register_optimizer_step_pre_hook

from small_world import shortened
from untrimmed.columns import ground_truth_of, predictions_of, references_of, sentences_of
from untrimmed.configs import from_plain, to_plain
from untrimmed.data import open_dataset, write_predictions
from untrimmed.evaluate import captioning, classification, localization, proposals, recognition
from untrimmed.features import extract as extraction
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError, Dataset, NotTrained, Prediction, Task, Video
from untrimmed.systems.catalogue import SYSTEMS, Entry, load_system
from untrimmed.systems.reports import REPORTS
from untrimmed.train import Run

PARTS = {
    Task.CLASSIFICATION: "classes",
    Task.RECOGNITION: "classes",
    Task.PROPOSALS: "proposals",
    Task.LOCALIZATION: "detections",
    Task.CAPTIONING: "captions",
}


@dataclass
class Gradients:
    """Which of the parameters that were optimised had a gradient in some step."""

    seen: dict[int, tuple[torch.Size, bool]] = field(default_factory=dict)

    def look(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                moved = parameter.grad is not None and bool((parameter.grad != 0).any())
                before = self.seen.get(id(parameter), (parameter.shape, False))[1]
                self.seen[id(parameter)] = (parameter.shape, before or moved)


@dataclass(frozen=True)
class Fitted:
    entry: Entry
    system: Any
    dataset: Dataset
    store: FeatureStore
    gradients: Gradients
    folder: Path
    source: Path


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Iterator[None]:
    """Measure in this process: a worker takes seconds to start, and these videos hardly longer to measure."""
    plain = extraction._outcomes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "_outcomes", lambda job, tasks, workers: plain(job, tasks, workers or 0))
        yield


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[FreshProcess]:
    """A process that knows nothing of this one; one for all systems, since it takes seconds to start."""
    with fresh_process() as process:
        yield process


@pytest.fixture(scope="module", params=SYSTEMS, ids=lambda entry: f"{entry.number:02d}")
def fitted(request: pytest.FixtureRequest, small_playground: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    entry: Entry = request.param
    folder = tmp_path_factory.mktemp(f"system-{entry.number:02d}")
    source = small_playground / "untrimmed"
    dataset = open_dataset(source)
    store = FeatureStore(small_playground.parent / "store")
    gradients = Gradients()
    handle = register_optimizer_step_pre_hook(gradients.look)
    system = entry.system(shortened(entry.laptop))
    system.fit(dataset, store=store, run=Run(seed=3, device="cpu"))
    handle.remove()
    return Fitted(entry, system, dataset, store, gradients, folder, source)


def said(fitted: Fitted, system: Any) -> list[Prediction]:
    return list(system.predict(fitted.dataset.subset("testing").videos, store=fitted.store))


def test_every_parameter_gets_a_gradient(fitted: Fitted) -> None:
    assert fitted.gradients.seen
    still = [tuple(shape) for shape, moved in fitted.gradients.seen.values() if not moved]
    assert still == []


def test_predictions_are_valid_and_of_the_tasks_that_it_serves(fitted: Fitted) -> None:
    predictions = said(fitted, fitted.system)
    assert [prediction.video.video_id for prediction in predictions] == [
        video.video_id for video in fitted.dataset.subset("testing").videos
    ]
    for prediction in predictions:
        for task in fitted.system.tasks:
            assert getattr(prediction, PARTS[task]) is not None
        for name in ("proposals", "detections"):
            scores = [item.score for item in getattr(prediction, name) or ()]
            assert scores == sorted(scores, reverse=True)
        starts = [item.segment[0] for item in prediction.captions or ()]
        assert starts == sorted(starts)
        for name in ("proposals", "detections", "captions"):
            for item in getattr(prediction, name) or ():
                assert item.segment[0] >= 0
                assert item.segment[1] <= prediction.video.duration + 1e-6
        if prediction.classes is not None:
            assert set(prediction.classes.scores) <= set(fitted.dataset.labels)


def test_it_can_be_scored_by_the_official_metrics(fitted: Fitted) -> None:
    predictions = said(fitted, fitted.system)
    for task in fitted.system.tasks:
        path = fitted.folder / f"{task.value}.json"
        write_predictions(path, predictions, task)
        assert path.stat().st_size > 0
    truth = ground_truth_of(fitted.dataset, "testing")
    for task in fitted.system.tasks - {Task.RECOGNITION}:
        if task is Task.CAPTIONING:
            result: Any = captioning.evaluate(
                references_of(fitted.dataset, "testing"), sentences_of(predictions), scorers=("Bleu", "CIDEr")
            )
        else:
            columns = predictions_of(predictions, task)
            rules: Any = {
                Task.CLASSIFICATION: lambda c: classification.evaluate(truth, c, ignore_unknown=True),
                Task.PROPOSALS: lambda c: proposals.evaluate(truth, c),
                Task.LOCALIZATION: lambda c: localization.evaluate(truth, c, ignore_unknown=True),
            }
            result = rules[task](columns)
        assert "untrimmed:" in result.signature


def test_saved_and_loaded_in_a_fresh_process_it_says_the_same(fitted: Fitted, elsewhere: FreshProcess) -> None:
    folder = fitted.folder / "saved"
    fitted.system.save(folder)
    loaded = load_system(folder)
    assert type(loaded) is type(fitted.system)
    assert loaded.config == fitted.system.config
    keys = [feature.key for feature in fitted.system.features()]
    assert [feature.key for feature in loaded.features()] == keys
    before = plain(said(fitted, fitted.system))
    videos = fitted.dataset.subset("testing").videos
    after = elsewhere.reloaded(folder, dataset=fitted.source, store=fitted.store.root, videos=videos)
    assert after == {"system": type(fitted.system).__name__, "keys": keys, "predictions": before}
    with pytest.raises(DataError, match="exists and is not empty"):
        fitted.system.save(folder)


def test_the_same_seed_gives_the_same_numbers(fitted: Fitted) -> None:
    again = fitted.entry.system(fitted.system.config)
    again.fit(fitted.dataset, store=fitted.store, run=Run(seed=3, device="cpu"))
    assert plain(said(fitted, again)) == plain(said(fitted, fitted.system))


def test_what_goes_wrong_in_the_fresh_process_is_told(elsewhere: FreshProcess, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)in the fresh process:\nTraceback.*holds no trained system"):
        elsewhere.reloaded(tmp_path, dataset=tmp_path, store=tmp_path, videos=[])
    with fresh_process() as process:
        process._process.kill()
        with pytest.raises(AssertionError, match=r"the fresh process ended with -9; it said:"):
            process.reloaded(tmp_path, dataset=tmp_path, store=tmp_path, videos=[])


def test_a_video_that_cannot_be_read_is_left_out(fitted: Fitted, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    good = fitted.dataset.subset("testing").videos[0]
    videos = [Video(video_id="bad", duration=5.0, path=bad), good]
    predictions = list(fitted.system.predict(videos, store=fitted.store))
    assert [prediction.video.video_id for prediction in predictions] == [good.video_id]


@pytest.mark.parametrize("entry", SYSTEMS, ids=lambda entry: f"{entry.number:02d}")
def test_untrained_it_says_so(entry: Entry, tmp_path: Path) -> None:
    system = entry.system(entry.laptop)
    store = FeatureStore(tmp_path / "store")
    with pytest.raises(NotTrained, match=f"system {entry.number:02d} .*must be fitted or loaded first"):
        list(system.predict([Video(video_id="v", duration=1.0)], store=store))
    with pytest.raises(NotTrained, match="must be fitted or loaded first"):
        system.save(tmp_path / "saved")


@pytest.mark.parametrize("entry", SYSTEMS, ids=lambda entry: f"{entry.number:02d}")
def test_it_is_announced_as_its_report_and_its_configurations_survive_json(entry: Entry) -> None:
    report = REPORTS[entry.number - 1]
    assert report.number == entry.number
    assert entry.system.tasks == set(report.tasks)
    for config in (entry.published, entry.laptop):
        assert from_plain(type(config), to_plain(config)) == config


def test_reports_are_twenty_two_in_order() -> None:
    assert [report.number for report in REPORTS] == list(range(1, 23))
    numbers = [entry.number for entry in SYSTEMS]
    assert numbers == sorted(set(numbers))


def test_a_system_that_is_not_built_is_named(tmp_path: Path) -> None:
    from untrimmed.systems.catalogue import entry_of

    with pytest.raises(DataError, match="number of a system must be 1 to 22, got 99"):
        entry_of(99)
    with pytest.raises(DataError, match="holds no trained system"):
        load_system(tmp_path)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in SYSTEMS if Task.RECOGNITION in entry.system.tasks],
    ids=lambda entry: f"{entry.number:02d}",
)
def test_recognition_of_trimmed_clips(entry: Entry, small_playground: Path) -> None:
    dataset = open_dataset(small_playground / "trimmed")
    assert dataset.trimmed
    store = FeatureStore(small_playground.parent / "store")
    system = entry.system(shortened(entry.laptop))
    system.fit(dataset, store=store, run=Run(seed=1, device="cpu"))
    predictions = list(system.predict(dataset.subset("testing").videos, store=store))
    columns = predictions_of(predictions, Task.RECOGNITION)
    result = recognition.evaluate(ground_truth_of(dataset, "testing"), columns)
    assert np.isfinite(result.figures["average_error"])

"""What is measured of systems 01, 02, 04, 10 and 11 on the playground: every voter beside the vote."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from untrimmed.cli.findings import Finding
from untrimmed.cli.measures import rows
from untrimmed.cli.workshop import Row, Workshop
from untrimmed.records import Dataset, Prediction

if TYPE_CHECKING:
    from untrimmed.features.organisers import Kind
    from untrimmed.systems.expert_windows import ExpertWindows
    from untrimmed.systems.frame_votes import FrameVotes
    from untrimmed.systems.multitask_lstm import MultitaskLstm, MultitaskLstmConfig
    from untrimmed.systems.voting import VotingSystem

TITLE = "Systems 01, 02, 04, 10 and 11"
WORK = "classical"
"""Of all trainings of one seed, so that systems share those with equal names."""


def measured(shop: Workshop) -> list[Row]:
    """All rows of systems 01, 02, 04, 10 and 11 with one seed; they share the nets of their features."""
    from untrimmed.features.organisers import with_weights
    from untrimmed.systems import expert_windows, frame_votes, multitask_lstm, six_votes, three_features

    data, clips = shop.draw()
    weights = given_nets(shop, clips)
    found: list[Row] = shop.rows("classical-floors", None, lambda: floors(data))
    three = three_features.ThreeFeatures(with_weights(three_features.LAPTOP, weights))
    three = shop.trained(three, data, name="01", work=WORK)
    found += shop.rows("01", three.config, lambda: voters(shop, three, data))
    windows = expert_windows.ExpertWindows(with_weights(expert_windows.LAPTOP, weights))
    windows = shop.trained(windows, data, name="02", work=WORK)
    found += shop.rows("02", windows.config, lambda: window_models(shop, windows, data))
    six = six_votes.SixVotes(with_weights(six_votes.LAPTOP, weights))
    six = shop.trained(six, data, name="04", work=WORK)
    found += shop.rows("04", six.config, lambda: voters(shop, six, data))
    frames = frame_votes.FrameVotes(with_weights(frame_votes.LAPTOP, weights))
    frames = shop.trained(frames, data, name="10", work=WORK)
    found += shop.rows("10", frames.config, lambda: frame_level_and_global(shop, frames, data))
    variants = loss_variants(with_weights(multitask_lstm.LAPTOP, weights))
    recurrent = {
        name: shop.trained(multitask_lstm.MultitaskLstm(config), data, name=f"11-{place}", work=WORK)
        for place, (name, config) in enumerate(variants.items())
    }
    identity = tuple(system.config for system in recurrent.values())
    found += shop.rows("11", identity, lambda: losses(shop, recurrent, data))
    return found


def given_nets(shop: Workshop, clips: Dataset) -> "dict[Kind, Path]":
    """Weights of the small nets, learnt from the trimmed clips: other videos, as the reports' nets come from others.

    A net that had learnt the very videos that classifiers learn from next would tell those apart too well.
    """
    from untrimmed.features import organisers
    from untrimmed.features.extract import extract
    from untrimmed.features.learned import StreamFeature, keep_weights
    from untrimmed.features.streams import fit_stream
    from untrimmed.train import Run

    found: dict[Kind, Path] = {}
    run = Run(folder=shop.folder / "training" / f"seed-{shop.seed}" / "given", seed=shop.seed, progress=shop.shown)
    sources: dict[Kind, Any] = {"c3d": organisers.SMALL_C3D.rows, "shuffle": organisers.SMALL_SHUFFLE.rows}
    for kind, source in sources.items():
        assert isinstance(source, StreamFeature)
        with shop.step(f"the net of {kind} is trained"):
            images = source.stream.images
            extract((images,), clips.subset("training").videos, store=shop.store, progress=shop.shown)
            net = fit_stream(source.stream, clips, store=shop.store, run=run, name=kind)
            found[kind] = keep_weights(net, shop.store)
    return found


def floors(dataset: Dataset) -> Iterator[Row]:
    """What knows nothing of the videos."""
    part = dataset.subset("testing")
    yield rows.classified("T1", "chance: the most frequent class", dataset, rows.most_frequent(dataset, part))
    yield from rows.proposal_floors(dataset)


def voters(shop: Workshop, system: "VotingSystem[Any]", dataset: Dataset) -> Iterator[Row]:
    """T1: every voter of system 01 or 04, and the vote."""
    part, code = dataset.subset("testing"), f"{system.number:02d}"
    said = list(system.predict(part.videos, store=shop.store))
    videos = [prediction.video for prediction in said]
    for name, scores in system.voters(videos, store=shop.store).items():
        single = rows.class_predictions(videos, list(scores), dataset.labels)
        yield rows.classified("T1", f"{code} {name}", dataset, single)
    yield rows.classified("T1", f"{code} vote", dataset, said)


def window_models(shop: Workshop, system: "ExpertWindows", dataset: Dataset) -> Iterator[Row]:
    """T1: the windows of each model of system 02 by themselves, and of all."""
    part = dataset.subset("testing")
    said = list(system.predict(part.videos, store=shop.store))
    windows = [(prediction.video, system.windows(prediction.video, store=shop.store)) for prediction in said]
    for model in system.config.models:
        single = [Prediction(video=video, classes=system.vote([each[model]])) for video, each in windows]
        yield rows.classified("T1", f"02 {model}", dataset, single)
    yield rows.classified("T1", "02 windows of all", dataset, said)


def frame_level_and_global(shop: Workshop, system: "FrameVotes", dataset: Dataset) -> Iterator[Row]:
    """T1, T3 and T4 of system 10, and the forests on global features."""
    from untrimmed.features.sequences import ready

    part = dataset.subset("testing")
    said = list(system.predict(part.videos, store=shop.store))
    videos = [prediction.video for prediction in said]
    yield rows.classified("T1", "10 votes of the net on C3D", dataset, said)
    for name in system.config.forests:
        ready([system.global_source(name)], videos, store=shop.store)
        scores = [system.forest(video, store=shop.store, name=name)[0] for video in videos]
        forest = rows.class_predictions(videos, scores, dataset.labels)
        yield rows.classified("T1", f"10 forests on {name}", dataset, forest)
    yield rows.proposed("10 runs", dataset, said)
    yield rows.localized("10 runs of the best class", dataset, said)


def losses(shop: Workshop, systems: "dict[str, MultitaskLstm]", dataset: Dataset) -> Iterator[Row]:
    """T1 and T4 of system 11: the SVMs, the actionness loss, all losses, with and without the SVMs."""
    part = dataset.subset("testing")
    said: dict[str, Sequence[Prediction]] = {
        name: list(system.predict(part.videos, store=shop.store)) for name, system in systems.items()
    }
    svms = next(iter(systems.values())).svm_scores(part.videos, store=shop.store)
    for name, scores in svms.items():
        single = rows.class_predictions(part.videos, list(scores), dataset.labels)
        yield rows.classified("T1", f"11 {name} SVM", dataset, single)
    mean = np.mean(list(svms.values()), axis=0)
    yield rows.classified(
        "T1", "11 SVMs averaged", dataset, rows.class_predictions(part.videos, list(mean), dataset.labels)
    )
    for name, predictions in said.items():
        yield rows.classified("T1", f"11 {name}", dataset, predictions)
    for name, predictions in said.items():
        yield rows.localized(f"11 {name}", dataset, predictions)
    classes = {prediction.video.video_id: prediction.classes for prediction in said["Lact + Ldet + Lcls + SVMs"]}
    for name, segments in (
        ("whole video", rows.whole_videos(part)),
        ("ceiling: perfect proposals", rows.perfect(part)),
    ):
        yield rows.localized(name, dataset, rows.stamped(part.videos, segments, classes))


def loss_variants(config: "MultitaskLstmConfig") -> "dict[str, MultitaskLstmConfig]":
    """The rows of the report's table that have an LSTM."""
    alone = replace(config.loss, detection=False, classification=False)
    return {
        "Lact + SVMs": replace(config, loss=alone),
        "Lact + Ldet + Lcls": replace(config, svm_votes=False),
        "Lact + Ldet + Lcls + SVMs": config,
    }


def _vote_above(voter: str, published: str) -> Finding:
    claim = f"the vote above {voter}"
    return Finding(
        system=1, claim=claim, published=published, task="T1", left="01 vote", right=f"01 {voter}", figure="top-1"
    )


def _of(system: int, claim: str, published: str, task: str, names: tuple[str, str], figure: str) -> Finding:
    left, right = (f"{system:02d} {name}" for name in names)
    return Finding(system=system, claim=claim, published=published, task=task, left=left, right=right, figure=figure)


_ALL, _LSTM, _ACT = "Lact + Ldet + Lcls + SVMs", "Lact + Ldet + Lcls", "Lact + SVMs"
_NET, _FRAMES, _MBH = "votes of the net on C3D", "forests on frames", "forests on mbh"
FINDINGS: tuple[Finding, ...] = (
    _vote_above("mbh", "74.30 against 53.47"),
    _vote_above("c3d", "74.30 against 62.83"),
    _vote_above("frames", "74.30 against 67.54"),
    _of(2, "all models above averaged C3D", "-", "T1", ("windows of all", "c3d-average"), "top-1"),
    _of(2, "all models above the LSTM on C3D", "-", "T1", ("windows of all", "c3d-lstm"), "top-1"),
    _of(4, "the vote above the SVM on C3D", "-", "T1", ("vote", "c3d-svm"), "top-1"),
    _of(4, "the vote above the softmax on C3D", "-", "T1", ("vote", "c3d-softmax"), "top-1"),
    _of(10, "frame-level above global, frame net", "63.16 against 54.42 (test)", "T1", (_NET, _FRAMES), "top-1"),
    _of(10, "frame-level above global, MBH", "in words", "T1", (_NET, _MBH), "top-1"),
    _of(10, "frame net above MBH, forests", "in words", "T1", (_FRAMES, _MBH), "top-1"),
    _of(11, "joint loss above actionness alone", "0.15 against 0.12", "T4", (_ALL, _ACT), "average"),
    _of(11, "joint loss above actionness alone", "67 against 64", "T1", (_ALL, _ACT), "top-1"),
    _of(11, "SVMs and LSTM above the LSTM", "0.15 against 0.14", "T4", (_ALL, _LSTM), "average"),
    _of(11, "SVMs and LSTM above the LSTM", "67 against 63", "T1", (_ALL, _LSTM), "top-1"),
)

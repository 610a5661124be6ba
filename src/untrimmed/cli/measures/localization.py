"""What is measured of the systems that say where something happens: proposals and detections, in one table each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from untrimmed.cli.measures import rows
from untrimmed.cli.measures.localization_findings import FINDINGS
from untrimmed.cli.workshop import Row, Workshop
from untrimmed.columns import ground_truth_of
from untrimmed.records import ClassScores, Dataset, Detection, Prediction, Proposal

TITLE = "Systems 07 to 10 and 17 to 21: where"
WORK = "classes-T1"
"""Of all trainings of one seed: those of the recognition group on untrimmed videos, so that streams are shared."""
NMS = (0.3, 0.45, 0.6, 0.75, 0.8, 0.85, 0.9)
"""Overlaps at which report 18 suppresses."""
SHORT = 4.0
"""Seconds below which an instance is short."""

__all__ = ["FINDINGS", "TITLE", "measured"]

Classes = Mapping[str, ClassScores]


def measured(shop: Workshop) -> list[Row]:
    """All rows with one seed."""
    from untrimmed.systems.catalogue import entry_of

    untrimmed, trimmed = shop.draw()
    place = _Place(shop, untrimmed)
    parts: list[tuple[str, Callable[[], Iterator[Row]]]] = [
        ("floors", place.floors),
        ("07", place.seven),
        ("08", place.eight),
        ("09", place.nine),
        ("10", lambda: place.ten(trimmed)),
        ("17", place.seventeen),
        ("18", place.eighteen),
        ("19", place.nineteen),
        ("20", place.twenty),
        ("21", place.twenty_one),
        ("joints", place.joints),
    ]
    found: list[Row] = []
    for name, measure in parts:
        identity = entry_of(int(name)).laptop if name.isdigit() else None
        found += shop.rows(f"places-{name}", identity, measure)
    return found


class _Place:
    """One data set, one seed, and the classes that all proposals are stamped with."""

    def __init__(self, shop: Workshop, dataset: Dataset) -> None:
        self.shop, self.dataset = shop, dataset
        self.part = dataset.subset("testing")
        self.run = shop.run(WORK)
        self._classes: Classes | None = None

    @property
    def classes(self) -> Classes:
        """What system 08's members say of the testing videos: it stands for the file of 2017 that all borrow since."""
        if self._classes is None:
            from untrimmed.cli.measures.learnt_nets import learnt_nets
            from untrimmed.features.members import fit_members
            from untrimmed.fuse.weights import weighted_mean
            from untrimmed.systems import tsn_3d_pose_audio as eight

            members = eight.with_pose(eight.LAPTOP, learnt_nets(self.shop).pose).members
            fitted = fit_members(members, self.dataset, store=self.shop.store, run=self.run)
            videos = fitted.ready(self.part.videos, store=self.shop.store)
            table = weighted_mean(fitted.scores(videos, store=self.shop.store))
            self._classes = {
                video.video_id: ClassScores(dict(zip(self.dataset.labels, row.tolist(), strict=True)))
                for video, row in zip(videos, table, strict=True)
            }
        return self._classes

    def proposed(self, name: str, said: Sequence[Prediction]) -> Row:
        return rows.proposed(name, self.dataset, said)

    def stamped(self, name: str, said: Sequence[Prediction]) -> Row:
        """T4 of proposals under the borrowed classes."""
        given = {one.video.video_id: one.proposals or () for one in said}
        videos = [one.video for one in said]
        return rows.localized(f"{name}, classes of 08", self.dataset, rows.stamped(videos, given, dict(self.classes)))

    def localized(self, name: str, said: Sequence[Prediction]) -> Row:
        return rows.localized(name, self.dataset, said)

    def floors(self) -> Iterator[Row]:
        """What looks at nothing but the clock, and what no proposals can surpass."""
        yield from rows.proposal_floors(self.dataset)
        for name, segments in (
            ("whole video", rows.whole_videos(self.part)),
            ("ceiling: perfect proposals", rows.perfect(self.part)),
        ):
            said = rows.stamped(self.part.videos, segments, dict(self.classes))
            yield rows.localized(f"{name}, classes of 08", self.dataset, said)

    def seven(self) -> Iterator[Row]:
        from untrimmed.systems import multi_scale_proposals as seven

        system = self.shop.trained(seven.MultiScaleProposals(seven.LAPTOP), self.dataset, name="07-places", work=WORK)
        said = list(system.predict(self.part.videos, store=self.shop.store))
        yield rows.classified("T1", "07 mean over clips", self.dataset, said)
        yield self.proposed("07 four scales", said)
        yield self.stamped("07 four scales", said)

    def eight(self) -> Iterator[Row]:
        from untrimmed.systems import tsn_3d_pose_audio as eight
        from untrimmed.systems.structured import fit_structured

        config = eight.LAPTOP.localization
        fitted = fit_structured(config, self.dataset, store=self.shop.store, run=self.run)
        videos = fitted.ready(self.part.videos, store=self.shop.store)

        def answers(**change: Any) -> list[Prediction]:
            part = replace(fitted, config=replace(config, **change))
            return [
                part.added(Prediction(video=video, classes=self.classes.get(video.video_id)), store=self.shop.store)
                for video in videos
            ]

        whole = answers()
        yield self.proposed("08 SSN a + b", whole)
        yield self.localized("08 SSN a + b", whole)
        yield self.localized("08 SSN a", answers(net_weights=(1.0, 0.0)))
        yield self.localized("08 SSN b", answers(net_weights=(0.0, 1.0)))
        yield self.localized("08 SSN a + b, not moved", answers(regression="none"))
        yield self.localized("08 SSN a + b, classes of 08", answers(video_classes=3))

    def nine(self) -> Iterator[Row]:
        from untrimmed.systems import offsets_and_labelling as nine

        system = self.shop.trained(nine.OffsetsAndLabelling(nine.LAPTOP), self.dataset, name="09-places", work=WORK)
        plain = replace(nine.LAPTOP, offsets=None)
        without = self.shop.trained(nine.OffsetsAndLabelling(plain), self.dataset, name="09-plain", work=WORK)
        store = self.shop.store
        list(without.predict(self.part.videos, store=store))
        said = list(system.predict(self.part.videos, store=store))
        videos = [one.video for one in said]

        def classes(which: Any, weight: float | None) -> list[Prediction]:
            frames = [which.frame_scores(video, store=store, weight=weight) for video in videos]
            return [
                Prediction(video=video, classes=which.class_scores(each))
                for video, each in zip(videos, frames, strict=True)
            ]

        for name, which, weight in (
            ("rgb with offsets", system, 1.0),
            ("rgb without", without, 1.0),
            ("flow", system, 0.0),
            ("fused", system, None),
        ):
            yield rows.classified("T1", f"09 {name}", self.dataset, classes(which, weight))
        yield self.localized("09 labelled by dynamic programming", said)
        whole = [
            Prediction(
                video=video,
                detections=system.detections(video, system.frame_scores(video, store=store), labelled=False),
            )
            for video in videos
        ]
        yield self.localized("09 whole video", whole)
        pieces = [
            Prediction(
                video=one.video,
                proposals=tuple(
                    Proposal(found.segment, found.score)
                    for found in sorted(one.detections or (), key=lambda found: -found.score)
                ),
            )
            for one in said
        ]
        yield self.proposed("09 labelled by dynamic programming", pieces)
        yield self.stamped("09 labelled by dynamic programming", pieces)

    def ten(self, trimmed: Dataset) -> Iterator[Row]:
        from untrimmed.cli.measures.classical import given_nets
        from untrimmed.features.organisers import with_weights
        from untrimmed.systems import frame_votes as ten

        config = with_weights(ten.LAPTOP, given_nets(self.shop, trimmed))
        system = self.shop.trained(ten.FrameVotes(config), self.dataset, name="10", work="classical")
        said = list(system.predict(self.part.videos, store=self.shop.store))
        yield self.proposed("10 runs", said)
        yield self.localized("10 runs", said)
        yield self.stamped("10 runs", said)

    def seventeen(self) -> Iterator[Row]:
        from untrimmed.systems import p3d_quantization as seventeen
        from untrimmed.systems.tag_reranking import fit_proposals

        part = fit_proposals(seventeen.LAPTOP.proposals, self.dataset, store=self.shop.store, run=self.run)
        videos = part.ready(self.part.videos, store=self.shop.store)

        def alone(stream: int, reranked: bool) -> list[Prediction]:
            return [
                Prediction(video=video, proposals=part.alone(video, stream, reranked=reranked, store=self.shop.store))
                for video in videos
            ]

        for number, name in enumerate(("frames", "clips", "frame motion", "clip motion")):
            yield self.proposed(f"17 {name}", alone(number, reranked=False))
            yield self.proposed(f"17 {name}, re-ranked", alone(number, reranked=True))
        whole = [Prediction(video=video, proposals=part.propose(video, store=self.shop.store)) for video in videos]
        yield self.proposed("17 fused", whole)
        yield self.stamped("17 fused", whole)

    def eighteen(self) -> Iterator[Row]:
        from untrimmed.propose.suppress import HardNms
        from untrimmed.report.suppression_curve import suppression_curve
        from untrimmed.systems import temporal_context as eighteen

        system = self.shop.trained(
            eighteen.TemporalContextNetwork(eighteen.LAPTOP), self.dataset, name="18-places", work=WORK
        )
        said = list(system.predict(self.part.videos, store=self.shop.store))
        yield self.proposed("18", said)
        yield self.stamped("18", said)
        ranked = {one.video.video_id: system.ranked(one.video, store=self.shop.store) for one in said}
        candidates = {name: (each.segments, each.scores) for name, each in ranked.items()}
        truth = ground_truth_of(self.dataset, "testing")
        curve = suppression_curve(candidates, truth, thresholds=NMS)
        for column, threshold in enumerate(NMS):
            recall = {f"AR@{n}": 100 * float(curve.recall[row, column]) for row, n in enumerate(curve.numbers)}
            figures = {"AUC": float(curve.auc[column]), **{name: recall[name] for name in ("AR@10", "AR@100")}}
            yield Row("T3", f"18, suppressed at {threshold}", figures)
        for threshold in (0.45, 0.85):
            rule = HardNms(tiou=threshold)
            kept = [replace(one, proposals=system.proposals(ranked[one.video.video_id], rule=rule)) for one in said]
            yield self.stamped(f"18, suppressed at {threshold}", kept)

    def nineteen(self) -> Iterator[Row]:
        from untrimmed.systems import prop_ssad as nineteen

        system = self.shop.trained(nineteen.PropSsad(nineteen.LAPTOP), self.dataset, name="19", work="19")
        said = list(system.predict(self.part.videos, store=self.shop.store))
        plain = copy(system)
        plain.config = replace(system.config, refine_tiou=None)
        unrefined = list(plain.predict(self.part.videos, store=self.shop.store))
        yield self.proposed("19 Prop-SSAD alone", unrefined)
        yield self.proposed("19 refined by TAG", said)
        yield self.localized("19 refined by TAG", said)
        yield self.stamped("19 Prop-SSAD alone", unrefined)
        yield self.stamped("19 refined by TAG", said)

    def twenty(self) -> Iterator[Row]:
        from untrimmed.systems import rc3d as twenty

        one_way = replace(twenty.LAPTOP, buffering=replace(twenty.LAPTOP.buffering, two_way=False))
        two_way = replace(twenty.LAPTOP, buffering=replace(twenty.LAPTOP.buffering, two_way=True))
        for name, config in (("one-way", one_way), ("two-way", two_way)):
            system = self.shop.trained(twenty.Rc3d(config), self.dataset, name=f"20-{name}", work=WORK)
            said = list(system.predict(self.part.videos, store=self.shop.store))
            yield self.proposed(f"20 {name}", said)
            yield self.localized(f"20 {name}", said)
            yield self.stamped(f"20 {name}", said)

    def twenty_one(self) -> Iterator[Row]:
        from untrimmed.cli.measures.learnt_nets import dense_pose_net
        from untrimmed.features.given_files import with_feature_weights
        from untrimmed.systems import ssn_dense_pose as twenty_one

        posed = with_feature_weights(twenty_one.LAPTOP, {"dense_pose": dense_pose_net(self.shop)})
        for name, config in (("with pose", posed), ("without pose", twenty_one.without_pose(posed))):
            system = self.shop.trained(
                twenty_one.SsnDensePose(config), self.dataset, name=f"21-{name.replace(' ', '-')}", work=WORK
            )
            said = list(system.predict(self.part.videos, store=self.shop.store))
            yield self.proposed(f"21 {name}", said)
            yield self.localized(f"21 {name}", said)
            yield self.stamped(f"21 {name}", said)
            yield rows.localized(f"21 {name}, short instances", short_only(self.dataset), brief(said))

    def joints(self) -> Iterator[Row]:
        """Which joints the net of 21 finds, taught with its auxiliary targets and without; once for all seeds."""
        from untrimmed.cli.measures.learnt_nets import dense_pose_net
        from untrimmed.features.pose_accuracy import gain_of_dense_targets
        from untrimmed.train import Run

        folder = dense_pose_net(self.shop).parent
        gain = gain_of_dense_targets(folder / "playground", folder, run=Run(folder=folder / "training", seed=0))
        for name, found in (("21 taught dense pose", gain.dense), ("21 taught joints alone", gain.alone)):
            shares = {
                "main person": found.main,
                "seen": found.seen,
                "seen and hidden": found.present,
                "people": found.people,
            }
            yield Row("joints", name, {key: 100 * share for key, share in shares.items()})


def short_only(dataset: Dataset) -> Dataset:
    """The data set whose testing videos have their instances below SHORT seconds alone."""
    kept = []
    for annotation in dataset.annotations:
        short = tuple(one for one in annotation.instances if one.segment[1] - one.segment[0] < SHORT)
        kept.append(replace(annotation, instances=short) if annotation.video.subset == "testing" else annotation)
    return replace(dataset, annotations=tuple(kept))


def brief(said: Sequence[Prediction]) -> list[Prediction]:
    """The detections below twice SHORT seconds; longer ones can match no short instance at tIoU 0.5."""

    def own(found: Sequence[Detection]) -> tuple[Detection, ...]:
        return tuple(one for one in found if one.segment[1] - one.segment[0] < 2 * SHORT)

    return [replace(one, detections=own(one.detections or ())) for one in said]

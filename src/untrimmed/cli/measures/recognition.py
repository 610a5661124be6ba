"""What is measured of systems 03, 05, 08 and 12 to 17 on classes: members, fusions, variants, and twins told apart."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from untrimmed.cli.measures import rows
from untrimmed.cli.measures.recognition_entries import FINDINGS, Measured, of_trimmed, of_untrimmed
from untrimmed.cli.workshop import Row, Workshop
from untrimmed.records import Dataset

if TYPE_CHECKING:
    from untrimmed.systems.ensemble import EnsembleSystem

TITLE = "Systems 03, 05, 08 and 12 to 17: classes"

__all__ = ["FINDINGS", "TITLE", "measured"]


def measured(shop: Workshop) -> list[Row]:
    """All rows with one seed; systems share the trainings of equal members."""
    from untrimmed.cli.measures.learnt_nets import flat_net, learnt_nets

    untrimmed, trimmed = shop.draw()
    nets = learnt_nets(shop)
    flat = flat_net(shop, trimmed)
    found: list[Row] = []
    for code, dataset, systems in (("T2", trimmed, of_trimmed(nets, flat)), ("T1", untrimmed, of_untrimmed(nets))):
        found += shop.rows(f"classes-floors-{code}", None, lambda c=code, d=dataset: floors(shop, d, c))  # type: ignore[misc]
        for one in systems:
            identity = (one.config, one.variants, one.mixes, one.fusions, one.streams)
            name = f"{one.number:02d}-classes-{code}"
            found += shop.rows(name, identity, lambda o=one, d=dataset, c=code: figures(shop, o, d, c))  # type: ignore[misc]
    return found + shop.rows("classes-thinned", None, lambda: rebalanced(shop, trimmed))


def floors(shop: Workshop, dataset: Dataset, code: str) -> Iterator[Row]:
    """Chance and the nearest neighbour."""
    from untrimmed.features.laptop_streams import RGB

    part = dataset.subset("testing")
    yield rows.classified(code, "chance: the most frequent class", dataset, rows.most_frequent(dataset, part))
    yield rows.classified(code, "nearest neighbour on mean pictures", dataset, rows.nearest(shop, dataset, part, RGB))


def figures(shop: Workshop, one: Measured, dataset: Dataset, code: str) -> Iterator[Row]:
    """Every member and variant, the mixes, the fusion and its alternatives, and how streams tell twins apart."""
    from untrimmed.features.members import fit_members
    from untrimmed.features.vectors import class_members
    from untrimmed.fuse.fusion import fit_fusion
    from untrimmed.fuse.weights import weighted_mean
    from untrimmed.systems.catalogue import entry_of

    work = f"classes-{code}"
    built: EnsembleSystem[Any] = entry_of(one.number).system(one.config)  # type: ignore[assignment]
    system = shop.trained(built, dataset, name=f"{one.number:02d}-{code}", work=work)
    part = dataset.subset("testing")
    said = list(system.predict(part.videos, store=shop.store))  # measures what is missing
    tables = dict(system.member_scores(part.videos, store=shop.store))
    if one.variants:
        with shop.step(f"variants of {one.number:02d} are trained"):
            run = shop.run(work)
            members = fit_members(one.variants, dataset, store=shop.store, run=run)
            members.ready(part.videos, store=shop.store)
            scores = members.scores(part.videos, store=shop.store)
            tables |= {member.name: table for member, table in zip(one.variants, scores, strict=True)}

    def row(name: str, table: Float[np.ndarray, "videos classes"]) -> Row:
        predictions = rows.class_predictions(part.videos, list(table), dataset.labels)
        return rows.classified(code, f"{one.number:02d} {name}", dataset, predictions)

    for name, table in tables.items():
        yield row(name, table)
    for names in one.mixes:
        yield row(" + ".join(names), weighted_mean(np.stack([tables[name] for name in names])))
    if one.fusions:
        own = [member.name for member in one.config.members]
        known = dataset.subset("validation").annotations
        checked = [annotation.video for annotation in known if annotation.labels]
        list(system.predict(checked, store=shop.store))
        given = np.stack(list(system.member_scores(checked, store=shop.store).values()))
        for fusion in one.fusions:
            fitted = fit_fusion(fusion, given, class_members(dataset, checked), seed=shop.seed)
            yield row(f"fused: {type(fusion).__name__}", fitted(np.stack([tables[name] for name in own])))
    if hasattr(system, "unrefined"):
        yield row("unrefined", system.unrefined(part.videos, store=shop.store))
    yield rows.classified(code, f"{one.number:02d} the whole", dataset, said)
    for member, title in one.streams:
        yield rows.told_apart(title, dataset, part, tables[member])


def rebalanced(shop: Workshop, dataset: Dataset, *, share: int = 4) -> Iterator[Row]:
    """System 08's RGB stream with and without balanced drawing, where every second class has a quarter of its clips."""
    from untrimmed.features.laptop_streams import RGB_TSN
    from untrimmed.features.members import Member, fit_members

    seen: dict[str, int] = {}
    kept = []
    for annotation in dataset.annotations:
        label = annotation.labels[0]
        number = seen[label] = seen.get(label, -1) + (annotation.video.subset == "training")
        thin = dataset.labels.index(label) % 2 and annotation.video.subset == "training"
        kept += [] if thin and number % share else [annotation]
    few = replace(dataset, annotations=tuple(kept))
    part = few.subset("testing")
    names = {"rgb, thinned classes, re-balanced": True, "rgb, thinned classes": False}
    both = [Member(name=name, classifier=replace(RGB_TSN, balanced=balanced)) for name, balanced in names.items()]
    members = fit_members(both, few, store=shop.store, run=shop.run("classes-thinned"))
    members.ready(part.videos, store=shop.store)
    for name, table in zip(names, members.scores(part.videos, store=shop.store), strict=True):
        predictions = rows.class_predictions(part.videos, list(table), few.labels)
        yield rows.classified("T2", f"08 {name}", few, predictions)

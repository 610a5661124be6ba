"""The playground's annotation files in the official layouts: ActivityNet 1.3, ActivityNet Captions, a clip list."""

import csv
import io
from typing import Any

from untrimmed.data.playground.classes import CLASSES
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.grammar import Told, tell
from untrimmed.data.playground.plan import VideoPlan, derive

ROOT = "Root"


def taxonomy() -> list[dict[str, Any]]:
    """The tree of classes: root, ten parents, twenty leaves, with the official keys."""
    parents = list(dict.fromkeys(action.parent for action in CLASSES))
    ids = {ROOT: 0} | {parent: 1 + index for index, parent in enumerate(parents)}
    rows: list[dict[str, Any]] = [{"parentName": None, "nodeName": ROOT, "nodeId": 0, "parentId": None}]
    rows += [{"parentName": ROOT, "nodeName": parent, "nodeId": ids[parent], "parentId": 0} for parent in parents]
    rows += [
        {
            "parentName": action.parent,
            "nodeName": action.label,
            "nodeId": len(ids) + index,
            "parentId": ids[action.parent],
        }
        for index, action in enumerate(CLASSES)
    ]
    return rows


def seconds(value: float) -> float:
    """Rounded to a hundredth, as the official files are."""
    return round(value, 2)


def activitynet(plans: list[VideoPlan], config: PlaygroundConfig) -> dict[str, Any]:
    """The ActivityNet 1.3 file: version, taxonomy, database."""
    database = {
        plan.video_id: {
            "duration": seconds(plan.duration),
            "subset": plan.subset,
            "resolution": f"{config.width}x{config.height}",
            "url": f"videos/{plan.video_id}.mp4",
            "annotations": [
                {"segment": [seconds(start), min(seconds(end), seconds(plan.duration))], "label": label}
                for start, end, label, _ in plan.instances
            ],
        }
        for plan in plans
    }
    return {"version": "VERSION 1.3", "taxonomy": taxonomy(), "database": database}


def captions(plans: list[VideoPlan], config: PlaygroundConfig) -> dict[str, dict[str, Any]]:
    """The ActivityNet Captions files by name; validation and testing come twice, once an annotator."""
    files: dict[str, dict[str, Any]] = {
        name: {} for name in ("training", "validation_1", "validation_2", "testing_1", "testing_2")
    }
    for plan in plans:
        told = tell(plan, seed=derive(config.seed, plan.video_id, "words"))
        names = ["training"] if plan.subset == "training" else [f"{plan.subset}_1", f"{plan.subset}_2"]
        for name, events in zip(names, told, strict=False):
            files[name][f"v_{plan.video_id}"] = _paragraph(plan, events)
    return files


def _paragraph(plan: VideoPlan, events: tuple[Told, ...]) -> dict[str, Any]:
    duration = seconds(plan.duration)
    return {
        "duration": duration,
        "timestamps": [[seconds(event.start), min(seconds(event.end), duration)] for event in events],
        "sentences": [event.sentence for event in events],
    }


def clips(plans: list[VideoPlan]) -> str:
    """The clip list: video, label, subset, duration."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "label", "subset", "duration"])
    for plan in plans:
        writer.writerow([plan.video_id, plan.instances[0][2], plan.subset, f"{plan.duration:.2f}"])
    return text.getvalue()

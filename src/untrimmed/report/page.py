"""One self-contained HTML page: the video, a timeline of what is known and predicted, captions beside it.

The page works from disk without a server. Small videos are embedded, larger ones linked by their relative path. All
text goes into a JSON block and from there into text nodes, so nothing in a label or a sentence is parsed as markup.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from untrimmed import __version__
from untrimmed.files import write_text
from untrimmed.records import Annotation, DataError, Prediction

EMBED_BYTES = 24 * 2**20
"""Videos are embedded up to this many bytes in all; browsers become slow to open pages much beyond it."""

SHOWN_CLASSES = 8
SHOWN_PROPOSALS = 30
SHOWN_DETECTIONS = 12

_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/mp4"}


def write_page(
    path: Path,
    predictions: Sequence[Prediction],
    *,
    annotations: Mapping[str, Annotation] | None = None,
    playable: Mapping[str, Path] | None = None,
    title: str = "untrimmed",
    embed_bytes: int = EMBED_BYTES,
) -> None:
    """Write the page of one or several videos.

    Args:
        path: the HTML file; it appears complete or not at all.
        predictions: one a video, in the order of the page's chooser.
        annotations: ground truth by video id, shown on its own tracks.
        playable: files by video id that a browser can play, instead of the videos' own (see preview).
        title: of the page.
        embed_bytes: files up to this size in all are put into the page; the rest is linked.

    Raises:
        DataError: when there is nothing to show.
    """
    from jinja2 import Environment

    if not predictions:
        raise DataError(f"page {path} must show at least one video, got none")
    embedded: list[str] = []
    videos = []
    room = embed_bytes
    for prediction in predictions:
        video_id = prediction.video.video_id
        shown = _video(prediction, (annotations or {}).get(video_id))
        file = (playable or {}).get(video_id, prediction.video.path)
        if file is not None and file.exists():
            size = file.stat().st_size
            if size <= room:
                room -= size
                shown |= {"media": len(embedded), "type": _TYPES.get(file.suffix.lower(), "video/mp4")}
                embedded.append(base64.b64encode(file.read_bytes()).decode())
            else:
                shown["source"] = _link(file, path.parent)
        videos.append(shown)
    labels = dict.fromkeys(label for video in videos for label in _labels(video))
    folder = files("untrimmed.report")
    template = Environment(autoescape=True).from_string((folder / "page.html").read_text())
    text = template.render(
        title=title,
        version=__version__,
        style=Markup((folder / "page.css").read_text()),
        script=Markup((folder / "page.js").read_text()),
        data=Markup(_json({"videos": videos, "labels": list(labels)})),
        embedded=embedded,
    )
    write_text(path, text)


def _video(prediction: Prediction, annotation: Annotation | None) -> dict[str, Any]:
    tracks = []
    if annotation is not None and annotation.instances:
        truth = [_segment(item.segment, label=item.label) for item in annotation.instances]
        tracks.append({"name": "Annotated actions", "kind": "truth", "segments": truth})
    if prediction.detections is not None:
        best = prediction.detections[:SHOWN_DETECTIONS]
        found = [_segment(item.segment, label=item.label, score=item.score) for item in best]
        tracks.append({"name": "Actions", "kind": "detections", "segments": found})
    if annotation is not None and annotation.events:
        told = [_segment(item.segment, text=item.sentence) for item in annotation.events[0]]
        tracks.append({"name": "Annotated sentences", "kind": "truth", "segments": told})
    if prediction.captions is not None:
        said = [_segment(item.segment, text=item.sentence, score=item.score) for item in prediction.captions]
        tracks.append({"name": "Captions", "kind": "captions", "segments": said})
    if prediction.proposals is not None:
        ranked = [_segment(item.segment, score=item.score) for item in prediction.proposals[:SHOWN_PROPOSALS]]
        name = f"Proposals (best {len(ranked)} of {len(prediction.proposals)})"
        tracks.append({"name": name, "kind": "proposals", "segments": ranked})
    best_classes = prediction.classes.best(SHOWN_CLASSES) if prediction.classes is not None else []
    return {
        "id": prediction.video.video_id,
        "duration": prediction.video.duration,
        "classes": [{"label": label, "score": score} for label, score in best_classes],
        "tracks": tracks,
    }


def _segment(segment: tuple[float, float], **parts: str | float) -> dict[str, Any]:
    return {"start": segment[0], "end": segment[1], **parts}


def _labels(video: dict[str, Any]) -> list[str]:
    named = [item["label"] for track in video["tracks"] for item in track["segments"] if "label" in item]
    return named + [item["label"] for item in video["classes"]]


def _link(file: Path, folder: Path) -> str:
    from urllib.parse import quote

    return quote(Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix())


def _json(value: Any) -> str:
    """JSON that may stand inside a script element: no < and no line separators that scripts take for line ends."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

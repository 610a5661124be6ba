"""Ground truth from the geometry that was drawn: key points, body-part maps, depth, boxes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int, UInt8

from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.pieces import project
from untrimmed.data.playground.plan import VideoPlan
from untrimmed.data.playground.raster import SHIFT, ShotPainter, discs_in_pixels, fixed_point
from untrimmed.data.playground.skeleton import INDEX, KEY_POINTS

HEAD = 23
"""DensePose gives the right half of the head 23 and the left half 24."""


@dataclass(frozen=True)
class FrameTruth:
    """What is true of one frame.

    Attributes:
        key_points: x and y in pixels (pixel i covers [i, i + 1)), and 1 where the joint is seen, 0.5 where something
            hides it, 0 outside the picture; people in the order of the plan, the main person first.
        iuv: DensePose part (0 background and things, 1 to 24), U and V as 0 to 255 (0 where there is no part).
        depth: metres from the camera.
        boxes: left, top, right, bottom in pixels of each object, clipped to the picture; -1 where it is not seen.
        objects: the word of each object.
        owners: which person (index) or thing (-2 - index) a pixel shows, -1 the place.
    """

    key_points: Float32[np.ndarray, "people 18 3"]
    iuv: UInt8[np.ndarray, "height width 3"]
    depth: Float16[np.ndarray, "height width"]
    boxes: Float32[np.ndarray, "objects 4"]
    objects: tuple[str, ...]
    owners: Int[np.ndarray, "height width"]


def truth_of(painter: ShotPainter, frame: int) -> FrameTruth:
    """The truth of one frame of a shot.

    Args:
        painter: which drew it.
        frame: index within the shot.
    """
    numbers = _numbered(painter, frame)
    iuv, depth = _surface(painter, frame, numbers)
    pieces, staged = painter.staged.pieces, painter.staged
    person = {owner: index for index, owner in enumerate(staged.people)}
    things = {owner: -2 - index for index, (owner, _) in enumerate(staged.things)}
    table = np.array([-1] + [person.get(int(o), things.get(int(o), -1)) for o in pieces.owners])
    owners = table[numbers + 1]
    return FrameTruth(
        _key_points(painter, frame, owners),
        iuv,
        depth.astype(np.float16),
        _boxes(owners, len(staged.things)),
        tuple(word for _, word in staged.things),
        owners,
    )


def _numbered(painter: ShotPainter, frame: int) -> Int[np.ndarray, "height width"]:
    """Which piece every pixel shows, -1 for the place; drawn in the painter's order without anti-aliasing."""
    import cv2

    numbers = np.zeros((painter.config.height, painter.config.width), dtype=np.uint16)
    fixed = fixed_point(painter.polygons[frame])
    for piece in painter.order[frame].tolist():
        cv2.fillConvexPoly(numbers, fixed[piece], piece + 1, cv2.LINE_8, SHIFT)
    return numbers.astype(np.int64) - 1


@dataclass(frozen=True)
class _Axes:
    """Where each piece begins and ends: pixels, half its width, the radius at its ends, metres from the camera."""

    start: Float64[np.ndarray, "pieces 2"]
    end: Float64[np.ndarray, "pieces 2"]
    half: Float64[np.ndarray, " pieces"]
    cap: Float64[np.ndarray, " pieces"]
    near: Float64[np.ndarray, " pieces"]
    far: Float64[np.ndarray, " pieces"]


def _axes(painter: ShotPainter, frame: int) -> _Axes:
    """The axis of a limb runs from its first disc to its second, that of a trunk between the middles of its ends."""
    pieces = painter.staged.pieces
    centres, radii = discs_in_pixels(pieces, painter.staged.views)
    flat, depth, sizes = centres[frame], pieces.centres[frame, :, :, 2], radii[frame]
    four = (np.abs(flat[:, 3] - flat[:, 0]).max(axis=1) > 1e-9)[:, None]
    start = np.where(four, flat[:, :2].mean(axis=1), flat[:, 0])
    end = np.where(four, flat[:, 2:].mean(axis=1), flat[:, 1])
    half = sizes.max(axis=1) + four[:, 0] * np.abs(flat[:, 0] - flat[:, 1]).max(axis=1) / 2
    near = np.where(four[:, 0], depth[:, :2].mean(axis=1), depth[:, 0])
    far = np.where(four[:, 0], depth[:, 2:].mean(axis=1), depth[:, 1])
    return _Axes(start, end, half, sizes[:, 0], near, far)


def _surface(
    painter: ShotPainter, frame: int, numbers: Int[np.ndarray, "height width"]
) -> tuple[UInt8[np.ndarray, "height width 3"], Float64[np.ndarray, "height width"]]:
    """I, U, V and depth of every pixel: V runs along the axis of its piece, U across it."""
    axes, place = _axes(painter, frame), np.maximum(numbers, 0)
    y, x = np.mgrid[: painter.config.height, : painter.config.width] + 0.5
    pixels = np.stack([x, y], axis=-1)
    along, _, length = _along(axes, place, pixels)
    share = np.clip(along / np.maximum(length, 1e-6), 0.0, 1.0)
    depth = axes.near[place] * (1 - share) + axes.far[place] * share
    surface = _heads(painter)[place]  # hair, eyes and mouth lie on the surface of the head
    along, across, length = _along(axes, surface, pixels)
    cap, half = axes.cap[surface], np.maximum(axes.half[surface], 1e-6)
    v = np.clip((along + cap) / (length + 2 * cap), 0.0, 1.0)
    u = np.clip(0.5 + across / (2 * half), 0.0, 1.0)
    parts = _parts(painter, frame, numbers, (x - axes.start[surface, 0]) / half)
    body = parts > 0
    iuv = np.stack([parts, np.round(255 * u) * body, np.round(255 * v) * body], axis=-1).astype(np.uint8)
    return iuv, np.where(numbers >= 0, depth, _place_depth(painter, frame))


def _along(
    axes: _Axes, place: Int[np.ndarray, "height width"], pixels: Float64[np.ndarray, "height width 2"]
) -> tuple[
    Float64[np.ndarray, "height width"], Float64[np.ndarray, "height width"], Float64[np.ndarray, "height width"]
]:
    """How far pixels lie along and across the axes of their pieces, and how long these are; discs stand upright."""
    axis = axes.end - axes.start
    length = np.linalg.norm(axis, axis=1)
    unit = np.where(length[:, None] > 1e-6, axis / np.maximum(length, 1e-6)[:, None], [0.0, 1.0])
    offset = pixels - axes.start[place]
    along = (offset * unit[place]).sum(axis=-1)
    across = offset[..., 0] * unit[place][..., 1] - offset[..., 1] * unit[place][..., 0]
    return along, across, length[place]


def _heads(painter: ShotPainter) -> Int[np.ndarray, " pieces"]:
    """For each piece the one whose axis gives its U and V: itself, or the head's disc for what is part of the head."""
    pieces = painter.staged.pieces
    of = np.arange(len(pieces.owners))
    for owner in painter.staged.people:
        own = np.flatnonzero((pieces.owners == owner) & (pieces.parts[:, 0] == HEAD))
        of[own] = own[pieces.radii[own].max(axis=1).argmax()]
    return of


def _parts(
    painter: ShotPainter,
    frame: int,
    numbers: Int[np.ndarray, "height width"],
    offset: Float64[np.ndarray, "height width"],
) -> Int[np.ndarray, "height width"]:
    """The DensePose part of every pixel: front or back by where the person faces, head halves by the side seen."""
    pieces, staged = painter.staged.pieces, painter.staged
    body, head = np.zeros(int(pieces.owners.max()) + 1), np.zeros(int(pieces.owners.max()) + 1)
    gaze = staged.joints[:, frame, INDEX["nose"]] - staged.joints[:, frame, INDEX["head"]]
    body[list(staged.people)] = np.radians(staged.yaw[:, frame])
    head[list(staged.people)] = np.arctan2(gaze[:, 0], -gaze[:, 2])
    facing = np.where(np.cos(body[pieces.owners]) >= 0, pieces.parts[:, 0], pieces.parts[:, 1])
    place = np.maximum(numbers, 0)
    parts = np.where(numbers >= 0, facing[place], 0)
    # a point of the head that lies `offset` radii to the right of its middle bulges sqrt(1 - offset^2) to the camera
    offset = np.clip(offset, -1.0, 1.0)
    turned = head[pieces.owners][place]
    left = offset * np.cos(turned) - np.sqrt(1 - offset**2) * np.sin(turned) > 0
    return np.where(parts == HEAD, np.where(left, HEAD + 1, HEAD), parts)


def _place_depth(painter: ShotPainter, frame: int) -> Float64[np.ndarray, "height width"]:
    view = painter.staged.views[frame]
    inverse = np.linalg.inv(view[:, :2])
    y, x = np.mgrid[: painter.config.height, : painter.config.width] + 0.5
    height = inverse[1, 0] * (x - view[0, 2]) + inverse[1, 1] * (y - view[1, 2])
    return painter.canvas.depth(height)


def _key_points(
    painter: ShotPainter, frame: int, owners: Int[np.ndarray, "height width"]
) -> Float32[np.ndarray, "people 18 3"]:
    staged, config = painter.staged, painter.config
    out = np.zeros((len(staged.people), len(KEY_POINTS), 3), dtype=np.float32)
    view = staged.views[frame]
    for index in range(len(staged.people)):
        flat = project(staged.joints[index, frame, : len(KEY_POINTS)], float(staged.distances[index]))
        pixels = flat @ view[:, :2].T + view[:, 2]
        near = np.floor(pixels).astype(np.int64)
        inside = ((near >= 0) & (near < [config.width, config.height])).all(axis=1)
        safe = np.clip(near, 0, [config.width - 1, config.height - 1])
        own = owners[safe[:, 1], safe[:, 0]] == index
        out[index, :, :2] = pixels
        out[index, :, 2] = np.where(inside, np.where(own, 1.0, 0.5), 0.0)
    return out


def _boxes(owners: Int[np.ndarray, "height width"], count: int) -> Float32[np.ndarray, "objects 4"]:
    out = np.full((count, 4), -1.0, dtype=np.float32)
    for index in range(count):
        rows, columns = np.nonzero(owners == -2 - index)
        if len(rows):
            out[index] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return out


def truth_frames(plan: VideoPlan, per_second: float) -> Int[np.ndarray, " n"]:
    """Frames for which the truth is written: the middle of each 1 / per_second seconds, at least one."""
    seconds = np.arange(max(1, int(plan.duration * per_second))) / per_second + 0.5 / per_second
    return np.minimum((seconds * plan.fps).astype(np.int64), plan.frames - 1)


def video_truth(plan: VideoPlan, config: PlaygroundConfig) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata for one safetensors file.

    Returns:
        `seconds` (n), `key_points` (n, people, 18, 3), `iuv` (n, height, width, 3), `depth` (n, height, width),
        `boxes` (n, objects, 4); people and objects of a frame come first, rows that do not exist are -1. The metadata's
        one entry `objects` holds the words that occur, joined by commas, and `boxes_word` (n, objects) indices into
        them. (One entry, since safetensors writes several in an order that changes from run to run.)
    """
    frames = truth_frames(plan, config.truth_per_second)
    # the pixel at the middle of each block
    shrink = (slice(config.truth_shrink // 2, None, config.truth_shrink),) * 2
    found: list[FrameTruth] = []
    for shot in plan.shots:
        inside = frames[(frames >= shot.first) & (frames < shot.past)]
        if len(inside):
            painter = ShotPainter(shot, config)
            found += [truth_of(painter, int(frame - shot.first)) for frame in inside]
    people = max(len(truth.key_points) for truth in found)
    objects = max(1, *(len(truth.objects) for truth in found)) if found else 1
    words = sorted({word for truth in found for word in truth.objects})
    key_points = np.full((len(found), people, len(KEY_POINTS), 3), -1.0, dtype=np.float32)
    boxes = np.full((len(found), objects, 4), -1.0, dtype=np.float32)
    names = np.full((len(found), objects), -1, dtype=np.int64)
    for index, truth in enumerate(found):
        key_points[index, : len(truth.key_points)] = truth.key_points
        boxes[index, : len(truth.boxes)] = truth.boxes
        names[index, : len(truth.objects)] = [words.index(word) for word in truth.objects]
    arrays: dict[str, np.ndarray] = {
        "seconds": frames / plan.fps,
        "key_points": key_points,
        "iuv": np.stack([truth.iuv[shrink] for truth in found]),
        "depth": np.stack([truth.depth[shrink] for truth in found]),
        "boxes": boxes,
        "boxes_word": names,
    }
    return arrays, {"objects": ",".join(words)}

"""Ground truth from the geometry that was drawn: key points, body-part maps, depth, boxes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int, UInt8

from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.pieces import EYE, HORIZON, SCALE, WALL, project
from untrimmed.data.playground.plan import VideoPlan
from untrimmed.data.playground.raster import SHIFT, ShotPainter, discs_in_pixels
from untrimmed.data.playground.scenes import PAINTERS
from untrimmed.data.playground.skeleton import KEY_POINTS

HEAD = 23
"""DensePose gives the right half of the head 23 and the left half 24."""


@dataclass(frozen=True)
class FrameTruth:
    """What is true of one frame.

    Attributes:
        key_points: x and y in pixels, and 1 where the joint is seen, 0.5 where something hides it, 0 outside the
            picture; people in the order of the plan, the main person first.
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
    fixed = np.round(np.clip(painter.polygons[frame], -2000, 2000) * 2**SHIFT).astype(np.int32)
    for piece in painter.order[frame].tolist():
        cv2.fillConvexPoly(numbers, fixed[piece], piece + 1, cv2.LINE_8, SHIFT)
    return numbers.astype(np.int64) - 1


def _surface(
    painter: ShotPainter, frame: int, numbers: Int[np.ndarray, "height width"]
) -> tuple[UInt8[np.ndarray, "height width 3"], Float64[np.ndarray, "height width"]]:
    pieces, staged, config = painter.staged.pieces, painter.staged, painter.config
    centres, radii = discs_in_pixels(pieces, staged.views)
    y, x = np.mgrid[: config.height, : config.width] + 0.0
    place = np.maximum(numbers, 0)
    # along the axis from the first disc(s) to the last: V; across it: U
    four = _trunks(painter)
    start, end = centres[frame, :, 0].copy(), centres[frame, :, 1].copy()
    start[four] = centres[frame, four, :2].mean(axis=1)
    end[four] = centres[frame, four, 2:].mean(axis=1)
    half = radii[frame].max(axis=1)
    half[four] += np.abs(centres[frame, four, 0] - centres[frame, four, 1]).max(axis=1) / 2
    axis = end - start
    length = np.linalg.norm(axis, axis=1)
    unit = np.where(length[:, None] > 1e-6, axis / np.maximum(length, 1e-6)[:, None], [0.0, 1.0])
    from_start = np.stack([x, y], axis=-1) - start[place]
    along = (from_start * unit[place]).sum(axis=-1)
    across = from_start[..., 0] * unit[place][..., 1] - from_start[..., 1] * unit[place][..., 0]
    ends = radii[frame, :, 0]
    v = np.clip((along + ends[place]) / (length + 2 * ends)[place], 0.0, 1.0)
    u = np.clip(0.5 + across / (2 * half[place]), 0.0, 1.0)
    share = np.clip(along / np.maximum(length, 1e-6)[place], 0.0, 1.0)
    first = pieces.centres[frame, :, 0, 2].copy()
    past = pieces.centres[frame, :, 1, 2].copy()
    first[four] = pieces.centres[frame, four, :2, 2].mean(axis=1)
    past[four] = pieces.centres[frame, four, 2:, 2].mean(axis=1)
    depth = first[place] * (1 - share) + past[place] * share
    parts = _parts(painter, frame, numbers, (x - centres[frame, place, 0, 0]) / np.maximum(half[place], 1e-6))
    shown = numbers >= 0
    body = parts > 0
    iuv = np.stack([parts, np.round(255 * u) * body, np.round(255 * v) * body], axis=-1).astype(np.uint8)
    return iuv, np.where(shown, depth, _place_depth(painter, frame))


def _trunks(painter: ShotPainter) -> Int[np.ndarray, " n"]:
    """Pieces of four different discs: their axis runs between the middles of the first and the last two."""
    centres = painter.staged.pieces.centres
    return np.flatnonzero(np.abs(centres[:, :, 3] - centres[:, :, 0]).max(axis=(0, 2)) > 1e-9)


def _parts(
    painter: ShotPainter,
    frame: int,
    numbers: Int[np.ndarray, "height width"],
    offset: Float64[np.ndarray, "height width"],
) -> Int[np.ndarray, "height width"]:
    """The DensePose part of every pixel: front or back by where the person faces, head halves by the side seen."""
    pieces, staged = painter.staged.pieces, painter.staged
    yaw = np.zeros(int(pieces.owners.max()) + 1)
    yaw[list(staged.people)] = np.radians(staged.yaw[:, frame])
    of_piece = yaw[pieces.owners]
    facing = np.where(np.cos(of_piece) >= 0, pieces.parts[:, 0], pieces.parts[:, 1])
    place = np.maximum(numbers, 0)
    parts = np.where(numbers >= 0, facing[place], 0)
    # a point of the head that lies `offset` radii to the right of its middle bulges sqrt(1 - offset^2) to the camera
    offset = np.clip(offset, -1.0, 1.0)
    turned = of_piece[place]
    left = offset * np.cos(turned) - np.sqrt(1 - offset**2) * np.sin(turned) > 0
    return np.where(parts == HEAD, np.where(left, HEAD + 1, HEAD), parts)


def _place_depth(painter: ShotPainter, frame: int) -> Float64[np.ndarray, "height width"]:
    view = painter.staged.views[frame]
    inverse = np.linalg.inv(view[:, :2])
    y, x = np.mgrid[: painter.config.height, : painter.config.width] + 0.0
    height = inverse[1, 0] * (x - view[0, 2]) + inverse[1, 1] * (y - view[1, 2])
    ground = EYE * SCALE / np.maximum(height - HORIZON, 1e-6)
    return np.minimum(ground, WALL if PAINTERS[painter.shot.place][1] else 80.0)


def _key_points(
    painter: ShotPainter, frame: int, owners: Int[np.ndarray, "height width"]
) -> Float32[np.ndarray, "people 18 3"]:
    staged, config = painter.staged, painter.config
    out = np.zeros((len(staged.people), len(KEY_POINTS), 3), dtype=np.float32)
    view = staged.views[frame]
    for index in range(len(staged.people)):
        flat = project(staged.joints[index, frame, : len(KEY_POINTS)], float(staged.distances[index]))
        pixels = flat @ view[:, :2].T + view[:, 2]
        near = np.round(pixels).astype(np.int64)
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
        `boxes` (n, objects, 4); people and objects of a frame come first, rows that do not exist are -1. The metadata
        names the objects that occur, `object_words`, and `boxes_word` (n, objects) holds indices into them.
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
    return arrays, {"object_words": ",".join(words), "video_id": plan.video_id}

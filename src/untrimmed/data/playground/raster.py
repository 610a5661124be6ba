"""Pictures from geometry: anti-aliased convex polygons, far ones first, over the camera's view of the place.

The one file of the playground that needs OpenCV; it is imported late.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, Int, Int32, UInt8

from untrimmed.data.playground.canvas import LEFT, TOP, Canvas
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.pieces import Pieces, project
from untrimmed.data.playground.plan import Shot, VideoPlan
from untrimmed.data.playground.scenes import paint
from untrimmed.data.playground.stage import Staged, stage

CORNERS = 16
"""Corners of the polygon that stands for a hull of discs; the outline errs by under 2 % of a disc's radius."""
SHIFT = 4
"""Fractional bits of the polygons' coordinates."""
_ANGLES = 2 * np.pi * np.arange(CORNERS) / CORNERS
_NORMALS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def outlines(pieces: Pieces, views: Float[np.ndarray, "frames 2 3"]) -> Float[np.ndarray, "frames pieces corners 2"]:
    """Polygons in pixels: for 16 directions the point of each hull that lies farthest in that direction.

    Args:
        pieces: what is drawn.
        views: from canvas units to pixels.
    """
    centres, radii = discs_in_pixels(pieces, views)
    reach = np.einsum("fpdi,ci->fpdc", centres, _NORMALS) + radii[..., None]
    best = reach.argmax(axis=2)
    frames, count = np.ogrid[: centres.shape[0], : centres.shape[1]]
    at = (frames[..., None], count[..., None], best)
    return centres[at] + radii[at][..., None] * _NORMALS


def fixed_point(polygons: Float[np.ndarray, "*shape 2"]) -> Int32[np.ndarray, "*shape 2"]:
    """Polygons as OpenCV wants them: SHIFT fractional bits, integers at the middles of pixels."""
    return np.round(np.clip(polygons - 0.5, -2000, 2000) * 2**SHIFT).astype(np.int32)


def discs_in_pixels(
    pieces: Pieces, views: Float[np.ndarray, "frames 2 3"]
) -> tuple[Float[np.ndarray, "frames pieces discs 2"], Float[np.ndarray, "frames pieces discs"]]:
    """Centres and radii of the discs in the picture."""
    flat = project(pieces.centres, pieces.distance[:, None])
    centres = np.einsum("fij,fpdj->fpdi", views[:, :, :2], flat) + views[:, None, None, :, 2]
    zoom = np.sqrt(np.abs(np.linalg.det(views[:, :, :2])))
    scale = project(np.array([[1.0, 0.0, 0.0]]), 1.0)[0, 0] / pieces.distance
    return centres, zoom[:, None, None] * (pieces.radii * scale[:, None])[None]


def painting_order(pieces: Pieces) -> Int[np.ndarray, "frames pieces"]:
    """Indices of the pieces in every frame, farthest first."""
    depth = pieces.centres[..., 2].mean(axis=2) + pieces.bias
    return np.argsort(-depth, axis=1, kind="stable")


def shaded(pieces: Pieces) -> Float[np.ndarray, "frames pieces 3"]:
    """Colours of the pieces: those on the far side of their owner lie a little in the shade."""
    depth = pieces.centres[..., 2].mean(axis=2) - pieces.distance
    factor = np.clip(1.0 - 0.55 * np.clip(depth, -0.1, 0.4), 0.6, 1.06)
    return np.clip(pieces.colours[None] * factor[..., None], 0, 255)


class ShotPainter:
    """Draws the frames of a shot; its geometry is at hand for the truth."""

    def __init__(self, shot: Shot, config: PlaygroundConfig, canvas: Canvas | None = None) -> None:
        self.shot = shot
        self.config = config
        self.canvas = canvas or place_of(shot, config)
        self.staged: Staged = stage(shot, fps=config.fps, height=config.height, width=config.width)
        self.polygons = outlines(self.staged.pieces, self.staged.views)
        self.order = painting_order(self.staged.pieces)
        self._fixed = fixed_point(self.polygons)
        light = np.array(shot.light)
        self._colours = np.clip(shaded(self.staged.pieces) * light, 0, 255)
        low, high = self.polygons.min(axis=2), self.polygons.max(axis=2)
        size = np.array([config.width, config.height])
        self._seen = ((high > 0) & (low < size)).all(axis=2)
        self._shadows = self._shadow_places()
        self._back = self._pixels_to_canvas()

    def background(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """The place as the camera sees it, without people."""
        size = (self.config.width, self.config.height)
        return cv2.warpAffine(
            self.canvas.image,
            self._back[frame],
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def _pixels_to_canvas(self) -> Float[np.ndarray, "frames 2 3"]:
        """From pixels of the picture to pixels of the canvas."""
        views = self.staged.views
        linear = self.canvas.per_unit * np.linalg.inv(views[:, :, :2])
        # OpenCV's integer coordinates are pixel centres, ours are pixel corners
        shift = np.einsum("fij,fj->fi", linear, 0.5 - views[:, :, 2])
        shift = shift - self.canvas.per_unit * np.array([LEFT, TOP]) - 0.5
        return np.concatenate([linear, shift[:, :, None]], axis=2)

    def frame(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """One picture, RGB.

        Args:
            frame: index within the shot.
        """
        image = self.background(frame)
        self._cast_shadows(image, frame)
        polygons, colours, seen = self._fixed[frame], self._colours[frame].tolist(), self._seen[frame].tolist()
        for piece in self.order[frame].tolist():
            if seen[piece]:
                cv2.fillConvexPoly(image, polygons[piece], colours[piece], cv2.LINE_AA, SHIFT)
        return image

    def _shadow_places(self) -> Float[np.ndarray, "people frames 3"]:
        views, feet = self.staged.views, self.staged.feet
        places = np.einsum("fij,pfj->pfi", views[:, :, :2], feet) + views[None, :, :, 2]
        zoom = np.sqrt(np.abs(np.linalg.det(views[:, :, :2])))
        radius = zoom[None] * (0.34 * project(np.array([[1.0, 0.0, 0.0]]), 1.0)[0, 0] / self.staged.distances)[:, None]
        return np.concatenate([places, radius[..., None]], axis=2)

    def _cast_shadows(self, image: UInt8[np.ndarray, "height width 3"], frame: int) -> None:
        height, width = image.shape[:2]
        for x, y, radius in self._shadows[:, frame].tolist():
            wide, high = max(2, int(radius)), max(2, int(0.26 * radius))
            left, top = int(x) - wide, int(y) - high
            low_x, low_y = max(0, left), max(0, top)
            past_x, past_y = min(width, left + 2 * wide), min(height, top + 2 * high)
            if low_x >= past_x or low_y >= past_y:
                continue
            mask = _ellipse(wide, high)[low_y - top : past_y - top, low_x - left : past_x - left]
            part = image[low_y:past_y, low_x:past_x]
            cv2.multiply(part, mask, dst=part, scale=1 / 255)


_MASKS: dict[tuple[int, int], UInt8[np.ndarray, "h w 3"]] = {}


def _ellipse(wide: int, high: int) -> UInt8[np.ndarray, "h w 3"]:
    """A soft dark ellipse to multiply with, 255 where it leaves the picture alone."""
    if (wide, high) not in _MASKS:
        if len(_MASKS) > 512:
            _MASKS.clear()
        y, x = np.mgrid[-high:high, -wide:wide] + 0.5
        inside = np.clip(1.0 - ((x / wide) ** 2 + (y / high) ** 2), 0.0, 1.0)
        _MASKS[wide, high] = np.repeat((255 * (1 - 0.45 * np.sqrt(inside))).astype(np.uint8)[..., None], 3, axis=2)
    return _MASKS[wide, high]


def place_of(shot: Shot, config: PlaygroundConfig) -> Canvas:
    """The painted place of a shot."""
    return paint(shot.place, seed=shot.place_seed, per_unit=1.12 * config.height, light=shot.light)


def draw(plan: VideoPlan, config: PlaygroundConfig) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The frames of a video in order, RGB."""
    noise = _noise_bank(plan, config)
    rng = np.random.default_rng(plan.seed)
    canvases: dict[tuple[str, int], Canvas] = {}
    for shot in plan.shots:
        key = (shot.place, shot.place_seed)
        if key not in canvases:
            canvases[key] = place_of(shot, config)
        painter = ShotPainter(shot, config, canvases[key])
        which = rng.integers(len(noise), size=shot.past - shot.first).tolist()
        for frame in range(shot.past - shot.first):
            lighter, darker = noise[which[frame]]
            image = cv2.add(painter.frame(frame), lighter)
            yield cv2.subtract(image, darker)


def _noise_bank(
    plan: VideoPlan, config: PlaygroundConfig, count: int = 6
) -> list[tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]]]:
    """A few pictures of noise as what they add and what they take."""
    rng = np.random.default_rng(plan.seed + 1)
    bank = []
    for _ in range(count):
        grey = rng.normal(0, plan.noise, (config.height, config.width, 1))
        both = np.repeat(np.round(grey), 3, axis=2)
        bank.append((np.clip(both, 0, 255).astype(np.uint8), np.clip(-both, 0, 255).astype(np.uint8)))
    return bank

"""Places: wide still pictures in front of which people move, painted once a shot.

A canvas is wider and higher than the picture, in canvas units (one unit is the picture's height at zoom 1, the origin
at the top left of the home view). Beyond its edges it continues as its own mirror image, so a camera can follow a
runner as far as it likes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from untrimmed.data.playground.pieces import EYE, HORIZON, SCALE, WALL

LEFT, RIGHT, TOP, BOTTOM = -1.3, 2.7, -0.25, 1.2
"""The canvas in its units; the home view is [0, 4/3] x [0, 1]."""
FLOOR_LINE = HORIZON + EYE * SCALE / WALL
"""Where the floor of a room meets its wall."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Canvas:
    """A painted place.

    Attributes:
        image: the picture of the whole canvas.
        per_unit: pixels a canvas unit.
        indoor: whether there is a wall at WALL metres; else the ground runs to the horizon.
    """

    image: UInt8[np.ndarray, "height width 3"]
    per_unit: float
    indoor: bool

    def depth(self, heights: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Metres from the camera at heights on the canvas (in its units): ground, wall or sky at 80 m."""
        ground = EYE * SCALE / np.maximum(heights - HORIZON, 1e-6)
        return np.minimum(ground, WALL if self.indoor else 80.0)


class Brush:
    """Paints anti-aliased shapes in canvas units."""

    def __init__(self, per_unit: float, rng: np.random.Generator) -> None:
        size = (round((BOTTOM - TOP) * per_unit), round((RIGHT - LEFT) * per_unit), 3)
        self.image = np.zeros(size, dtype=np.uint8)
        self.per_unit = per_unit
        self.rng = rng

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon, convex or not."""
        import cv2

        fixed = np.round((np.array(points) - (LEFT, TOP)) * self.per_unit * 16).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], tuple(map(float, colour)), cv2.LINE_AA, 4)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled rectangle by its top left corner."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, flat: float = 1.0) -> None:
        """A filled disc, or an ellipse whose height is `flat` of its width."""
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.polygon([(x + radius * np.cos(a), y + flat * radius * np.sin(a)) for a in angles], colour)

    def bands(self, top: float, bottom: float, above: Colour, below: Colour) -> None:
        """A vertical gradient over the whole width."""
        first, past = (max(0, round((y - TOP) * self.per_unit)) for y in (top, bottom))
        share = np.linspace(0, 1, max(1, past - first))[:, None]
        rows = np.array(above) * (1 - share) + np.array(below) * share
        self.image[first:past] = np.clip(rows, 0, 255).astype(np.uint8)[: len(self.image[first:past]), None]

    def grain(self, size: float) -> None:
        """A fixed fine texture, so that motion of the camera can be seen everywhere."""
        import cv2

        height, width = self.image.shape[:2]
        coarse = self.rng.normal(0, 1, (height // 3 + 1, width // 3 + 1)).astype(np.float32)
        noise = cv2.resize(coarse, (width, height)) * size * 1.6 + self.rng.normal(0, 0.5 * size, (height, width))
        self.image = np.clip(self.image + noise[:, :, None], 0, 255).astype(np.uint8)


def shade(colour: Colour, factor: float) -> Colour:
    """A colour made lighter or darker."""
    return (min(255.0, colour[0] * factor), min(255.0, colour[1] * factor), min(255.0, colour[2] * factor))

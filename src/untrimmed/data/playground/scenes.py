"""Places: kitchen, park, street and five more, each painted by its own function from seeded colours and furniture."""

from collections.abc import Callable

import numpy as np

from untrimmed.data.playground.canvas import (
    BOTTOM,
    FLOOR_LINE,
    LEFT,
    RIGHT,
    TOP,
    Brush,
    Canvas,
    Colour,
    shade,
)
from untrimmed.data.playground.pieces import HORIZON


def _pick(rng: np.random.Generator, *colours: Colour) -> Colour:
    chosen = colours[int(rng.integers(len(colours)))]
    jitter = rng.normal(0, 5, 3)
    return (chosen[0] + float(jitter[0]), chosen[1] + float(jitter[1]), chosen[2] + float(jitter[2]))


def _room(brush: Brush, wall: Colour, floor: Colour) -> None:
    brush.bands(TOP, FLOOR_LINE, shade(wall, 1.04), shade(wall, 0.92))
    brush.bands(FLOOR_LINE, BOTTOM, shade(floor, 0.8), shade(floor, 1.08))
    brush.box(LEFT, FLOOR_LINE - 0.018, RIGHT - LEFT, 0.02, shade(wall, 0.72))


def _boards(brush: Brush, floor: Colour) -> None:
    middle = 0.67
    for x in np.arange(-9, 11, 0.42):
        near, far = middle + (x - middle), middle + (x - middle) * 0.33
        brush.polygon(
            [(far, FLOOR_LINE), (far + 0.003, FLOOR_LINE), (near + 0.012, BOTTOM), (near, BOTTOM)], shade(floor, 0.72)
        )


def _kitchen(brush: Brush) -> None:
    rng = brush.rng
    wall, floor = (
        _pick(rng, (232, 222, 190), (206, 224, 214), (240, 226, 214)),
        _pick(rng, (176, 160, 140), (150, 150, 156)),
    )
    front = _pick(rng, (190, 140, 90), (120, 146, 150), (222, 214, 200))
    _room(brush, wall, floor)
    for x in np.arange(LEFT, RIGHT, 0.1):  # tiles
        brush.box(float(x), 0.30, 0.004, 0.16, shade(wall, 0.84))
    for y in (0.30, 0.38, 0.46):
        brush.box(LEFT, y, RIGHT - LEFT, 0.004, shade(wall, 0.84))
    for x in np.arange(LEFT, RIGHT, 0.34):
        brush.box(float(x) + 0.008, 0.0, 0.32, 0.24, front)
        brush.box(float(x) + 0.03, 0.02, 0.276, 0.20, shade(front, 0.9))
        brush.box(float(x) + 0.29, 0.17, 0.012, 0.045, (90, 90, 90))
        brush.box(float(x) + 0.008, 0.50, 0.32, FLOOR_LINE - 0.50, front)
        brush.box(float(x) + 0.03, 0.525, 0.276, FLOOR_LINE - 0.56, shade(front, 0.9))
    brush.box(LEFT, 0.475, RIGHT - LEFT, 0.03, (94, 88, 86))
    for at in (rng.uniform(-1, 0.2), rng.uniform(1.0, 2.2)):
        brush.box(at, 0.05, 0.36, FLOOR_LINE - 0.05, (226, 230, 234))  # refrigerator
        brush.box(at, 0.26, 0.36, 0.008, (150, 154, 160))
        brush.box(at + 0.31, 0.12, 0.014, 0.1, (120, 124, 130))
    at = rng.uniform(0.2, 1.0)
    brush.box(at, 0.47, 0.34, FLOOR_LINE - 0.47, (70, 72, 78))  # stove and pot
    brush.box(at + 0.04, 0.53, 0.26, 0.08, (28, 30, 34))
    brush.box(at + 0.08, 0.40, 0.14, 0.07, (170, 60, 50))


def _living_room(brush: Brush) -> None:
    rng = brush.rng
    wall, floor = (
        _pick(rng, (208, 196, 214), (196, 208, 226), (226, 210, 180)),
        _pick(rng, (156, 110, 72), (130, 92, 66)),
    )
    sofa = _pick(rng, (86, 112, 140), (150, 84, 78), (104, 124, 92))
    _room(brush, wall, floor)
    _boards(brush, floor)
    for at in (rng.uniform(-1.1, -0.4), rng.uniform(0.7, 1.0), rng.uniform(1.9, 2.2)):
        brush.box(at, 0.02, 0.34, 0.30, (246, 244, 238))  # window
        brush.box(at + 0.02, 0.04, 0.145, 0.26, (150, 196, 226))
        brush.box(at + 0.175, 0.04, 0.145, 0.26, (162, 204, 230))
        brush.box(at - 0.07, 0.0, 0.075, 0.42, sofa)
        brush.box(at + 0.335, 0.0, 0.075, 0.42, sofa)
    for at in (rng.uniform(-0.3, 0.2), rng.uniform(1.3, 1.6)):
        brush.box(at, 0.10, 0.22, 0.16, (110, 78, 50))  # picture
        brush.box(at + 0.018, 0.118, 0.184, 0.124, _pick(rng, (226, 180, 90), (120, 170, 150), (210, 120, 110)))
    at = rng.uniform(-0.6, 1.2)
    brush.box(at, 0.46, 0.66, 0.12, shade(sofa, 0.9))
    brush.box(at - 0.03, 0.54, 0.72, 0.12, sofa)
    brush.box(at - 0.06, 0.50, 0.07, 0.18, shade(sofa, 0.8))
    brush.box(at + 0.65, 0.50, 0.07, 0.18, shade(sofa, 0.8))
    brush.disc(0.67, 0.93, 0.75, _pick(rng, (190, 150, 140), (160, 168, 180)), 0.16)  # carpet


def _office(brush: Brush) -> None:
    rng = brush.rng
    wall, floor = _pick(rng, (214, 220, 224), (224, 222, 214)), _pick(rng, (96, 106, 120), (112, 116, 112))
    _room(brush, wall, floor)
    for x in np.arange(LEFT + rng.uniform(0, 0.3), RIGHT, 0.62):
        brush.box(float(x), 0.0, 0.44, 0.28, (238, 242, 246))
        for k in range(9):  # blinds
            brush.box(float(x) + 0.012, 0.012 + 0.03 * k, 0.416, 0.018, (176, 204, 222))
    for at in (rng.uniform(-1.2, -0.6), rng.uniform(0.1, 0.5), rng.uniform(1.4, 1.9)):
        brush.box(at, 0.50, 0.56, 0.025, (196, 170, 130))  # desk
        brush.box(at + 0.02, 0.525, 0.02, FLOOR_LINE - 0.5, (110, 112, 118))
        brush.box(at + 0.52, 0.525, 0.02, FLOOR_LINE - 0.5, (110, 112, 118))
        brush.box(at + 0.15, 0.36, 0.2, 0.12, (36, 40, 48))  # screen
        brush.box(at + 0.16, 0.37, 0.18, 0.1, _pick(rng, (110, 168, 210), (150, 190, 160)))
        brush.box(at + 0.24, 0.48, 0.02, 0.025, (60, 62, 68))
    at = rng.uniform(0.6, 1.3)
    brush.box(at, 0.12, 0.2, FLOOR_LINE - 0.12, (150, 124, 96))  # shelf
    for row in range(4):
        for k in range(5):
            brush.box(
                at + 0.015 + 0.034 * k,
                0.145 + 0.125 * row,
                0.028,
                0.09,
                _pick(rng, (180, 70, 60), (70, 110, 160), (220, 190, 90)),
            )


def _gym(brush: Brush) -> None:
    rng = brush.rng
    wall, floor = _pick(rng, (186, 190, 198), (206, 200, 190)), _pick(rng, (72, 76, 88), (190, 146, 96))
    stripe = _pick(rng, (220, 80, 50), (50, 120, 190), (240, 180, 40))
    _room(brush, wall, floor)
    brush.box(LEFT, 0.34, RIGHT - LEFT, 0.05, stripe)
    for x in np.arange(LEFT + rng.uniform(0, 0.3), RIGHT, 0.9):
        brush.box(float(x), 0.02, 0.5, 0.26, shade(wall, 1.15))  # mirror
        brush.polygon(
            [(float(x) + 0.1, 0.28), (float(x) + 0.24, 0.02), (float(x) + 0.32, 0.02), (float(x) + 0.18, 0.28)],
            shade(wall, 1.25),
        )
    for at in (rng.uniform(-1.2, -0.5), rng.uniform(0.9, 1.1), rng.uniform(1.9, 2.3)):
        brush.box(at, 0.56, 0.44, 0.02, (60, 62, 70))  # rack of weights
        for k in range(5):
            brush.disc(at + 0.05 + 0.085 * k, 0.55, 0.036, (34, 36, 42))
            brush.disc(at + 0.05 + 0.085 * k, 0.55, 0.014, stripe)
        brush.box(at + 0.02, 0.58, 0.02, FLOOR_LINE - 0.56, (60, 62, 70))
        brush.box(at + 0.4, 0.58, 0.02, FLOOR_LINE - 0.56, (60, 62, 70))
    brush.polygon(
        [(0.0, 0.80), (1.3, 0.80), (1.65, 1.05), (-0.35, 1.05)], _pick(rng, (60, 96, 150), (96, 140, 100))
    )  # mat


def _park(brush: Brush) -> None:
    rng = brush.rng
    grass = _pick(rng, (118, 168, 84), (140, 172, 90), (104, 150, 78))
    brush.bands(TOP, 0.44, _pick(rng, (120, 176, 232), (160, 196, 226)), (214, 232, 240))
    brush.bands(0.43, BOTTOM, shade(grass, 0.86), shade(grass, 1.1))
    for _ in range(5):
        x, y = rng.uniform(LEFT, RIGHT), rng.uniform(-0.1, 0.12)
        for k in range(4):
            brush.disc(x + 0.09 * k, y + rng.uniform(-0.02, 0.02), rng.uniform(0.05, 0.09), (244, 248, 250), 0.6)
    for x in np.arange(LEFT, RIGHT, 0.13):  # far trees
        brush.disc(float(x), 0.42, rng.uniform(0.06, 0.1), shade((76, 122, 70), rng.uniform(0.85, 1.1)))
    brush.bands(0.435, 0.452, shade(grass, 0.8), shade(grass, 0.86))
    brush.polygon([(LEFT, 0.60), (RIGHT, 0.57), (RIGHT, 0.66), (LEFT, 0.70)], (206, 190, 156))  # path
    for x in np.arange(LEFT + rng.uniform(0, 0.4), RIGHT, 0.72):
        x = float(x) + rng.uniform(-0.1, 0.1)
        brush.box(x - 0.022, 0.25, 0.044, 0.29, (104, 76, 52))
        green = shade((64, 122, 58), rng.uniform(0.85, 1.2))
        for dx, dy in ((0, 0), (-0.09, 0.06), (0.09, 0.05), (0.02, -0.08)):
            brush.disc(x + dx, 0.17 + dy, 0.105, shade(green, rng.uniform(0.92, 1.08)))
    at = rng.uniform(0.0, 1.0)
    brush.box(at, 0.50, 0.34, 0.03, (140, 92, 56))  # bench
    brush.box(at, 0.55, 0.34, 0.025, (140, 92, 56))
    brush.box(at + 0.03, 0.5, 0.018, 0.13, (70, 70, 74))
    brush.box(at + 0.29, 0.5, 0.018, 0.13, (70, 70, 74))
    for _ in range(60):
        x, y = rng.uniform(LEFT, RIGHT), rng.uniform(0.72, BOTTOM)
        brush.polygon([(x, y), (x + 0.006, y - 0.03), (x + 0.012, y)], shade(grass, 0.8))


def _street(brush: Brush) -> None:
    rng = brush.rng
    brush.bands(TOP, FLOOR_LINE, (186, 204, 222), (226, 230, 234))
    x = LEFT - rng.uniform(0, 0.3)
    while x < RIGHT:
        width, top = rng.uniform(0.4, 0.65), rng.uniform(-0.2, 0.02)
        facade = _pick(rng, (178, 110, 86), (206, 186, 150), (150, 150, 162), (196, 150, 110))
        brush.box(x, top, width - 0.006, FLOOR_LINE - top, facade)
        for column in np.arange(x + 0.05, x + width - 0.11, 0.14):
            for row in np.arange(top + 0.06, 0.34, 0.16):
                brush.box(float(column), float(row), 0.08, 0.1, (236, 232, 222))
                brush.box(
                    float(column) + 0.008, float(row) + 0.008, 0.064, 0.084, _pick(rng, (86, 116, 140), (120, 150, 170))
                )
        brush.box(x + 0.06, 0.44, width - 0.14, FLOOR_LINE - 0.44, shade(facade, 0.6))
        brush.polygon(
            [(x + 0.03, 0.40), (x + width - 0.05, 0.40), (x + width - 0.02, 0.46), (x, 0.46)],
            _pick(rng, (190, 60, 54), (60, 120, 90), (60, 90, 150)),
        )
        x += width
    brush.bands(FLOOR_LINE, 0.72, (176, 174, 168), (186, 184, 178))
    brush.box(LEFT, 0.72, RIGHT - LEFT, 0.014, (120, 120, 118))
    brush.bands(0.734, BOTTOM, (104, 106, 112), (124, 126, 132))
    for x in np.arange(LEFT, RIGHT, 0.5):
        brush.polygon(
            [(float(x), 0.99), (float(x) + 0.26, 0.99), (float(x) + 0.27, 1.015), (float(x), 1.015)], (228, 226, 214)
        )
    for at in (rng.uniform(-1.1, -0.3), rng.uniform(1.4, 2.4)):
        brush.box(at, 0.0, 0.02, 0.71, (60, 66, 70))  # lamp post
        brush.disc(at + 0.01, 0.0, 0.045, (250, 240, 200))


def _beach(brush: Brush) -> None:
    rng = brush.rng
    sand = _pick(rng, (232, 208, 156), (226, 198, 150))
    brush.bands(TOP, HORIZON, _pick(rng, (90, 168, 232), (250, 190, 140)), (206, 230, 244))
    brush.disc(rng.uniform(-0.2, 1.6), rng.uniform(-0.05, 0.15), 0.075, (255, 244, 196))
    brush.bands(HORIZON, 0.60, (38, 112, 170), (92, 180, 196))
    for _ in range(40):
        x, y = rng.uniform(LEFT, RIGHT), rng.uniform(HORIZON + 0.01, 0.58)
        brush.disc(x, y, rng.uniform(0.02, 0.07), (196, 226, 234), 0.06)
    brush.bands(0.60, BOTTOM, shade(sand, 0.9), shade(sand, 1.06))
    points = [(float(x), 0.602 + 0.012 * np.sin(7 * x)) for x in np.linspace(LEFT, RIGHT, 60)]
    brush.polygon([*points, *[(x, y + 0.016) for x, y in reversed(points)]], (246, 250, 250))
    for at in (rng.uniform(-1.0, -0.2), rng.uniform(1.2, 1.5), rng.uniform(2.1, 2.5)):
        colour = _pick(rng, (220, 70, 60), (60, 130, 190), (240, 190, 60))
        brush.box(at - 0.006, 0.38, 0.012, 0.32, (240, 236, 226))
        for k in range(4):  # parasol
            a, b = -0.2 + 0.1 * k, -0.1 + 0.1 * k
            brush.polygon([(at + a, 0.43), (at + b, 0.43), (at, 0.30)], colour if k % 2 else (248, 244, 236))
        brush.box(at + 0.05, 0.68, 0.26, 0.04, shade(colour, 0.9))  # towel
    at = rng.uniform(LEFT, RIGHT)
    brush.polygon([(at, 0.44), (at + 0.16, 0.44), (at + 0.13, 0.47), (at + 0.03, 0.47)], (240, 240, 240))  # boat
    brush.polygon([(at + 0.08, 0.43), (at + 0.08, 0.29), (at + 0.15, 0.43)], (250, 250, 246))
    for _ in range(50):
        x, y = rng.uniform(LEFT, RIGHT), rng.uniform(0.66, BOTTOM)
        brush.disc(x, y, rng.uniform(0.004, 0.01), shade(sand, rng.uniform(0.75, 1.1)), 0.5)


def _stage(brush: Brush) -> None:
    rng = brush.rng
    curtain = _pick(rng, (140, 32, 44), (60, 40, 110), (30, 80, 96))
    floor = _pick(rng, (120, 84, 54), (92, 70, 56))
    _room(brush, shade(curtain, 0.8), floor)
    for x in np.arange(LEFT, RIGHT, 0.09):
        brush.box(float(x), TOP, 0.045, FLOOR_LINE - TOP - 0.015, shade(curtain, rng.uniform(0.95, 1.2)))
        brush.box(float(x) + 0.045, TOP, 0.012, FLOOR_LINE - TOP - 0.015, shade(curtain, 0.55))
    _boards(brush, floor)
    for at in (rng.uniform(-0.8, -0.1), rng.uniform(1.3, 2.1)):
        brush.box(at, 0.42, 0.17, 0.27, (30, 30, 34))  # loudspeaker
        brush.disc(at + 0.085, 0.6, 0.055, (66, 66, 72))
        brush.disc(at + 0.085, 0.49, 0.032, (66, 66, 72))
    brush.disc(0.67, 0.93, 0.6, shade(floor, 1.5), 0.18)  # light on the floor


PAINTERS: dict[str, tuple[Callable[[Brush], None], bool]] = {
    "kitchen": (_kitchen, True),
    "living room": (_living_room, True),
    "office": (_office, True),
    "gym": (_gym, True),
    "stage": (_stage, True),
    "park": (_park, False),
    "street": (_street, False),
    "beach": (_beach, False),
}
"""Name of a place: its painter and whether it is indoors."""


def paint(name: str, *, seed: int, per_unit: float, light: Colour = (1.0, 1.0, 1.0)) -> Canvas:
    """Paint a place.

    Args:
        name: one of PAINTERS.
        seed: of colours and furniture.
        per_unit: pixels a canvas unit.
        light: factors of red, green and blue.
    """
    painter, indoor = PAINTERS[name]
    brush = Brush(per_unit, np.random.default_rng(seed))
    painter(brush)
    brush.grain(2.2)
    image = np.clip(brush.image * np.array(light), 0, 255).astype(np.uint8)
    return Canvas(image, per_unit, indoor)

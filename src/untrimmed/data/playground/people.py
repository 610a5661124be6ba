"""Who people are and what they wear."""

import numpy as np

from untrimmed.data.playground.pieces import Look

KINDS = ("man", "woman", "boy", "girl")
SHIRTS = {
    "red": (206, 52, 50),
    "blue": (48, 92, 190),
    "green": (52, 146, 82),
    "yellow": (240, 196, 56),
    "white": (238, 238, 232),
    "black": (46, 46, 52),
    "orange": (236, 130, 44),
    "purple": (134, 74, 160),
    "pink": (236, 134, 168),
    "grey": (136, 140, 148),
}
"""Colours of shirts by the word that sentences use."""
_SKINS = ((244, 208, 180), (228, 184, 146), (196, 146, 108), (150, 102, 72), (104, 70, 50))
_HAIRS = ((40, 30, 26), (84, 56, 36), (140, 96, 52), (214, 176, 96), (120, 120, 124), (160, 70, 40))
_TROUSERS = ((44, 58, 98), (70, 70, 78), (120, 98, 72), (40, 40, 46), (150, 150, 156), (84, 104, 72))
_SHOES = ((40, 36, 34), (230, 230, 230), (160, 60, 50), (60, 70, 110))


def choose_look(rng: np.random.Generator) -> Look:
    """A person at random; the number of draws does not depend on what is drawn."""
    draws = rng.random(12)

    def pick(options: tuple[tuple[int, int, int], ...], draw: float) -> tuple[float, float, float]:
        red, green, blue = options[int(draw * len(options))]
        return (float(red), float(green), float(blue))

    kind = KINDS[int(draws[0] * 4)] if draws[1] < 0.6 else KINDS[int(draws[0] * 2)]
    word = tuple(SHIRTS)[int(draws[2] * len(SHIRTS))]
    child, female = kind in ("boy", "girl"), kind in ("woman", "girl")
    red, green, blue = SHIRTS[word]
    return Look(
        kind=kind,
        size=(0.76 + 0.1 * draws[3]) if child else (0.93 + 0.1 * draws[3] + (0.0 if female else 0.04)),
        skin=pick(_SKINS, draws[4]),
        hair=pick(_HAIRS, draws[5]),
        shirt=(float(red), float(green), float(blue)),
        trousers=pick(_TROUSERS, draws[6]),
        shoes=pick(_SHOES, draws[7]),
        sleeves=bool(draws[8] < 0.5),
        shorts=bool(draws[9] < 0.3),
        long_hair=bool(female and draws[10] < 0.85),
        skirt=bool(female and draws[11] < 0.3),
        shirt_name=word,
    )

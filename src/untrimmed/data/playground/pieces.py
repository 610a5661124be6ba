"""What is drawn: convex pieces, each the hull of up to four discs in the world, of which everything else follows.

A forearm is the hull of a disc at the elbow and one at the wrist, a trunk the hull of four. Pictures, key points,
body-part maps, depth and boxes all come from these same discs, so the truth agrees with the picture by construction.

World: metres, x to the right of the picture, y up, z away from the camera.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from untrimmed.data.playground.skeleton import HEAD_RADIUS, INDEX

DISCS = 4
HORIZON = 0.42
"""Height of the horizon in canvas units (one unit is the picture's height at zoom 1), from the top."""
EYE = 1.35
"""Height of the camera, metres."""
SCALE = 1.46
"""Canvas units a metre at one metre's distance."""
STAGE = 4.0
"""Distance of the main person, metres."""
WALL = 8.5
"""Distance of the wall of a room."""


@dataclass(frozen=True)
class Pieces:
    """Convex pieces over the frames of a shot.

    Attributes:
        centres: world coordinates of the discs; a piece of fewer than four repeats its first.
        radii: metres.
        colours: red, green, blue in [0, 255].
        parts: DensePose part seen from the front and from behind (1 to 24), 0 for things.
        owners: which person or thing of the shot a piece belongs to.
        bias: metres added to the distance when pieces are sorted, not in the truth.
        distance: metres from the camera that set the scale of a piece.
    """

    centres: Float[np.ndarray, "frames pieces discs 3"]
    radii: Float[np.ndarray, "pieces discs"]
    colours: Float[np.ndarray, "pieces 3"]
    parts: Int[np.ndarray, "pieces 2"]
    owners: Int[np.ndarray, " pieces"]
    bias: Float[np.ndarray, " pieces"]
    distance: Float[np.ndarray, " pieces"]


def join(groups: list[Pieces]) -> Pieces:
    """All pieces of a shot as one."""
    return Pieces(
        np.concatenate([group.centres for group in groups], axis=1),
        np.concatenate([group.radii for group in groups]),
        np.concatenate([group.colours for group in groups]),
        np.concatenate([group.parts for group in groups]),
        np.concatenate([group.owners for group in groups]),
        np.concatenate([group.bias for group in groups]),
        np.concatenate([group.distance for group in groups]),
    )


def project(
    points: Float[np.ndarray, "*shape 3"], distance: float | Float[np.ndarray, "..."]
) -> Float[np.ndarray, "*shape 2"]:
    """World to canvas units at the scale of one distance (weak perspective: a body does not distort)."""
    scale = SCALE / np.asarray(distance)
    return np.stack([points[..., 0] * scale, HORIZON + (EYE - points[..., 1]) * scale], axis=-1)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a person looks.

    Attributes:
        kind: man, woman, boy or girl.
        size: of the body, 1 for the standard one.
        skin, hair, shirt, trousers, shoes: colours.
        sleeves: whether the shirt covers the forearms.
        shorts: whether the shins are bare.
        long_hair: whether hair falls to the shoulders.
        skirt: whether a skirt is worn.
        shirt_name: the colour's word for the sentences.
    """

    kind: str
    size: float
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    shirt: tuple[float, float, float]
    trousers: tuple[float, float, float]
    shoes: tuple[float, float, float]
    sleeves: bool
    shorts: bool
    long_hair: bool
    skirt: bool
    shirt_name: str


_ROWS = (
    # discs as (joint, radius), colour, part from the front, from behind, bias
    ((("neck", 0.05), ("head", 0.055)), "skin", 23, 23, 0.02),
    ((("left_shoulder", 0.06), ("right_shoulder", 0.06), ("right_hip", 0.07), ("left_hip", 0.07)), "shirt", 2, 1, 0.0),
    ((("left_hip", 0.085), ("right_hip", 0.085)), "trousers", 2, 1, 0.01),
    ((("right_hip", 0.085), ("right_knee", 0.062)), "trousers", 9, 7, -0.02),
    ((("left_hip", 0.085), ("left_knee", 0.062)), "trousers", 10, 8, -0.02),
    ((("right_knee", 0.06), ("right_ankle", 0.042)), "shin", 13, 11, -0.01),
    ((("left_knee", 0.06), ("left_ankle", 0.042)), "shin", 14, 12, -0.01),
    ((("right_ankle", 0.048), ("right_toe", 0.04)), "shoes", 6, 6, -0.03),
    ((("left_ankle", 0.048), ("left_toe", 0.04)), "shoes", 5, 5, -0.03),
    ((("right_shoulder", 0.058), ("right_elbow", 0.046)), "sleeve", 18, 16, -0.05),
    ((("left_shoulder", 0.058), ("left_elbow", 0.046)), "sleeve", 17, 15, -0.05),
    ((("right_elbow", 0.045), ("right_wrist", 0.036)), "forearm", 22, 20, -0.06),
    ((("left_elbow", 0.045), ("left_wrist", 0.036)), "forearm", 21, 19, -0.06),
    ((("right_hand", 0.05),), "skin", 3, 3, -0.07),
    ((("left_hand", 0.05),), "skin", 4, 4, -0.07),
    ((("head", HEAD_RADIUS),), "skin", 23, 23, -0.03),
    ((("hair", HEAD_RADIUS * 0.96),), "hair", 23, 23, -0.03),
    ((("fringe", HEAD_RADIUS * 0.52),), "hair", 23, 23, -0.035),
    ((("left_eye", 0.0125),), "eye", 23, 23, -0.04),
    ((("right_eye", 0.0125),), "eye", 23, 23, -0.04),
    ((("nose", 0.02),), "nose", 23, 23, -0.04),
    ((("mouth", 0.022),), "mouth", 23, 23, -0.04),
)
_LONG_HAIR = ((("hair", HEAD_RADIUS * 0.9), ("bun", HEAD_RADIUS * 0.62)), "hair", 23, 23, -0.02)
_SKIRT = (
    (("left_hip", 0.1), ("right_hip", 0.1), ("right_knee", 0.1), ("left_knee", 0.1)),
    "trousers",
    2,
    1,
    -0.035,
)


def body(joints: Float[np.ndarray, "frames joints 3"], look: Look, *, owner: int, distance: float) -> Pieces:
    """The pieces of one person.

    Args:
        joints: world coordinates.
        look: clothes and colours.
        owner: number of the person in the shot.
        distance: metres from the camera.
    """
    colours = {
        "skin": look.skin,
        "hair": look.hair,
        "shirt": look.shirt,
        "trousers": look.trousers,
        "shoes": look.shoes,
        "eye": (30.0, 25.0, 25.0),
        "nose": tuple(0.8 * value for value in look.skin),
        "mouth": (150.0, 60.0, 58.0),
        "sleeve": tuple(0.86 * value for value in look.shirt),
        "forearm": tuple(0.86 * value for value in look.shirt) if look.sleeves else look.skin,
        "shin": look.skin if look.shorts or look.skirt else tuple(0.88 * value for value in look.trousers),
    }
    rows = [*_ROWS, *((_LONG_HAIR,) if look.long_hair else ()), *((_SKIRT,) if look.skirt else ())]
    chosen = [[INDEX[discs[i if i < len(discs) else 0][0]] for i in range(DISCS)] for discs, *_ in rows]
    radii = [[discs[i if i < len(discs) else 0][1] for i in range(DISCS)] for discs, *_ in rows]
    count = len(rows)
    return Pieces(
        joints[:, np.array(chosen)],
        np.array(radii) * look.size,
        np.array([colours[row[1]] for row in rows], dtype=np.float64),
        np.array([[row[2], row[3]] for row in rows]),
        np.full(count, owner),
        np.array([row[4] for row in rows]) * look.size,
        np.full(count, distance),
    )


def thing(
    shapes: list[tuple[list[Float[np.ndarray, "frames 3"]], list[float], tuple[float, float, float], float]],
    *,
    owner: int,
    distance: float,
) -> Pieces:
    """The pieces of one object.

    Args:
        shapes: for each piece the tracks of its discs, their radii, its colour and its bias.
        owner: number of the object in the shot.
        distance: metres from the camera that set its scale.
    """
    centres = np.stack(
        [np.stack([tracks[i if i < len(tracks) else 0] for i in range(DISCS)], axis=1) for tracks, *_ in shapes], axis=1
    )
    radii = [[shape[1][i if i < len(shape[1]) else 0] for i in range(DISCS)] for shape in shapes]
    return Pieces(
        centres,
        np.array(radii, dtype=np.float64),
        np.array([shape[2] for shape in shapes], dtype=np.float64),
        np.zeros((len(shapes), 2), dtype=np.int64),
        np.full(len(shapes), owner),
        np.array([shape[3] for shape in shapes], dtype=np.float64),
        np.full(len(shapes), distance),
    )

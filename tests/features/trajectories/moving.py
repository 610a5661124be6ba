"""Videos whose every motion is known."""

import cv2
import numpy as np

from features.drawn import texture

HEIGHT, WIDTH = 128, 160
CANVAS = texture(500, 600, smooth=2.5)


def view(canvas: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """What a camera sees of a canvas: pixel p shows the canvas at matrix @ p."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(canvas, matrix, (WIDTH, HEIGHT), flags=flags)
    return np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def turn(degrees: float, zoom: float) -> np.ndarray:
    """About the middle of the picture."""
    angle = np.deg2rad(degrees)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    about = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return shift(WIDTH / 2, HEIGHT / 2) @ about @ shift(-WIDTH / 2, -HEIGHT / 2)


def filmed(step: np.ndarray, frames: int) -> list[np.ndarray]:
    """A canvas filmed by a camera that makes the same step each frame: content at p moves to step @ p."""
    found = []
    for number in range(frames):
        back = np.linalg.matrix_power(np.linalg.inv(step), number)
        found.append(view(CANVAS, shift(200, 180) @ back))
    return found


def with_object(frames: list[np.ndarray], step: tuple[float, float], at: tuple[int, int], side: int) -> None:
    """Draw a square of another texture that moves over the frames, in whole pixels."""
    other = texture(side, side, seed=5, smooth=2.0).astype(np.uint8)
    for number, frame in enumerate(frames):
        x, y = (round(place + number * speed) for place, speed in zip(at, step, strict=True))
        frame[y : y + side, x : x + side] = other

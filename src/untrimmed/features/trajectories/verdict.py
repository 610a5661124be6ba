"""Which finished tracks are worth keeping, and the numbers that are kept of them."""

import numpy as np
from jaxtyping import Bool, Float32

from untrimmed.features.trajectories.block import TrajectoryBlock
from untrimmed.features.trajectories.config import Trajectories
from untrimmed.features.trajectories.tracks import Finished


def judged(frame: int, finished: list[tuple[float, Finished]], config: Trajectories) -> TrajectoryBlock:
    """The tracks that end in a frame and are neither static, nor erratic, nor the camera's.

    Args:
        frame: number of the frame where the tracks end.
        finished: factor of each scale, and its tracks.
        config: when to drop a track.

    Source: Wang et al., IJCV 2013, section 3.2; Wang and Schmid, ICCV 2013, section 3.2.
    """
    count = [len(tracks.points) for _, tracks in finished]
    scale = np.repeat(np.array([factor for factor, _ in finished], np.float32), count)
    points = np.concatenate([tracks.points for _, tracks in finished]) * scale[:, None, None]
    moves = np.concatenate([tracks.moves for _, tracks in finished]) * scale[:, None, None]
    good = worthy(points, config)
    if config.compensated:
        good &= (np.linalg.norm(moves, axis=2) > config.camera_pixels).any(axis=1)
    points, moves, scale = points[good], moves[good], scale[good]
    sums = np.concatenate([tracks.sums for _, tracks in finished])[good]
    whole = np.linalg.norm(moves, axis=2).sum(axis=1)[:, None, None]
    return TrajectoryBlock(
        ends=np.full(len(points), frame),
        mean=points.mean(axis=1),
        variance=points.std(axis=1),
        length=np.linalg.norm(np.diff(points, axis=1), axis=2).sum(axis=1),
        scale=scale,
        trajectory=np.divide(moves, whole, out=np.zeros_like(moves), where=whole > 0).reshape(-1, 30),
        hog=sums[:, :, :32].reshape(-1, 96),
        hof=sums[:, :, 32:68].reshape(-1, 108),
        mbh=np.concatenate([sums[:, :, 68:100].reshape(-1, 96), sums[:, :, 100:132].reshape(-1, 96)], axis=1),
    )


def worthy(points: Float32[np.ndarray, "n places 2"], config: Trajectories) -> Bool[np.ndarray, " n"]:
    """Whether tracks move, stay together and do not jump.

    Args:
        points: places of each track, pixels of the full picture.
        config: the limits.
    """
    spread = points.std(axis=1)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=2)
    static = (spread < config.least_spread).all(axis=1)
    erratic = (spread > config.most_spread).any(axis=1)
    longest = steps.max(axis=1)
    jumps = (longest > config.jump_pixels) & (longest > config.jump_share * steps.sum(axis=1))
    return np.asarray(~(static | erratic | jumps))

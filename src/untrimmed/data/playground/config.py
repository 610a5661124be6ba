"""What a playground is made of: sizes, counts, difficulty."""

import math
from dataclasses import dataclass

from untrimmed.records import DataError


@dataclass(frozen=True, kw_only=True)
class PlaygroundConfig:
    """Everything that decides what is drawn; equal configurations give equal data sets.

    The numbers are this package's own: small enough that two cores draw the default in a few minutes and train on it,
    large enough that an average over the testing part has an error of a few per cent.
    """

    seed: int = 0
    """Of every random choice; each video's choices follow from (seed, video id) alone."""
    training: int = 80
    """Untrimmed training videos."""
    validation: int = 20
    """Untrimmed validation videos."""
    testing: int = 40
    """Untrimmed testing videos."""
    training_clips: int = 12
    """Trimmed training clips a class."""
    validation_clips: int = 2
    """Trimmed validation clips a class."""
    testing_clips: int = 5
    """Trimmed testing clips a class."""
    width: int = 224
    """Pixels, even."""
    height: int = 168
    """Pixels, even."""
    fps: int = 12
    """Frames a second; 12 keeps the fastest motion (a runner's leg, about 2 strides a second) well sampled."""
    audio_rate: int = 22050
    """Samples of sound a second. Report 08 takes 44.1 kHz; half of it keeps all that is drawn here but the top of its
    noises, and halves the time of the aac encoder."""
    shortest: float = 20.0
    """Seconds, least duration of an untrimmed video."""
    longest: float = 60.0
    """Seconds, most duration of an untrimmed video."""
    difficulty: float = 0.3
    """0 (clean) to 1: noise, distractors, motion of the camera, occlusion, similar clothes, near misses, cut-off
    instances."""
    truth: bool = False
    """Whether key points, body-part maps, depth and boxes are written for the untrimmed videos."""
    truth_per_second: float = 1.0
    """Frames a second for which the truth is written."""
    truth_shrink: int = 2
    """Every how many pixels, in both directions, body-part maps and depth are written."""
    truth_clips: bool = False
    """Whether the truth is written for the trimmed clips too (needs truth)."""

    def __post_init__(self) -> None:
        counts = (self.training, self.validation, self.testing)
        clips = (self.training_clips, self.validation_clips, self.testing_clips)
        if min(*counts, *clips) < 0 or sum(counts) + sum(clips) == 0:
            raise DataError(f"a playground needs at least one video and no negative count, got {counts} and {clips}")
        if min(self.width, self.height) < 32 or self.width % 2 or self.height % 2:
            raise DataError(f"playground pictures need even sides of at least 32, got {self.width}x{self.height}")
        if not 4 <= self.fps <= 120:
            raise DataError(f"playground fps must be in [4, 120], got {self.fps}")
        if not 8000 <= self.audio_rate <= 96000:
            raise DataError(f"playground audio_rate must be in [8000, 96000], got {self.audio_rate}")
        if not (math.isfinite(self.longest) and 10 <= self.shortest <= self.longest <= 3600):
            raise DataError(
                f"playground durations need 10 <= shortest <= longest <= 3600, got {self.shortest} and {self.longest}"
            )
        if not 0 <= self.difficulty <= 1:
            raise DataError(f"playground difficulty must be in [0, 1], got {self.difficulty}")
        if not 1 <= self.truth_shrink <= 16:
            raise DataError(f"playground truth_shrink must be in [1, 16], got {self.truth_shrink}")
        if not 0 < self.truth_per_second <= self.fps:
            raise DataError(f"playground truth_per_second must be in (0, fps], got {self.truth_per_second}")


DEMO = PlaygroundConfig(
    training=48, validation=10, testing=20, training_clips=6, validation_clips=1, testing_clips=2, width=192, height=144
)
"""Small enough for the demo: about an hour of video in all."""

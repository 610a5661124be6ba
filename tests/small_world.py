"""A small playground and small variants of the systems, for tests that run the whole path."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from untrimmed.configs import rewritten
from untrimmed.data.playground import PlaygroundConfig, write_playground
from untrimmed.train import Schedule

TINY = PlaygroundConfig(
    training=4,
    validation=1,
    testing=2,
    training_clips=1,
    validation_clips=0,
    testing_clips=1,
    width=96,
    height=72,
    shortest=10.0,
    longest=12.0,
)
STEPS = 3
"""Of every training: enough to move every weight."""


def draw(folder: Path) -> Path:
    """Draw the small playground into a folder."""
    write_playground(folder, TINY, workers=1)
    return folder


def shortened(config: Any) -> Any:
    """The same configuration with every training cut to a few steps of small batches."""

    def cut(part: Any) -> Any:
        if not isinstance(part, Schedule):
            return part
        return replace(part, steps=STEPS, epochs=None, batch_size=2, patience=None, warmup_steps=0, milestones=())

    return rewritten(config, cut)

"""Temporal segment networks: one backbone over K sections of a video, and a consensus of what it says."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from untrimmed.aggregate.consensus import Average, Consensus
from untrimmed.nets.backbone import Backbone
from untrimmed.records import DataError


class Tsn(nn.Module):
    """A backbone shared by all sections; the video's logits are the consensus of theirs.

    The loss is taken on the consensus, so that the sections learn together. A 2-D backbone sees one picture or one
    stack a section, a 3-D one a clip.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.1; report 06, section 2.
    """

    def __init__(self, backbone: Backbone, *, consensus: Consensus | None = None) -> None:
        """Wrap a backbone.

        Args:
            backbone: the net.
            consensus: of the sections' logits; the average by default.
        """
        super().__init__()
        self.backbone = backbone
        self.consensus: Consensus = consensus or Average()

    def forward(self, x: Shaped[Tensor, "n sections channels *positions"]) -> Float[Tensor, "n classes"]:
        """Logits of the videos."""
        logits = self.backbone(x.flatten(0, 1))
        return self.consensus(logits.unflatten(0, x.shape[:2]))


def section_starts(
    length: int, *, sections: int, span: int, generator: np.random.Generator | None = None
) -> Int[np.ndarray, " sections"]:
    """Where the clip of each section begins.

    The length - span + 1 possible beginnings are cut into equal sections; training draws one from each, testing takes
    each section's middle. A video shorter than a clip gives beginnings of 0.

    Args:
        length: pictures in the video, >= 1.
        sections: how many clips, >= 1.
        span: pictures from the first of a clip to past its last, >= 1.
        generator: draws the beginnings; None takes the middles.

    Returns:
        Indices that do not fall, each in [0, max(0, length - span)].

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, section 3.1; 25 sections at test, section 3.3.
    """
    if length < 1 or sections < 1 or span < 1:
        raise DataError(
            f"sections need length, sections and span >= 1, got length {length}, sections {sections}, span {span}"
        )
    possible = max(1, length - span + 1)
    place = np.full(sections, 0.5) if generator is None else generator.random(sections)
    starts = np.floor((np.arange(sections) + place) * possible / sections).astype(np.int64)
    return np.minimum(starts, possible - 1)


def clip_indices(
    starts: Int[np.ndarray, " sections"], *, frames: int, stride: int, length: int
) -> Int[np.ndarray, "sections frames"]:
    """The pictures of clips that begin at `starts`, every stride-th; past the end the last picture stands still."""
    return np.minimum(starts[:, None] + stride * np.arange(frames)[None, :], length - 1)

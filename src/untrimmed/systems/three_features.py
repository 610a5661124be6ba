"""01: three features, one-vs-rest SVMs, two ways of voting (untrimmed classification; no rank).

Source: report 01 of the ActivityNet Challenge 2017 (`papers/01-three-features-svm-voting.txt`).

Recipe:
    improved trajectories -> MBH -> Fisher vector, PCA keeping 98 %              \\
    C3D fc7, PCA to 500 -> 3 sections, the mean of each, side by side: 1,500      -> a linear SVM each -> vote -> class
    GoogLeNet pool5 on 2 frames a second -> mean, L1 norm: 1,024                 /
    two or three agree: hard vote, 1 - prod (1 - c);  all differ: weighted vote, votes normalised

Published: ActivityNet 1.3 validation, top-1: MBH 53.47, C3D 62.83, frame net 67.54, the vote 74.30; test 74.49.

Finding: the vote is above each of its parts.

Choices:
    - The features are the organisers'; see `features.organisers` for how they are measured here, or name their HDF5
      files.
    - C of the SVMs and the scale of rows are not said: C 100, that of report 17, the only one that prints it, and rows
      of length 1 (which undoes the L1 norm's scale).
    - "The confidence for each action is learnt by one-vs-rest linear SVM" is read as the SVM's probability, a sigmoid
      calibrated on held-out videos, "normalised for all actions" by the sum. A softmax of margins is the other
      reading, `confidence`; it hardly tells classes apart where margins lie between -1 and 1.
    - Weights of the weighted vote are the SVMs' own outputs for each action, see `fuse.votes.agreement`.
    - Scores of the classes that do not win are not said; those of `fuse.votes.agreement` rank all of them.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from untrimmed.classify.linear import LinearConfig
from untrimmed.features import organisers
from untrimmed.features.vector_classifiers import VectorClassifier
from untrimmed.features.vectors import VideoVector
from untrimmed.fuse.votes import agreement
from untrimmed.systems.voting import VotingSystem


@dataclass(frozen=True, kw_only=True)
class ThreeFeaturesConfig:
    """Configuration of system 01."""

    mbh: VideoVector = VideoVector(source=organisers.MBH)  # noqa: RUF009
    """Motion boundaries along improved trajectories; section 2.1.1."""
    c3d: VideoVector = VideoVector(source=organisers.C3D, sections=3)  # noqa: RUF009
    """C3D in three sections; section 2.1.2."""
    frames: VideoVector = VideoVector(source=organisers.SHUFFLE, norm="l1")  # noqa: RUF009
    """ImageNetShuffle; section 2.1.3."""
    svm: LinearConfig = LinearConfig(kind="svm", cost=100.0)  # noqa: RUF009
    """One-vs-rest, on each feature; section 2.2."""
    confidence: Literal["platt", "softmax"] = "platt"
    """How margins become confidences that sum to 1; section 2.2, see Choices."""

    @property
    def classifiers(self) -> dict[str, VectorClassifier]:
        """The three voters by name."""
        vectors = {"mbh": self.mbh, "c3d": self.c3d, "frames": self.frames}
        return {
            name: VectorClassifier(vector=vector, linear=self.svm, confidence=self.confidence)
            for name, vector in vectors.items()
        }


class ThreeFeatures(VotingSystem[ThreeFeaturesConfig]):
    """System 01."""

    number: ClassVar[int] = 1
    config_class = ThreeFeaturesConfig

    def vote(self, scores: Float[np.ndarray, "voters videos classes"]) -> Float[np.ndarray, "videos classes"]:
        """Hard where two or three agree, weighted where all differ."""
        return agreement(scores)


LAPTOP = ThreeFeaturesConfig(
    mbh=VideoVector(source=organisers.SMALL_MBH),
    c3d=VideoVector(source=organisers.SMALL_C3D, sections=3),
    frames=VideoVector(source=organisers.SMALL_SHUFFLE, norm="l1"),
)
"""The variant for two cores: the organisers' features in their small sizes, whose nets learn the classes first."""

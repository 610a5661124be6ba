"""The conventions of suppression, each a small configuration with the values its authors use."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class HardNms:
    """Greedy: of two segments that overlap more than tiou the lower score goes. This package's own default.

    With `per_class` and tiou = evaluated tIoU - 0.1 it is also the rule of S-CNN and of R-C3D.
    """

    tiou: float = 0.5
    """Threshold in [0, 1]; an overlap equal to it is kept."""
    drop_equal: bool = False
    """Drop at an overlap equal to the threshold too; needs tiou > 0."""
    per_class: bool = False
    """Segments of different classes leave each other alone."""
    most: int | None = None
    """How many to keep at most, over all classes."""


@dataclass(frozen=True, kw_only=True)
class InclusiveNms:
    """HardNms with lengths end - start + 1, as inherited from pixel boxes.

    SSN runs it on frames with 0.6 (ActivityNet) and 0.2 (THUMOS'14), TAG on steps with 0.9, the temporal context
    network of UMD on seconds with 0.45, which suppresses too much in short videos.
    """

    tiou: float = 0.6
    """Threshold in [0, 1]; an overlap equal to it is kept."""
    per_class: bool = False
    """Segments of different classes leave each other alone."""
    most: int | None = None
    """How many to keep at most, over all classes."""


@dataclass(frozen=True, kw_only=True)
class SoftNms:
    """Scores of what overlaps a kept segment decay instead of falling to zero (Bodla et al., ICCV 2017)."""

    decay: Literal["gaussian", "linear"] = "gaussian"
    """exp(-tiou^2 / sigma), or 1 - tiou."""
    sigma: float = 0.5
    """Width of the Gaussian, > 0; 0.5 is the published value."""
    tiou: float = 0.0
    """Overlaps up to this one do no harm. The published linear form uses 0.3, the Gaussian 0."""
    least_score: float = 0.001
    """Segments whose score falls below are dropped; 0.001 is the published value."""
    longest: float | None = None
    """Segments at least this long are dropped first, in their unit: G-TAD gives those of 300 frames or more the score
    0 (THUMOS'14)."""
    per_class: bool = False
    """Segments of different classes leave each other alone."""
    most: int | None = None
    """How many to keep at most, over all classes."""


@dataclass(frozen=True, kw_only=True)
class ActionFormerNms:
    """ActionFormer's hard form: single precision, lengths + 1e-6 in the union, drops an overlap equal to tiou."""

    tiou: float = 0.1
    """Threshold in (0, 1]."""
    least_score: float = 0.001
    """Only higher scores enter."""
    per_class: bool = True
    """Segments of different classes leave each other alone."""
    most: int | None = 200
    """How many to keep at most, over all classes: 200 on THUMOS'14, 100 on ActivityNet."""
    voting_tiou: float | None = None
    """A kept segment becomes the mean of all segments that overlap it so much; only without per_class."""


@dataclass(frozen=True, kw_only=True)
class ActionFormerSoftNms:
    """ActionFormer's soft form: single precision, lengths + 1e-6, Gaussian decay of all that overlap."""

    sigma: float = 0.5
    """0.5 on THUMOS'14, 0.75 on ActivityNet; TriDet 0.7."""
    least_score: float = 0.001
    """Segments whose score falls below are dropped."""
    per_class: bool = True
    """Segments of different classes leave each other alone."""
    most: int | None = 200
    """How many to keep at most, over all classes: 200 on THUMOS'14, 100 on ActivityNet."""
    voting_tiou: float | None = None
    """A kept segment becomes the mean of all segments that overlap it so much (0.7 and 0.9; TriDet 0.95); only
    without per_class."""


@dataclass(frozen=True, kw_only=True)
class BsnSoftNms:
    """BSN's: decay above 0.65 + 0.25 of the kept segment's share of the video; stops at one left, which is lost."""

    alpha: float = 0.75
    """exp(-tiou^2 / alpha)."""
    low: float = 0.65
    """Overlap above which a segment of no length decays others."""
    high: float = 0.9
    """The same of a segment as long as the video."""
    most: int | None = 101
    """The loop ends after so many."""


@dataclass(frozen=True, kw_only=True)
class MmactionSoftNms:
    """MMAction2's: as BSN's with other constants (BMN's by default); keeps most + 1, and loses none."""

    alpha: float = 0.4
    """exp(-tiou^2 / alpha)."""
    low: float = 0.5
    """Overlap above which a segment of no length decays others."""
    high: float = 0.9
    """The same of a segment as long as the video."""
    most: int | None = 100
    """One more than this is kept."""


@dataclass(frozen=True, kw_only=True)
class OpenTadSoftNms:
    """OpenTAD's method 3: as BMN's in single precision, with lengths + 1e-6, a least score, and voting.

    OpenTAD writes the threshold t1 + t2 * length and trusts that lengths are shares of the video: t1 is `low` and
    t1 + t2 is `high` here.
    """

    alpha: float = 0.4
    """exp(-tiou^2 / alpha); OpenTAD's sigma, of its BMN for ActivityNet."""
    low: float = 0.5
    """Overlap above which a segment of no length decays others."""
    high: float = 0.9
    """The same of a segment as long as the video."""
    least_score: float = 0.0
    """Segments whose score falls below are dropped."""
    most: int | None = 100
    """How many to keep at most."""
    voting_tiou: float | None = None
    """A kept segment becomes the mean of all segments that overlap it so much (0.95 in OpenTAD's BMN for recall)."""


Rule = (
    HardNms
    | InclusiveNms
    | SoftNms
    | ActionFormerNms
    | ActionFormerSoftNms
    | BsnSoftNms
    | MmactionSoftNms
    | OpenTadSoftNms
)

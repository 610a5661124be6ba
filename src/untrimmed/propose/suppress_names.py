"""Suppression rules by name, for whoever asks for one in words: each with the values its authors run it with.

hard                      greedy, tIoU 0.5, each class by itself
hard-all-classes          the same over all classes together
soft-gaussian             Bodla et al.: sigma 0.5, each class by itself
soft-linear               Bodla et al.: 1 - tIoU above 0.3, each class by itself
umd-tcn                   the temporal context network: tIoU 0.45 of lengths + 1 second
bsn                       BSN: Gaussian 0.75 above 0.65 + 0.25 of the share of the video
bmn                       BMN as MMAction2 runs it: Gaussian 0.4 above 0.5 + 0.4 of the share
opentad                   OpenTAD's method 3 with its values for BMN, and voting at 0.95
actionformer-thumos14     Gaussian 0.5, each class by itself, 200 kept
actionformer-activitynet  Gaussian 0.75 over all classes, 100 kept, voting at 0.9
tridet-activitynet        Gaussian 0.7 over all classes, 100 kept, voting at 0.95
afsd-activitynet          Gaussian 0.85, each class by itself (AFSD also loses the last one left)
gtad-thumos14             Gaussian 0.46 over all classes, 200 kept, nothing of 10 s or more (300 frames at 30 a second;
                          G-TAD also loses the last one left)

Segments are in seconds. The rules of SSN and TAG count in frames and in steps (see InclusiveNms) and have no name here.

Source: the programs of the authors.
"""

from collections.abc import Mapping
from types import MappingProxyType

from untrimmed.propose.suppress_rules import (
    ActionFormerSoftNms,
    BsnSoftNms,
    HardNms,
    InclusiveNms,
    MmactionSoftNms,
    OpenTadSoftNms,
    Rule,
    SoftNms,
)
from untrimmed.records import DataError

NAMED_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "hard": HardNms(per_class=True),
        "hard-all-classes": HardNms(),
        "soft-gaussian": SoftNms(per_class=True),
        "soft-linear": SoftNms(decay="linear", tiou=0.3, per_class=True),
        "umd-tcn": InclusiveNms(tiou=0.45),
        "bsn": BsnSoftNms(),
        "bmn": MmactionSoftNms(),
        "opentad": OpenTadSoftNms(voting_tiou=0.95),
        "actionformer-thumos14": ActionFormerSoftNms(),
        "actionformer-activitynet": ActionFormerSoftNms(sigma=0.75, per_class=False, most=100, voting_tiou=0.9),
        "tridet-activitynet": ActionFormerSoftNms(sigma=0.7, per_class=False, most=100, voting_tiou=0.95),
        "afsd-activitynet": SoftNms(sigma=0.85, per_class=True),
        "gtad-thumos14": SoftNms(sigma=0.46, least_score=0.0, longest=10.0, most=200),
    }
)


def named_rule(name: str) -> Rule:
    """The rule of a name.

    Raises:
        DataError: when no rule is called so; the message lists those there are.
    """
    if name not in NAMED_RULES:
        raise DataError(f"suppression must be one of {', '.join(NAMED_RULES)}, got {name!r}")
    return NAMED_RULES[name]

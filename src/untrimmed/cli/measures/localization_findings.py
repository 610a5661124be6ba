"""What the reports found of the systems that say where something happens, as comparisons of measured rows."""

from untrimmed.cli.findings import Finding


def _of(system: int, claim: str, published: str, task: str, names: tuple[str, str], figure: str) -> Finding:
    left, right = names
    return Finding(system=system, claim=claim, published=published, task=task, left=left, right=right, figure=figure)


_DP, _WHOLE = "09 labelled by dynamic programming", "09 whole video"
FINDINGS: tuple[Finding, ...] = (
    _of(7, "above uniform random", "51.6 against 44.9", "T3", ("07 four scales", "uniform random"), "AUC"),
    _of(8, "a + b above a", "29.67 against 29.20", "T4", ("08 SSN a + b", "08 SSN a"), "average"),
    _of(8, "moved above not moved", "-", "T4", ("08 SSN a + b", "08 SSN a + b, not moved"), "average"),
    _of(9, "offsets help RGB", "error 21.8 against 22.7", "T1", ("09 rgb with offsets", "09 rgb without"), "top-1"),
    _of(9, "labelling above the whole video at 0.5", "35.5 against 33.2", "T4", (_DP, _WHOLE), "mAP@0.5"),
    _of(9, "the whole video above labelling at 0.95", "4.5 against 1.4", "T4", (_WHOLE, _DP), "mAP@0.95"),
    _of(9, "the whole video above labelling, average", "21.7 against 19.9", "T4", (_WHOLE, _DP), "average"),
    _of(17, "re-ranked above not", "60.13 against 59.75", "T3", ("17 frames, re-ranked", "17 frames"), "AUC"),
    _of(17, "re-ranked above not", "61.13 against 59.90", "T3", ("17 clips, re-ranked", "17 clips"), "AUC"),
    _of(
        17,
        "re-ranked above not, on flow (ours)",
        "-",
        "T3",
        ("17 clip motion, re-ranked", "17 clip motion"),
        "AUC",
    ),
    _of(17, "fused above one stream", "63.12 against 61.13", "T3", ("17 fused", "17 clip motion, re-ranked"), "AUC"),
    _of(
        18, "0.85 above 0.45", "58.54 against 47.14", "T3", ("18, suppressed at 0.85", "18, suppressed at 0.45"), "AUC"
    ),
    _of(
        18, "0.85 above 0.75", "58.54 against 57.94", "T3", ("18, suppressed at 0.85", "18, suppressed at 0.75"), "AUC"
    ),
    _of(18, "0.85 above 0.9", "58.54 against 57.98", "T3", ("18, suppressed at 0.85", "18, suppressed at 0.9"), "AUC"),
    _of(
        18,
        "a low threshold is right for localization: 0.45 above 0.85",
        "in words",
        "T4",
        ("18, suppressed at 0.45, classes of 08", "18, suppressed at 0.85, classes of 08"),
        "average",
    ),
    _of(
        18,
        "few proposals want a lower threshold: 0.75 above 0.85 with 10",
        "in words",
        "T3",
        ("18, suppressed at 0.75", "18, suppressed at 0.85"),
        "AR@10",
    ),
    _of(
        19,
        "refinement helps at high tIoU",
        "in words",
        "T3",
        ("19 refined by TAG", "19 Prop-SSAD alone"),
        "recall@0.9",
    ),
    _of(19, "refined above unrefined", "64.40 against 61.52", "T3", ("19 refined by TAG", "19 Prop-SSAD alone"), "AUC"),
    _of(20, "two-way above one-way", "28.9 against 27.0", "T4", ("20 two-way", "20 one-way"), "mAP@0.5"),
    _of(
        21,
        "dense targets teach joints better (one training)",
        "in words",
        "joints",
        ("21 taught dense pose", "21 taught joints alone"),
        "seen",
    ),
    _of(21, "pose helps", "in words", "T4", ("21 with pose", "21 without pose"), "average"),
    _of(
        21,
        "pose helps short classes",
        "in words",
        "T4",
        ("21 with pose, short instances", "21 without pose, short instances"),
        "average",
    ),
)

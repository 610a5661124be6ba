"""Suppression equals what the programs named in the rules printed."""

import gzip
import json

import numpy as np
import pytest

from shared_folder import shared
from untrimmed.propose.suppress import (
    ActionFormerNms,
    ActionFormerSoftNms,
    BsnSoftNms,
    InclusiveNms,
    MmactionSoftNms,
    Rule,
    suppress,
)


def _actionformer(args: dict) -> Rule:
    voting = args.get("voting_thresh") or None
    if args["use_soft_nms"]:
        return ActionFormerSoftNms(
            sigma=args["sigma"],
            least_score=args["min_score"],
            most=args["max_seg_num"],
            per_class=args["multiclass"],
            voting_tiou=voting,
        )
    return ActionFormerNms(
        tiou=args["iou_threshold"],
        least_score=args["min_score"],
        most=args["max_seg_num"],
        per_class=args["multiclass"],
        voting_tiou=voting,
    )


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("run", range(9))
def test_recorded_run(case: int, run: int) -> None:
    cases = json.loads(gzip.decompress(shared("reference/nms/expected.json.gz").read_bytes()))
    item = cases[case]
    recorded = item["runs"][run]
    segments, scores = np.array(item["segments"]), np.array(item["scores"])
    args, out = recorded["args"], recorded["out"]
    if recorded["code"].startswith("ActionFormer"):
        rule = _actionformer(args)
        kept = suppress(segments, scores, rule, labels=np.array(item["labels"]))
        within = 1e-4 if args.get("voting_thresh") else 1e-6
        assert len(kept.scores) == len(out["scores"])
        np.testing.assert_allclose(kept.segments, np.array(out["segments"]), rtol=0, atol=within)
        np.testing.assert_allclose(kept.scores, np.array(out["scores"]), rtol=0, atol=1e-6)
        if args["multiclass"]:
            assert [item["labels"][i] for i in kept.indices] == out["labels"]
        return
    if recorded["code"].startswith("SSN"):
        kept = suppress(np.rint(segments * 10), scores, InclusiveNms(tiou=0.6))
    elif recorded["code"].startswith("BSN"):
        kept = suppress(np.array(item["unit_segments"]), np.array(item["unit_scores"]), BsnSoftNms(), duration=1.0)
    else:
        rule = MmactionSoftNms(
            alpha=args["alpha"], low=args["low_threshold"], high=args["high_threshold"], most=args["top_k"]
        )
        kept = suppress(np.array(item["unit_segments"]), np.array(item["unit_scores"]), rule, duration=1.0)
    wanted = np.array(out).reshape(-1, 3)
    assert len(kept.scores) == len(wanted)
    np.testing.assert_allclose(kept.segments, wanted[:, :2], rtol=0, atol=1e-6)
    np.testing.assert_allclose(kept.scores, wanted[:, 2], rtol=0, atol=1e-6)

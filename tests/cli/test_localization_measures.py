"""What the localization group of `untrimmed results` says of the joints that the net of report 21 finds."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from untrimmed.cli.measures import learnt_nets, localization
from untrimmed.cli.results import document
from untrimmed.features import pose_accuracy
from untrimmed.features.pose_accuracy import DenseGain, PoseAccuracy
from untrimmed.train import Run


def _accuracy(seen: float) -> PoseAccuracy:
    return PoseAccuracy(main=0.7, seen=seen, present=0.5, people=0.9, per_joint=(), frames=3, share=0.2)


def test_joints_with_and_without_dense_targets_are_rows_and_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def gain(playground: Path, folder: Path, *, run: Run) -> DenseGain:
        asked.append((playground, folder, run.folder))
        return DenseGain(dense=_accuracy(0.625), alone=_accuracy(0.5))

    monkeypatch.setattr(learnt_nets, "dense_pose_net", lambda shop: tmp_path / "given" / "dense-pose.safetensors")
    monkeypatch.setattr(pose_accuracy, "gain_of_dense_targets", gain)
    place = SimpleNamespace(shop=None)
    rows = list(localization._Place.joints(place))  # type: ignore[arg-type]
    given = tmp_path / "given"
    assert asked == [(given / "playground", given, given / "training")]  # where the learnt nets lie
    assert [row.figures["seen"] for row in rows] == [62.5, 50.0]
    (finding,) = (one for one in localization.FINDINGS if one.task == "joints")
    text = document([rows], title=localization.TITLE, findings=[finding], playground="drawn")
    assert "### Joints found within a fifth of the torso" in text
    assert "| 21 taught joints alone | 70.0 | 50.0 | 50.0 | 90.0 |" in text
    assert "| joints seen | 62.5 against 50.0 | 12.5 | holds |" in text

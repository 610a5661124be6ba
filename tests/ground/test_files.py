"""Files and folders appear complete or not at all."""

from pathlib import Path

import pytest

from untrimmed.files import replacing, replacing_folder, write_text


def break_off(folder: Path, text: str) -> None:
    (folder / "half" if folder.is_dir() else folder).write_text(text)
    raise RuntimeError("broken")


def test_a_file_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    goal = tmp_path / "deep" / "a.txt"
    with replacing(goal) as part:
        part.write_text("new")
        assert not goal.exists()
    assert goal.read_text() == "new"
    write_text(goal, "newer")
    assert [file.name for file in goal.parent.iterdir()] == ["a.txt"]
    assert goal.read_text() == "newer"


def test_after_an_error_the_old_file_stays_and_nothing_is_left(tmp_path: Path) -> None:
    goal = tmp_path / "a.txt"
    goal.write_text("old")
    with pytest.raises(RuntimeError, match="broken"), replacing(goal) as part:
        break_off(part, "half")
    assert goal.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    goal = tmp_path / "system"
    with pytest.raises(RuntimeError, match="broken"), replacing_folder(goal) as part:
        break_off(part, "{}")
    assert list(tmp_path.iterdir()) == []
    with replacing_folder(goal) as part:
        (part / "config.json").write_text("{}")
    assert (goal / "config.json").read_text() == "{}"

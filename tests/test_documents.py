"""The documents are true: links lead somewhere, Python blocks run, command lines are understood."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest

from untrimmed.cli import COMMANDS, call

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for code in blocks(path, "python"):
        exec(compile(code, path.name, "exec"), {})


def commands(path: Path) -> list[str]:
    lines = [line for block in blocks(path, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ untrimmed")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_options_named_in_command_lines_exist(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in commands(path):
        words = shlex.split(line)[1:]
        if words[0] in ("--help", "--version"):
            assert call(words) == 0
            continue
        assert words[0] in COMMANDS, line
        first = words[1:2] if words[0] == "train" else []
        with pytest.raises(SystemExit) as ended:
            call([words[0], *first, "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0] in text, f"{path.name}: {line}"


def test_every_command_has_its_module_and_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        words = [command, "19"] if command == "train" else [command]
        with pytest.raises(SystemExit) as ended:
            call([*words, "--help"])
        assert ended.value.code == 0, command
        assert f"untrimmed {command}" in capsys.readouterr().out


SOURCES = [path for path in sorted((ROOT / "src" / "untrimmed").rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_examples_in_docstrings_are_true(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


def test_the_makefile_has_the_targets_that_the_readme_names() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "lint", "docs", "results"} <= set(targets)

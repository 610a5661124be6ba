"""The rules of the house: who may import whom, and how files are called."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "untrimmed"

# Lowest floor first. A file imports from lower floors and from its own part, never from a neighbour or from above.
STAGES = ("evaluate", "aggregate", "classify", "propose", "localize", "caption", "fuse")
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__init__",),
    ("records",),
    ("timeline", "configs", "columns", "files"),
    (*STAGES, "train", "media"),
    ("data",),
    ("nets",),
    ("features",),
    ("systems",),
    ("report",),
    ("cli",),
)
LEVEL = {part: level for level, parts in enumerate(FLOORS) for part in parts}
GROUND = ("__init__", "records", "timeline", "configs", "columns", "files")
FORBIDDEN_NAMES = ("utils", "misc", "common", "base", "core", "helpers")

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = ("untrimmed", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[str]:
    """Modules of the package that a file imports, at the top or late."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name == "untrimmed" or name.startswith("untrimmed.")]


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_file_imports_only_from_lower_floors(path: Path) -> None:
    own = part_of(path)
    for name in imports(path):
        words = name.split(".")
        other = words[1] if len(words) > 1 and words[1] in LEVEL else "__init__"
        if other == own:
            continue
        assert LEVEL[other] < LEVEL[own], f"{module_of(path)} imports {name} from its own floor or above"
        if own in STAGES:
            assert other in GROUND, f"{module_of(path)} is a stage and imports {name}"
        if other == "systems":
            assert own == "cli", f"{module_of(path)} imports {name}: only the command line knows the systems"


def test_no_system_imports_another() -> None:
    helpers = {
        "attribute_captions",
        "catalogue",
        "ensemble",
        "saving",
        "structured",
        "system",
        "tag_reranking",
        "voting",
    }
    for path in sorted((PACKAGE / "systems").glob("*.py")):
        if path.stem in {"__init__", "catalogue"}:
            continue
        for name in imports(path):
            words = name.split(".")
            if len(words) > 2 and words[1] == "systems":
                assert words[2] in helpers | {path.stem}, f"{module_of(path)} imports {name}"


def test_evaluate_needs_no_torch() -> None:
    for path in sorted((PACKAGE / "evaluate").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in ("torch", "torchvision", "timm") for name in names), path


def test_there_are_no_circles() -> None:
    known = {module_of(path) for path in FILES}
    graph: dict[str, set[str]] = {}
    for path in FILES:
        targets: set[str] = set()
        for node in ast.parse(path.read_text()).body:  # late imports are allowed to point anywhere below
            if isinstance(node, ast.ImportFrom) and node.module:
                targets |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        graph[module_of(path)] = targets & known - {module_of(path)}
    done: set[str] = set()
    while left := {name for name in graph if name not in done}:
        free = {name for name in left if graph[name] <= done}
        assert free, f"circular imports among {sorted(left)}"
        done |= free


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_are_called_by_their_idea(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    assert path.parent.name not in FORBIDDEN_NAMES


def test_files_of_tests_have_names_of_their_own() -> None:
    """Test folders are no packages: two files of one name cannot both be collected."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)

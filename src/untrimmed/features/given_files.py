"""Files that a configuration names for what its features are measured with: found, carried along, and put in again.

A feature that is measured with a learnt net (key points, depth) has a field `weights`. A saved system keeps those
files beside its own weights, so that it can be moved.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from untrimmed.features.feature import Feature

C = TypeVar("C")


def given_files(config: Any) -> list[Path]:
    """The weights of all features in a configuration, each once, in the order of its fields."""
    found: dict[Path, None] = {}

    def look(value: Any) -> None:
        weights = getattr(value, "weights", None)
        if isinstance(value, Feature) and isinstance(weights, Path):
            found[weights] = None
        if isinstance(value, tuple):
            for item in value:
                look(item)
        elif is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                look(getattr(value, field.name))

    look(config)
    return list(found)


def with_given_files(config: C, files: Mapping[Path, Path]) -> C:
    """The configuration with the weights of its features taken from other files."""

    def walk(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(walk(item) for item in value)
        if not is_dataclass(value) or isinstance(value, type):
            return value
        changed = {field.name: walk(getattr(value, field.name)) for field in fields(value) if field.init}
        if isinstance(value, Feature) and changed.get("weights") in files:
            changed["weights"] = files[changed["weights"]]
        return replace(value, **changed)

    result: C = walk(config)
    return result

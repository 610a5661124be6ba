"""Files that a configuration names for what its features are measured with: found, carried along, and put in again.

A feature that is measured with a learnt net (key points, depth) has a field `weights`. A saved system keeps those
files beside its own weights, so that it can be moved.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from untrimmed.configs import parts_of, rewritten
from untrimmed.features.feature import Feature
from untrimmed.records import DataError

C = TypeVar("C")


def given_files(config: Any) -> list[Path]:
    """The weights of all features in a configuration, each once, in the order of its fields."""
    weights = [getattr(part, "weights", None) for part in parts_of(config) if isinstance(part, Feature)]
    return list(dict.fromkeys(path for path in weights if isinstance(path, Path)))


def kept_names(config: Any) -> dict[str, Path]:
    """What a saved system calls its copy of each given file: given-0.safetensors, given-1.onnx ..."""
    return {f"given-{number}{path.suffix}": path for number, path in enumerate(given_files(config))}


def with_kept_files(config: C, folder: Path) -> C:
    """The configuration with the weights of its features taken from the copies in a saved system's folder."""
    files = {path: folder / name for name, path in kept_names(config).items()}

    def moved(part: Any) -> Any:
        weights: Any = getattr(part, "weights", None) if isinstance(part, Feature) else None
        return replace(part, weights=files[weights]) if weights in files else part

    return rewritten(config, moved)


def with_feature_weights(config: C, weights: Mapping[str, Path]) -> C:
    """The configuration with learnt nets given to the features that want one.

    Args:
        config: of a system.
        weights: files by the features' names, e.g. key_points.

    Raises:
        DataError: when no feature of the configuration has one of the names.
    """
    used: set[str] = set()

    def given(part: Any) -> Any:
        if not isinstance(part, Feature) or part.name not in weights:
            return part
        used.add(part.name)
        feature: Any = part
        return replace(feature, weights=weights[part.name])

    changed = rewritten(config, given)
    for name in weights:
        if name not in used:
            raise DataError(f"{type(config).__name__} has no feature {name} that {weights[name]} could be given to")
    return changed

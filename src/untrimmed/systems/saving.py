"""How a trained system lies on disk: config.json and one safetensors file a net, in a folder that appears complete.

config.json          {"format": 1, "system": class name, "version": ..., "config": {...}, "extra": {...}}
NAME.safetensors     the weights of the net called NAME
given-N.SUFFIX       copies of files that the features' nets were given, as they were (features.given_files)
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from untrimmed import __version__
from untrimmed.configs import from_plain, to_plain
from untrimmed.files import replacing_folder
from untrimmed.records import DataError

C = TypeVar("C")

FORMAT = 1
LARGEST_CONFIG = 1 << 26
"""Bytes of config.json that are read at most."""


def save_system(
    folder: Path,
    *,
    system: str,
    config: Any,
    modules: Mapping[str, nn.Module] | None = None,
    tensors: Mapping[str, Mapping[str, Tensor]] | None = None,
    files: Mapping[str, Path] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained system.

    Args:
        folder: must not exist yet, or be empty.
        system: the class's name; load_system and the catalogue know the folder by it.
        config: its frozen dataclass.
        modules: nets by name; their state_dict is written.
        tensors: further tables of tensors by name, for what is no net.
        files: files to copy, by the names they get.
        extra: JSON values: class labels, vocabularies, thresholds that were learnt.

    Raises:
        DataError: when the folder holds something already, or a name is no plain word.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"a system is saved into a new folder, but {folder} exists and is not empty")
    tables: dict[str, Mapping[str, Tensor]] = {
        **{name: module.state_dict() for name, module in (modules or {}).items()},
        **(tensors or {}),
    }
    for name in tables:
        _check_name(name)
    with replacing_folder(folder) as part:
        for name, path in (files or {}).items():
            shutil.copyfile(path, part / name)
        for name, table in tables.items():
            plain = {key: value.detach().cpu().clone().contiguous() for key, value in table.items()}
            save_file(plain, part / f"{name}.safetensors")
        about = {
            "format": FORMAT,
            "system": system,
            "version": __version__,
            "config": to_plain(config),
            "extra": dict(extra or {}),
            "tables": sorted(tables),
        }
        (part / "config.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load_system(
    folder: Path, *, system: str, config_class: type[C]
) -> tuple[C, dict[str, Any], dict[str, dict[str, Tensor]]]:
    """What save_system wrote: configuration, extra, and the tensors of each net by name.

    Raises:
        DataError: when the folder holds no system, another one, or is damaged.
    """
    about = _about(folder)
    if about["system"] != system:
        raise DataError(f"{folder} must hold a {system}, got a {about['system']}")
    config = from_plain(config_class, about.get("config"), where=f"{folder / 'config.json'}: config")
    extra, names = about.get("extra"), about.get("tables")
    if not isinstance(extra, dict) or not isinstance(names, list):
        raise DataError(f"{folder / 'config.json'} must have an object extra and a list tables")
    tables: dict[str, dict[str, Tensor]] = {}
    for name in names:
        _check_name(name)
        path = folder / f"{name}.safetensors"
        try:
            with safe_open(path, framework="pt") as file:
                tables[name] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise DataError(f"weights {path} cannot be read: {error}") from error
    return config, extra, tables


def labels_of(extra: Mapping[str, Any], *, where: Path | str) -> tuple[str, ...]:
    """The class labels that a system stored under "labels".

    Raises:
        DataError: when they are missing or no list of words.
    """
    labels = extra.get("labels")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise DataError(f"{where} must list the class labels, got {labels!r:.60}")
    return tuple(labels)


def system_name(folder: Path) -> str:
    """The class name of the system in a folder.

    Raises:
        DataError: when the folder holds none.
    """
    return str(_about(folder)["system"])


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no trained system: it has no config.json")
    if path.stat().st_size > LARGEST_CONFIG:
        raise DataError(f"{path} must have at most {LARGEST_CONFIG} bytes, got {path.stat().st_size}")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(about, dict) or not isinstance(about.get("system"), str):
        raise DataError(f"{path} is no system's: it must be an object with the name of a system")
    if about.get("format") != FORMAT:
        raise DataError(f"{path} must have format {FORMAT}, got {about.get('format')!r:.20}")
    return about


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name.replace("-", "_").replace("_", "a").isalnum() or not name.isascii():
        raise DataError(f"name of a saved net must be letters, digits, '-' and '_', got {name!r:.60}")

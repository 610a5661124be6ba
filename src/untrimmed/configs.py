"""Configurations: frozen dataclasses to plain values and back, and the hash of what they mean.

A configuration is a frozen dataclass whose fields are numbers, strings, booleans, None, enums, paths, tuples or other
configurations. Where a field allows several configuration classes (a union), the plain form carries the class name
under "class", and only the classes named in the field's annotation can come back.
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from untrimmed.records import DataError

C = TypeVar("C")

KIND = "class"
"""No field can have this name, since it is a word of the language."""


def to_plain(value: Any) -> Any:
    """A configuration as JSON values; each dataclass becomes an object with its class name under "class"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {KIND: type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a configuration holds numbers, text, tuples and dataclasses, got {type(value).__name__}")


def from_plain(cls: type[C], plain: Any, *, where: str = "configuration") -> C:
    """The configuration that to_plain wrote.

    Args:
        cls: the class to build, a frozen dataclass.
        plain: JSON values.
        where: what the messages call the place, e.g. the file's name.

    Raises:
        DataError: on a missing or unknown field or a value of the wrong type.
    """
    return typing.cast(C, _build(cls, plain, where))


def parts_of(config: Any) -> Iterator[Any]:
    """A configuration and all configurations inside it, from the outside in, in the order of their fields."""
    if isinstance(config, tuple):
        for item in config:
            yield from parts_of(item)
    elif dataclasses.is_dataclass(config) and not isinstance(config, type):
        yield config
        for field in dataclasses.fields(config):
            yield from parts_of(getattr(config, field.name))


def rewritten(config: C, change: Callable[[Any], Any]) -> C:
    """The configuration with every configuration inside it put through `change`, from the inside out."""
    found: Any = config
    if isinstance(config, tuple):
        found = tuple(rewritten(item, change) for item in config)
    elif dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = [field.name for field in dataclasses.fields(config) if field.init]
        found = change(
            dataclasses.replace(config, **{name: rewritten(getattr(config, name), change) for name in fields})
        )
    return typing.cast(C, found)


def content_hash(config: Any) -> str:
    """Twelve hexadecimal digits that change when the meaning of a configuration changes.

    A path counts by the bytes of its file, not by its place, so that moved weights keep their hash.

    Raises:
        DataError: when a file that it names cannot be read.
    """
    return hashlib.sha256(json.dumps(_meaning(config), sort_keys=True).encode()).hexdigest()[:12]


def _meaning(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _meaning(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {KIND: type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [_meaning(item) for item in value]
    if isinstance(value, Path):
        try:
            stat = value.stat()
            return _file_hash(value, stat.st_mtime_ns, stat.st_size)
        except OSError as error:
            raise DataError(f"file {value} that a configuration names cannot be read: {error.strerror}") from error
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 10 and 10.0 are equal, and JSON brings the one back as the other
    return to_plain(value)


@cache
def _file_hash(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build(wanted: Any, plain: Any, where: str) -> Any:
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(wanted), plain, where)
    if origin is tuple:
        return _build_tuple(typing.get_args(wanted), plain, where)
    if origin is typing.Literal:
        if plain in typing.get_args(wanted):
            return plain
    elif dataclasses.is_dataclass(wanted):
        return _build_dataclass(typing.cast(type, wanted), plain, where)
    elif isinstance(wanted, type) and issubclass(wanted, Enum):
        if plain in [member.value for member in wanted]:
            return wanted(plain)
    elif wanted is Path and isinstance(plain, str):
        return Path(plain)
    elif wanted is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    elif wanted is type(None) and plain is None:
        return None
    elif wanted in (bool, int, str) and type(plain) is wanted:
        return plain
    raise DataError(f"{where} must be {getattr(wanted, '__name__', wanted)}, got {plain!r:.60}")


def _build_union(choices: tuple[Any, ...], plain: Any, where: str) -> Any:
    if isinstance(plain, dict):
        named = [choice for choice in choices if getattr(choice, "__name__", None) == plain.get(KIND)]
        if named:
            return _build(named[0], plain, where)
    else:
        for choice in choices:
            try:
                return _build(choice, plain, where)
            except DataError:
                continue
    names = ", ".join(getattr(choice, "__name__", str(choice)) for choice in choices)
    raise DataError(f"{where} must be one of {names}, got {plain!r:.60}")


def _build_tuple(items: tuple[Any, ...], plain: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise DataError(f"{where} must be a list, got {plain!r:.60}")
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(plain)
    if len(items) != len(plain):
        raise DataError(f"{where} must have {len(items)} values, got {len(plain)}")
    return tuple(_build(item, value, f"{where}[{i}]") for i, (item, value) in enumerate(zip(items, plain, strict=True)))


def _build_dataclass(cls: type, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict) or plain.get(KIND) != cls.__name__:
        raise DataError(f"{where} must be an object of class {cls.__name__}, got {plain!r:.60}")
    hints = typing.get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    names = {field.name for field in fields}
    given = {name: value for name, value in plain.items() if name != KIND}
    if set(given) != names:
        odd = ", ".join(sorted(set(given) ^ names))
        raise DataError(f"{where} must have exactly the fields of {cls.__name__}, missing or unknown: {odd}")
    return cls(**{name: _build(hints[name], value, f"{where}.{name}") for name, value in given.items()})

"""Configurations survive JSON, and their hash follows their meaning."""

import json
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import pytest

from untrimmed.configs import content_hash, from_plain, parts_of, rewritten, to_plain
from untrimmed.records import DataError


class Colour(Enum):
    RGB = "rgb"
    FLOW = "flow"


@dataclass(frozen=True, kw_only=True)
class Fast:
    levels: int = 3
    kind: str = "dis"


@dataclass(frozen=True, kw_only=True)
class Exact:
    tau: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Config:
    size: tuple[int, int] = (128, 171)
    scales: tuple[float, ...] = (1.0, 0.5)
    method: Fast | Exact = Exact()
    colour: Colour = Colour.RGB
    weights: Path | None = None
    deep: bool = True


def test_a_configuration_survives_json() -> None:
    config = Config(method=Fast(levels=5), colour=Colour.FLOW, weights=Path("w"))
    assert from_plain(Config, json.loads(json.dumps(to_plain(config)))) == config


def test_whole_numbers_become_floats_where_floats_are_asked_for() -> None:
    plain = to_plain(Exact())
    assert from_plain(Exact, {**plain, "tau": 1}) == Exact(tau=1.0)


def test_equal_configurations_have_one_hash_whether_a_number_was_written_with_a_point_or_not() -> None:
    assert Exact(tau=10) == Exact(tau=10.0)
    assert content_hash(Exact(tau=10)) == content_hash(Exact(tau=10.0))
    assert content_hash(Config(scales=(1, 0.5))) == content_hash(Config(scales=(1.0, 0.5)))
    assert content_hash(Exact(tau=10)) != content_hash(Exact(tau=10.5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": 3}, "missing or unknown: sizes"),
        ({"deep": 1}, "c.json.deep must be bool, got 1"),
        ({"size": [1, 2, 3]}, "c.json.size must have 2 values, got 3"),
        ({"size": 4}, "c.json.size must be a list, got 4"),
        ({"method": {"class": "Other"}}, "c.json.method must be one of Fast, Exact"),
        ({"colour": "grey"}, "c.json.colour must be Colour, got 'grey'"),
        ({"class": "Else"}, "c.json must be an object of class Config"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_plain(Config, {**to_plain(Config()), **change}, where="c.json")


def test_the_hash_follows_the_meaning(tmp_path: Path) -> None:
    config = Config()
    assert content_hash(config) == content_hash(Config())
    assert content_hash(config) != content_hash(replace(config, deep=False))
    first, moved = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"weights")
    moved.write_bytes(b"weights")
    assert content_hash(replace(config, weights=first)) == content_hash(replace(config, weights=moved))
    moved.write_bytes(b"other weights")
    assert content_hash(replace(config, weights=first)) != content_hash(replace(config, weights=moved))
    assert len(content_hash(config)) == 12


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="got object"):
        to_plain(object())


def test_parts_are_found_and_rewritten_wherever_they_lie() -> None:
    @dataclass(frozen=True)
    class Holder:
        methods: tuple[Fast | Exact, ...]
        one: Config

    holder = Holder((Fast(), Exact(tau=0.5)), Config(method=Fast(levels=4)))
    assert list(parts_of(holder)) == [holder, *holder.methods, holder.one, holder.one.method]
    deeper = rewritten(holder, lambda part: replace(part, levels=part.levels + 1) if isinstance(part, Fast) else part)
    assert deeper == Holder((Fast(levels=4), Exact(tau=0.5)), Config(method=Fast(levels=5)))
    assert rewritten(holder, lambda part: part) == holder

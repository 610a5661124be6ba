"""Trained systems on disk: what comes back, and what is refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from untrimmed.nets.backbone import fill
from untrimmed.records import DataError
from untrimmed.systems.saving import labels_of, load_system, save_system, system_name


@dataclass(frozen=True, kw_only=True)
class Settings:
    width: int = 3


def saved(folder: Path) -> nn.Linear:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    save_system(folder, system="Some", config=Settings(width=4), modules={"head": net}, extra={"labels": ["a", "b"]})
    return net


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    net = saved(tmp_path / "system")
    config, extra, tables = load_system(tmp_path / "system", system="Some", config_class=Settings)
    assert config == Settings(width=4)
    assert labels_of(extra, where="x") == ("a", "b")
    assert list(tables) == ["head"]
    other = nn.Linear(3, 2)
    fill(other, tables["head"], where=tmp_path)
    assert torch.equal(other.weight, net.weight)
    assert system_name(tmp_path / "system") == "Some"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.json", "head.safetensors", "system"]


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    save_system(tmp_path / "x", system="Some", config=Settings(), modules={"net": net})
    tables = load_system(tmp_path / "x", system="Some", config_class=Settings)[2]
    assert torch.equal(tables["net"]["1.weight"], net[0].weight)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_system(tmp_path / "x", system="Some", config=Settings(), extra={"odd": object()})
    assert not list(tmp_path.iterdir())


def test_words(tmp_path: Path) -> None:
    saved(tmp_path / "x")
    with pytest.raises(DataError, match="x must hold a Other, got a Some"):
        load_system(tmp_path / "x", system="Other", config_class=Settings)
    with pytest.raises(DataError, match=r"a system is saved into a new folder, but .*x exists and is not empty"):
        saved(tmp_path / "x")
    with pytest.raises(DataError, match=r"holds no trained system: it has no config.json"):
        system_name(tmp_path)
    with pytest.raises(DataError, match="name of a saved net must be letters"):
        save_system(tmp_path / "y", system="Some", config=Settings(), modules={"../up": nn.Linear(1, 1)})
    with pytest.raises(DataError, match=r"weights in here do not fit Linear: .*size mismatch"):
        fill(nn.Linear(5, 5), nn.Linear(1, 1).state_dict(), where="here")
    with pytest.raises(DataError, match="here must list the class labels, got None"):
        labels_of({}, where="here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "config.json must have format 1, got 2"),
        ({"system": 5}, "is no system's"),
        ({"tables": ["../../head"]}, "name of a saved net must be letters"),
        ({"tables": ["other"]}, "weights .*other.safetensors cannot be read"),
        ({"tables": None}, "a list tables"),
        ({"config": {"class": "Settings", "width": "wide"}}, "config.width must be int, got 'wide'"),
    ],
)
def test_words_about_damage(tmp_path: Path, change: dict[str, object], words: str) -> None:
    saved(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match=words):
        load_system(tmp_path, system="Some", config_class=Settings)


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100000])
def test_words_about_broken_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config.json is (not valid JSON|no system's)"):
        system_name(tmp_path)

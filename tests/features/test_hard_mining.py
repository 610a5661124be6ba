"""Hard mining: the items of highest entropy, one epoch on each of them, and that a killed one goes on."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from untrimmed.features.hard_mining import HardItems, HardMining, clip_logits, entropies, hardest, mine
from untrimmed.records import DataError
from untrimmed.train import Run, Schedule, fit

SCHEDULE = Schedule(epochs=4, batch_size=6, optimizer="adam", learning_rate=0.05, milestones=(2,), warmup_steps=2)
RUN = Run(device="cpu", loaders=0, seed=2)


class Noisy:
    """Two classes on a line; items near the middle are hard. Counts how often each is drawn."""

    def __init__(self, items: int = 40) -> None:
        self.values = np.linspace(-1, 1, items).astype(np.float32)
        self.drawn = np.zeros(items, dtype=int)

    @property
    def identity(self) -> str:
        return f"noisy {len(self.values)}"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.tensor([self.values[index]]), int(self.values[index] > 0)

    def at(self, index: int, generator: np.random.Generator) -> tuple[Tensor, int]:
        self.drawn[index] += 1
        values, label = self[index]
        return values + 0.01 * float(generator.normal()), label


def loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def trained(data: Noisy, run: Run = RUN) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.2), nn.Linear(4, 2))
    fit(net, data, loss, schedule=SCHEDULE, run=run, name="net")
    return net


def test_entropy_is_that_of_the_softmax() -> None:
    data = Noisy(7)
    net = trained(data).train()
    found = entropies(net, data, clip_logits, at_once=3)
    assert net.training  # as it was
    shares = net.eval()(torch.from_numpy(data.values)[:, None]).double().softmax(1).detach().numpy()
    np.testing.assert_allclose(found, -(shares * np.log(shares)).sum(axis=1), rtol=1e-5)
    even = nn.Linear(1, 5)
    nn.init.zeros_(even.weight), nn.init.zeros_(even.bias)
    np.testing.assert_allclose(entropies(even, data, clip_logits), math.log(5))
    nn.init.constant_(even.bias[0:1].data, 1e4)
    assert (entropies(even, data, clip_logits) == 0).all()  # sure without end, and still a number


def test_the_hardest_are_those_of_highest_entropy() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 5, 40):
        uncertainty = rng.integers(0, 6, count).astype(float)
        picked = hardest(uncertainty, share=0.25)
        assert len(picked) == max(1, round(0.25 * count))
        assert (np.diff(picked) > 0).all()
        others = np.delete(uncertainty, picked)
        assert not len(others) or uncertainty[picked].min() >= others.max()
    assert hardest(np.zeros(4), share=0.5).tolist() == [0, 1]
    assert hardest(np.zeros(4), share=1.0).tolist() == [0, 1, 2, 3]


def test_each_round_is_one_epoch_on_the_items_that_are_hard_then() -> None:
    data = Noisy()
    net = trained(data)
    uncertain = entropies(net, data, clip_logits)
    data.drawn[:] = 0
    before = {name: value.clone() for name, value in net.state_dict().items()}
    rounds = mine(net, data, loss, clip_logits, mining=HardMining(rounds=1), schedule=SCHEDULE, run=RUN, name="net")
    assert len(rounds) == 1
    assert np.array_equal(rounds[0], hardest(uncertain, share=0.25))
    assert set(np.flatnonzero(data.drawn)) == set(rounds[0])
    assert data.drawn.sum() == math.ceil(10 / 6) * 6  # whole batches
    assert any(not torch.equal(before[name], value) for name, value in net.state_dict().items())
    more = mine(
        trained(data), data, loss, clip_logits, mining=HardMining(rounds=3), schedule=SCHEDULE, run=RUN, name="n"
    )
    assert len(more) == 3
    assert np.array_equal(more[0], rounds[0])
    assert np.abs(data.values[more[2]]).mean() < 0.4  # the middle of the line is where the classes meet


def test_a_killed_mining_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    mining = HardMining(rounds=2, learning_rate=0.02)
    weights = []
    for folder, killed in ((tmp_path / "whole", False), (tmp_path / "killed", True)):
        run = replace(RUN, folder=folder)
        if killed:  # after the first round
            first = trained(Noisy(), run)
            mine(
                first,
                Noisy(),
                loss,
                clip_logits,
                mining=replace(mining, rounds=1),
                schedule=SCHEDULE,
                run=run,
                name="net",
            )
        net = trained(Noisy(), run)
        mine(net, Noisy(), loss, clip_logits, mining=mining, schedule=SCHEDULE, run=run, name="net")
        weights.append(net.state_dict())
        assert {path.name for path in folder.iterdir()} == {"net", "net-hard-0", "net-hard-1"}
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name])


def test_what_was_picked_is_kept_and_belongs_to_its_data(tmp_path: Path) -> None:
    run = replace(RUN, folder=tmp_path)
    data = Noisy()
    net = trained(data, run)
    picked = tmp_path / "net-hard-0" / "picked.json"
    arguments = {"mining": HardMining(rounds=1), "schedule": SCHEDULE, "run": run, "name": "net"}
    first = mine(net, data, loss, clip_logits, **arguments)[0]
    kept = json.loads(picked.read_text())
    assert kept["items"] == first.tolist()
    nn.init.zeros_(net[0].weight)  # now all items are alike, but the picks of the checkpoint hold
    assert np.array_equal(mine(net, data, loss, clip_logits, **arguments)[0], first)
    fresh = trained(Noisy(20), replace(RUN, folder=tmp_path / "other"))
    picked.parent.rename(tmp_path / "other" / "net-hard-0")
    (tmp_path / "other" / "net-hard-0" / "checkpoint.safetensors").unlink()
    arguments["run"] = replace(RUN, folder=tmp_path / "other")
    assert len(mine(fresh, Noisy(20), loss, clip_logits, **arguments)[0]) == 5


def test_hard_items_are_their_datas_own() -> None:
    data = Noisy(9)
    hard = HardItems(data, np.array([7, 2]))
    assert len(hard) == 2
    assert hard[0][0] == data[7][0]
    assert hard.at(1, np.random.default_rng(3))[0] == data.at(2, np.random.default_rng(3))[0]
    plain = HardItems([10.0, 20.0, 30.0], np.array([2]))  # data that draws nothing
    assert plain.at(0, np.random.default_rng(0)) == plain[0] == 30.0
    names = {HardItems(source, np.array(picked)).identity for source in (data, Noisy(8)) for picked in ([1], [2])}
    assert len(names) == 4


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match=r"hard mining needs rounds >= 1 and a share in \(0, 1\], got 0 and 0.25"):
        HardMining(rounds=0)
    with pytest.raises(DataError, match="learning_rate of hard mining must be positive, got -1"):
        HardMining(learning_rate=-1.0)

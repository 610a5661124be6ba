"""The loop: it learns, repeats itself, resumes, stops early, and says what is wrong."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from small_training import SCHEDULE, Points, accuracy, cross_entropy, net, train
from torch import Tensor, nn

from untrimmed.records import DataError
from untrimmed.train import Run, Schedule, fit
from untrimmed.train.processes import (
    World,
    first_says,
    joint_batch_statistics,
    share_weights,
    sum_gradients,
    summed,
)

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
RUN = Run(device="cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_it_learns_and_says_how() -> None:
    model = net()
    before = accuracy(model.eval())
    history = fit(model, Points(), cross_entropy, schedule=SCHEDULE, run=RUN, name="points")
    assert not model.training
    assert accuracy(model) > max(before, 0.75)
    assert history.steps == history.best_step == 96
    assert history.best_figure is None
    assert not history.stopped_early
    assert [row.step for row in history.rows] == [*range(10, 96, 10), 96]
    assert history.rows[-1].loss < history.rows[0].loss


def test_same_seed_same_numbers_however_the_batches_are_made() -> None:
    models = []
    for loaders, seed in ((0, 0), (3, 0), (1, 4)):
        model = net()
        fit(model, Points(), cross_entropy, schedule=SCHEDULE, run=replace(RUN, loaders=loaders, seed=seed), name="p")
        models.append(model.state_dict())
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


def test_plain_descent_is_the_formula() -> None:
    """Two steps of SGD with momentum and decay on a quadratic, by hand in float64."""
    model = nn.Linear(1, 1, bias=False).double()
    model.weight.data.fill_(3.0)

    class One:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Tensor:
            return torch.ones(1, dtype=torch.float64)

    schedule = Schedule(steps=3, batch_size=4, learning_rate=0.1, momentum=0.5, weight_decay=0.2, milestones=(2,))
    fit(model, One(), lambda net, x: net(x).square().mean(), schedule=schedule, run=RUN, name="one")
    weight, speed = 3.0, 0.0
    for rate in (0.1, 0.1, 0.01):
        speed = 0.5 * speed + (2 * weight + 0.2 * weight)
        weight -= rate * speed
    assert model.weight.item() == pytest.approx(weight, abs=1e-12)


def test_rate_over_the_schedule() -> None:
    schedule = Schedule(epochs=10, batch_size=5, learning_rate=1.0, milestones=(4, 8), warmup_steps=2)
    rates = [schedule.rate(step, 10) for step in (0, 1, 7, 8, 15, 16)]
    assert rates == pytest.approx([0.5, 1, 1, 0.1, 0.1, 0.01])
    cosine = Schedule(steps=10, learning_rate=2.0, decay="cosine")
    assert [cosine.rate(step, 99) for step in (0, 5, 10)] == pytest.approx([2, 1, 0])
    assert Schedule(epochs=2.5, batch_size=4).length_steps(10) == 7


def test_every_epoch_sees_every_item_once_and_batches_are_full() -> None:
    seen: list[int] = []

    class Numbers:
        def __len__(self) -> int:
            return 7

        def __getitem__(self, index: int) -> int:
            seen.append(index)
            return index

    model = nn.Linear(1, 1)
    schedule = Schedule(epochs=3, batch_size=3)
    fit(model, Numbers(), lambda net, x: net(x[:, None].float()).mean(), schedule=schedule, run=RUN, name="numbers")
    assert [sorted(seen[start : start + 7]) for start in (0, 7, 14)] == [list(range(7))] * 3
    assert seen[:7] != seen[7:14]


def test_data_may_order_itself() -> None:
    seen: list[int] = []

    class Balanced(Points):
        def order(self, generator: np.random.Generator) -> np.ndarray:
            return np.full(len(self), 5)

        def at(self, index: int, generator: np.random.Generator) -> tuple[np.ndarray, int]:
            seen.append(index)
            return super().at(index, generator)

    fit(net(), Balanced(), cross_entropy, schedule=Schedule(steps=3), run=replace(RUN, loaders=0), name="balanced")
    assert set(seen) == {5}


def test_early_stopping_keeps_the_best() -> None:
    figures = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    held: list[dict[str, Tensor]] = []

    def validate(model: nn.Module) -> float:
        assert not model.training
        held.append({key: value.clone() for key, value in model.state_dict().items()})
        return next(figures)

    model = net()
    schedule = replace(SCHEDULE, patience=2, validate_every_epochs=0.5)
    history = fit(model, Points(), cross_entropy, schedule=schedule, run=RUN, name="early", validate=validate)
    assert history.stopped_early
    assert history.best_figure == 0.5
    assert history.best_step == 4
    assert history.steps == 8
    assert same(model.state_dict(), held[1])


def test_frozen_parameters_stay() -> None:
    model = net()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    fit(model, Points(), cross_entropy, schedule=SCHEDULE, run=RUN, name="frozen")
    assert torch.equal(before, model[0].weight)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_too(precision: str) -> None:
    model = net()
    run = replace(RUN, precision=precision)
    fit(model, Points(), cross_entropy, schedule=replace(SCHEDULE, clip_gradient=1.0), run=run, name="mixed")
    assert model[0].weight.dtype == torch.float32
    assert accuracy(model) > 0.8


def test_what_it_writes(tmp_path: Path) -> None:
    model = train(tmp_path)
    folder = tmp_path / "points"
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 96
    assert set(rows[0]) == {"step", "loss", "learning_rate", "figure", "seconds"}
    assert (folder / "log.png").read_bytes().startswith(b"\x89PNG")
    best = max((row for row in rows if row["figure"] is not None), key=lambda row: row["figure"])
    assert [path.name for path in folder.glob("best-*")] == [f"best-{best['step']:09d}.safetensors"]
    assert same(load_file(next(folder.glob("best-*"))), model.state_dict())
    assert not list(folder.glob("*.part"))


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    first = train(tmp_path).state_dict()
    stamp = (tmp_path / "points" / "checkpoint.safetensors").stat().st_mtime_ns
    assert same(first, train(tmp_path).state_dict())
    assert stamp == (tmp_path / "points" / "checkpoint.safetensors").stat().st_mtime_ns


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_training_stopped_by_an_error_goes_on_exactly(tmp_path: Path, optimizer: str, precision: str) -> None:
    schedule = replace(SCHEDULE, optimizer=optimizer, epochs=5)
    run = Run(device="cpu", checkpoint_every_steps=4, precision=precision)
    straight = net()
    fit(straight, Points(), cross_entropy, schedule=schedule, run=run, name="points")
    calls = 0

    def failing(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 11:
            raise KeyboardInterrupt
        return cross_entropy(model, batch)

    resumed = net()
    with pytest.raises(KeyboardInterrupt):
        fit(resumed, Points(), failing, schedule=schedule, run=replace(run, folder=tmp_path), name="points")
    other = net()
    fit(other, Points(), failing, schedule=schedule, run=replace(run, folder=tmp_path), name="points")
    assert calls == 11 + 24 - 8
    assert same(straight.state_dict(), other.state_dict())


def killed_again_and_again(folder: Path, *, times: int, seed: int, seconds: float) -> None:
    generator = random.Random(seed)
    command = [sys.executable, str(HERE / "small_training.py"), str(folder)]
    for _ in range(times):
        with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begin\n"
            time.sleep(generator.uniform(0, seconds))
            os.kill(process.pid, signal.SIGKILL)
    assert subprocess.run(command, env=ENVIRONMENT, check=False, stdout=subprocess.DEVNULL).returncode == 0


def check_kills(folder: Path, *, times: int, seed: int) -> None:
    start = time.perf_counter()
    expected = train(folder / "straight", pause=True).state_dict()
    seconds = time.perf_counter() - start
    killed_again_and_again(folder / "killed", times=times, seed=seed, seconds=seconds)
    best = next((folder / "killed" / "points").glob("best-*"))
    assert same(load_file(best), expected)
    last = [folder / which / "points" / "checkpoint.safetensors" for which in ("straight", "killed")]
    assert same(*(load_file(path) for path in last))
    logs = [(folder / which / "points" / "log.jsonl").read_text().splitlines() for which in ("straight", "killed")]
    rows = [[{**json.loads(line), "seconds": 0} for line in lines] for lines in logs]
    assert rows[0] == rows[1]


def test_kill_at_three_moments(tmp_path: Path) -> None:
    check_kills(tmp_path, times=3, seed=0)


@pytest.mark.slow
def test_kill_at_twenty_moments(tmp_path: Path) -> None:
    check_kills(tmp_path, times=20, seed=1)


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    def start(rank: int, size: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(HERE / "two_processes.py"), str(rank), str(size), str(tmp_path)]
        return subprocess.Popen(command, env=ENVIRONMENT)

    together = [start(0, 2), start(1, 2), start(0, 1)]
    assert [process.wait() for process in together] == [0, 0, 0]
    one, first, second = (
        load_file(tmp_path / f"final-{size}-{rank}.safetensors") for size, rank in ((1, 0), (2, 0), (2, 1))
    )
    assert same(first, second)
    start_weights = net(dropout=0.0).state_dict()
    for key in one:
        torch.testing.assert_close(first[key], one[key], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(one["0.weight"], start_weights["0.weight"], atol=0.05)
    losses = [
        [float(word) for word in (tmp_path / f"losses-{name}.txt").read_text().split()] for name in ("1-0", "2-0")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_weights_of_any_layout_are_shared_and_summed() -> None:
    """A group of one process: what goes around comes back, also where colours lie innermost."""
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    unused = nn.Linear(2, 2)
    both = nn.ModuleList([model, unused])
    model(torch.ones(1, 3, 5, 5)).sum().backward()
    before = [parameter.clone() for parameter in both.parameters()]
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        world = World(0, 2)  # any size above one takes the roads of many
        share_weights(both, world)
        sum_gradients(both, world)
        assert first_says(2.5, world, torch.device("cpu")) == summed(2.5, world, torch.device("cpu")) == 2.5
    finally:
        dist.destroy_process_group()
    assert all(torch.equal(a, b) for a, b in zip(before, both.parameters(), strict=True))
    assert all(torch.equal(a, b.grad) for a, b in zip(gradients, model.parameters(), strict=True))
    assert unused.weight.grad is None


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 5, 6), (2, 3, 4, 5, 6)])
def test_joint_batch_statistics_are_batch_norm(shape: tuple[int, ...]) -> None:
    """In a group of one the joint form gives torch's values, gradients and running moments."""
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    plain, joint = kinds[len(shape)](3), kinds[len(shape)](3)
    torch.manual_seed(0)
    x = torch.randn(shape) * 3 + 5
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with joint_batch_statistics(joint, World(0, 2)):
            outputs = [layer(part) for layer, part in zip((plain, joint), inputs, strict=True)]
            for output in outputs:
                (output.cos() * output).sum().backward()
        assert "forward" not in vars(joint)
    finally:
        dist.destroy_process_group()
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-3, atol=1e-5)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(joint.state_dict()[key], value, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    run = Run(folder=tmp_path, device="cpu", seed=3)
    with pytest.raises(DataError, match=r"checkpoint.safetensors belongs to another training .* remove the folder"):
        fit(net(), Points(), cross_entropy, schedule=SCHEDULE, run=run, name="points")


def test_other_data_and_other_layers_are_another_training(tmp_path: Path) -> None:
    class Named(Points):
        identity = "others"

    train(tmp_path)
    run = Run(folder=tmp_path, device="cpu", checkpoint_every_steps=7, log_every_steps=5)
    for model, data in ((net(dropout=0.1), Points()), (net(), Named())):
        with pytest.raises(DataError, match="belongs to another training"):
            fit(model, data, cross_entropy, schedule=SCHEDULE, run=run, name="points")


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "checkpoint.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"checkpoint.safetensors cannot be read as a safetensors file"):
        train(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "either steps or epochs"),
        ({"steps": 1, "epochs": 1}, "either steps or epochs"),
        ({"steps": 0}, "steps of a schedule must be positive, got 0"),
        ({"steps": 1, "clip_gradient": -1.0}, "clip_gradient of a schedule must be positive"),
        ({"steps": 1, "milestones": (3, 2)}, "milestones of a schedule must rise"),
    ],
)
def test_words_about_schedules(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Schedule(**wrong)  # type: ignore[arg-type]


def test_words_about_trainings() -> None:
    with pytest.raises(DataError, match="checkpoint_every_steps of a run must be at least 1, got 0"):
        Run(checkpoint_every_steps=0)
    with pytest.raises(DataError, match="name of a training must be letters"):
        fit(net(), Points(), cross_entropy, schedule=SCHEDULE, run=RUN, name="../points")
    with pytest.raises(DataError, match="there is nothing to learn from"):
        fit(net(), Points(0), cross_entropy, schedule=SCHEDULE, run=RUN, name="points")
    with pytest.raises(DataError, match="loss of points must be finite, got nan at step 0: lower the learning rate"):
        fit(net(), Points(), lambda m, b: cross_entropy(m, b) * float("nan"), schedule=SCHEDULE, run=RUN, name="points")
    frozen = net().requires_grad_(False)
    with pytest.raises(DataError, match="no parameter that requires a gradient"):
        fit(frozen, Points(), cross_entropy, schedule=SCHEDULE, run=RUN, name="points")

    class Odd(Points):
        def order(self, generator: np.random.Generator) -> np.ndarray:
            return np.arange(3)

    with pytest.raises(DataError, match="an epoch's order must name 48 items, got 3"):
        fit(net(), Odd(), cross_entropy, schedule=SCHEDULE, run=RUN, name="points")


def test_the_bar_shows_itself(capsys: pytest.CaptureFixture[str]) -> None:
    fit(net(), Points(), cross_entropy, schedule=Schedule(steps=3), run=replace(RUN, progress=True), name="points")
    assert "3/3" in capsys.readouterr().out

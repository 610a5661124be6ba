"""Sequence models: equations by hand, padding, streams of different lengths, fast paths, released sizes, gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.sequence_models import FastForward, FastForwardStack, MultiStream, side_by_side, turned
from untrimmed.records import DataError

torch.set_num_threads(1)

PARALLEL = MultiStream(embedding=4, cells=3, hidden=(7, 5), dropout=0.0)
DEEP = FastForward(layers=3, cells=2, hidden=6)
PLAIN = FastForward(layers=3, cells=2, hidden=6, fast_forward=False)
TWO_COLUMNS = FastForward(layers=3, cells=2, hidden=6, columns=2)
MODELS = [PARALLEL, DEEP, PLAIN, TWO_COLUMNS]


def batch(count: int, steps: int, dims: int = 3) -> Tensor:
    return torch.randn(count, steps, dims, dtype=torch.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def weights(lstm: nn.LSTM, suffix: str = "") -> list[np.ndarray]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [getattr(lstm, f"{name}{suffix}").detach().numpy() for name in names]


def read(outside: list[np.ndarray], recurrent: np.ndarray, bias: np.ndarray, *, backward: bool) -> list[np.ndarray]:
    """Outputs of an LSTM of which what enters the gates from outside is given, one step after the other."""
    cells = recurrent.shape[1]
    hidden, cell, found = np.zeros(cells), np.zeros(cells), []
    for row in reversed(outside) if backward else outside:
        i, f, g, o = np.split(row + recurrent @ hidden + bias, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        found.append(hidden)
    return found[::-1] if backward else found


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("backward", [True, False])
def test_the_stack_is_its_equations(fast: bool, backward: bool) -> None:
    torch.manual_seed(0)
    stack = FastForwardStack(DEEP if fast else PLAIN, 3, backward=backward).double()
    rows = batch(1, 5)
    below = list(rows[0].numpy())
    back = backward
    for lstm in stack.layers:
        assert isinstance(lstm, nn.LSTM)
        w, u, b, c = weights(lstm)
        passed = [w @ row + b for row in below]
        answers = read(passed, u, c, backward=back)
        pairs = zip(passed, answers, strict=True)
        below = [np.concatenate(pair) for pair in pairs] if fast else answers
        back = not back
    np.testing.assert_allclose(stack(rows, torch.tensor([5]))[0].detach(), np.array(below), atol=1e-12)
    assert stack.top == len(below[0])


def test_a_stream_is_its_equations() -> None:
    torch.manual_seed(1)
    net = PARALLEL.build([3], 2).double()
    rows = batch(1, 4)
    stream = net.streams[0]
    w, b = stream.embed.weight.detach().numpy(), stream.embed.bias.detach().numpy()
    embedded = [np.tanh(w @ row + b) for row in rows[0].numpy()]
    ways = []
    for suffix in ("", "_reverse"):
        v, u, c, d = weights(stream.lstm, suffix)
        ways.append(read([v @ row + c for row in embedded], u, d, backward=bool(suffix)))
    both = [np.concatenate(pair) for pair in zip(*ways, strict=True)]
    powers = [math.exp(float(stream.score.weight.detach().numpy()[0] @ row)) for row in both]
    wanted = sum(power / sum(powers) * row for power, row in zip(powers, both, strict=True))
    np.testing.assert_allclose(stream(rows)[0].detach(), wanted, atol=1e-12)


def test_streams_stand_side_by_side_and_share_nothing() -> None:
    torch.manual_seed(2)
    net = PARALLEL.build([3, 2], 4).double()
    sets = [batch(2, 5), batch(2, 4, 2)]
    parts = torch.cat([stream(rows) for stream, rows in zip(net.streams, sets, strict=True)], dim=1)
    wanted = net.classify(torch.tanh(net.narrow(torch.relu(net.wide(parts)))))
    assert torch.allclose(net(sets), wanted)


@pytest.mark.parametrize("config", MODELS)
def test_padding_changes_nothing_whatever_it_is(config: MultiStream | FastForward) -> None:
    torch.manual_seed(3)
    net = config.build([3, 2], 4).double().eval()
    sets, lengths = [batch(3, 6), batch(3, 4, 2)], [torch.tensor([6, 1, 4]), torch.tensor([2, 4, 1])]
    for rows, own in zip(sets, lengths, strict=True):
        rows[torch.arange(rows.shape[1]) >= own[:, None]] = math.nan
    together = net(sets, lengths)
    for n in range(3):
        alone = [rows[n : n + 1, : own[n]] for rows, own in zip(sets, lengths, strict=True)]
        assert torch.allclose(net(alone)[0], together[n])
    together.sum().backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert part.grad.isfinite().all(), name


@pytest.mark.parametrize("config", MODELS)
def test_every_step_of_every_stream_counts(config: MultiStream | FastForward) -> None:
    torch.manual_seed(4)
    net = config.build([3, 2], 4).double().eval()
    sets = [batch(1, 5).requires_grad_(), batch(1, 5, 2).requires_grad_()]
    net(sets).square().sum().backward()
    for rows in sets:
        assert rows.grad is not None
        assert (rows.grad != 0).any(dim=2).all()


@pytest.mark.parametrize("config", MODELS)
def test_every_weight_gets_a_gradient(config: MultiStream | FastForward) -> None:
    torch.manual_seed(5)
    net = config.build([3, 2, 4], 5)
    logits = net([torch.randn(8, 6, size) for size in (3, 2, 4)])
    nn.functional.cross_entropy(logits, torch.arange(8) % 5).backward()
    for name, part in net.named_parameters():
        assert part.grad is not None, name
        assert (part.grad != 0).any(), name


def test_without_fast_paths_it_is_torchs_own_stack_that_turns_at_each_layer() -> None:
    torch.manual_seed(6)
    net, rows = PLAIN.build([3], 4).double(), batch(2, 5)
    below = rows
    for number, lstm in enumerate(net.columns[0].layers):
        below = lstm(below.flip(1) if number % 2 else below)[0]
        below = below.flip(1) if number % 2 else below
    assert torch.allclose(net([rows]), net.classify(net.hidden(below.amax(dim=1))))


def test_fast_paths_that_do_not_count_leave_a_plain_stack() -> None:
    """Weights of f set to zero: the model is the one without fast paths that has the rest of the weights."""
    torch.manual_seed(7)
    fast, plain = DEEP.build([3], 4).double(), PLAIN.build([3], 4).double()
    state = fast.state_dict()
    for name in state:
        if "weight_ih" in name and "layers.0" not in name:
            state[name][:, : 4 * DEEP.cells] = 0
    state["hidden.weight"][:, : 4 * DEEP.cells] = 0
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    cut = {name: value[..., -shapes[name][-1] :] for name, value in state.items()}
    fast.load_state_dict(state)
    plain.load_state_dict(cut)
    rows = batch(2, 5)
    assert torch.allclose(fast([rows]), plain([rows]))


def test_the_fast_path_is_linear_and_sees_one_step_alone() -> None:
    """With answers of the recurrence cut off, f of the last layer is the product of matrices, step by step."""
    torch.manual_seed(8)
    stack = FastForwardStack(DEEP, 3, backward=False).double()
    with torch.no_grad():
        for lstm in list(stack.layers)[1:]:
            lstm.weight_ih_l0[:, 4 * DEEP.cells :] = 0
        for lstm in stack.layers:
            lstm.bias_ih_l0.zero_()
    rows = batch(2, 5)
    first, *others = [lstm.weight_ih_l0.detach() for lstm in stack.layers]
    wanted = rows @ first.T
    for weight in others:
        wanted = wanted @ weight[:, : 4 * DEEP.cells].T
    assert torch.allclose(stack(rows, torch.tensor([5, 5]))[..., : 4 * DEEP.cells], wanted)


def test_fast_paths_carry_the_gradient_through_depth() -> None:
    """What reaches the rows from seven layers, against the same stack without fast paths; the depth of the paper."""
    norms = []
    for fast in (True, False):
        torch.manual_seed(9)
        stack = FastForwardStack(FastForward(cells=16, fast_forward=fast), 8, backward=False).double()
        rows = batch(2, 6, 8).requires_grad_()
        stack(rows, torch.tensor([6, 6]))[..., -16:].sum().backward()  # of h alone, which both have
        assert rows.grad is not None
        norms.append(rows.grad.norm().item())
    assert norms[0] > 1000 * norms[1]


def test_two_columns_read_in_opposite_directions() -> None:
    torch.manual_seed(10)
    net, rows = TWO_COLUMNS.build([3], 4).double(), batch(2, 5)
    own = torch.tensor([5, 5])
    net.columns[1].load_state_dict(net.columns[0].state_dict())
    to, fro = (column(rows, own) for column in net.columns)
    assert not torch.allclose(to, fro)
    assert torch.allclose(net.columns[1](rows.flip(1), own), to.flip(1))


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_turning_twice_is_nothing(lengths: list[int]) -> None:
    rows, own = batch(len(lengths), 6), torch.tensor(lengths)
    once = turned(rows, own)
    assert torch.equal(turned(once, own), rows)
    for row, back, length in zip(rows, once, lengths, strict=True):
        assert torch.equal(back[:length], row[:length].flip(0))
        assert torch.equal(back[length:], row[length:])


@given(
    first=st.lists(st.integers(1, 7), min_size=2, max_size=2),
    second=st.lists(st.integers(1, 5), min_size=2, max_size=2),
)
def test_streams_are_stretched_evenly_and_in_order(first: list[int], second: list[int]) -> None:
    """Rows that hold their own number: each stream goes from its first to its last step, all equally often."""
    sets = [torch.arange(7.0)[None, :, None].repeat(2, 1, 1), torch.arange(5.0)[None, :, None].repeat(2, 1, 1)]
    rows, steps = side_by_side(sets, [torch.tensor(first), torch.tensor(second)])
    assert steps.tolist() == [max(pair) for pair in zip(first, second, strict=True)]
    assert rows.shape == (2, int(steps.max()), 2)
    for n, length in enumerate(steps.tolist()):
        assert not rows[n, length:].any()
        for dim, own in enumerate((first[n], second[n])):
            values = rows[n, :length, dim]
            counts = torch.bincount(values.long(), minlength=own)
            assert torch.equal(values, values.sort().values)
            assert len(counts) == own
            assert counts.min() >= length // own
            assert counts.max() <= -(-length // own)


def test_streams_of_one_length_stay_as_they_are() -> None:
    sets = [batch(2, 5), batch(2, 5, 2)]
    rows, steps = side_by_side(sets)
    assert torch.equal(rows, torch.cat(sets, dim=2))
    assert steps.tolist() == [5, 5]


def test_sizes_are_the_released_ones() -> None:
    with torch.device("meta"):
        parallel, deep = MultiStream().build([1024, 128], 4716), FastForward().build([1024, 128], 4716)
    assert [stream.embed.weight.shape for stream in parallel.streams] == [(512, 1024), (512, 128)]
    assert (parallel.wide.weight.shape, parallel.narrow.weight.shape) == ((8192, 4096), (4096, 8192))
    shapes = [lstm.weight_ih_l0.shape for lstm in deep.columns[0].layers]
    assert shapes == [(2048, 1152)] + 6 * [(2048, 2560)]
    assert (deep.hidden.weight.shape, deep.classify.weight.shape) == ((2048, 2560), (4716, 2048))


def test_configurations_go_to_json_and_back() -> None:
    for config in MODELS:
        assert from_plain(type(config), to_plain(config)) == config


def test_words() -> None:
    with pytest.raises(DataError, match="a multi-stream sequence model needs sizes >= 1 and dropout in"):
        MultiStream(cells=0)
    with pytest.raises(DataError, match="a fast-forward sequence model needs sizes >= 1 and dropout in"):
        FastForward(dropout=1.0)
    for config in MODELS:
        with pytest.raises(DataError, match="a sequence model needs at least one stream, got none"):
            config.build([], 3)
        net = config.build([3, 3], 3)
        with pytest.raises(DataError, match="a sequence model of 2 streams needs a set a stream, got 1 sets"):
            net([torch.zeros(1, 2, 3)])
        with pytest.raises(DataError, match="needs a set a stream, got 2 sets and 1 lengths"):
            net([torch.zeros(1, 2, 3)] * 2, [torch.tensor([2])])
        with pytest.raises(DataError, match="need lengths from 1 to 2 steps, got 0 to 0"):
            net([torch.zeros(1, 2, 3)] * 2, [torch.tensor([0])] * 2)

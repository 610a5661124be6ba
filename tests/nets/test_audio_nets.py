"""Nets of sound: VGG16 counted by hand, and a Deep Speech head that never looks at what pads."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from untrimmed.configs import from_plain, to_plain
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.deep_speech import SMALL_DEEP_SPEECH, DeepSpeech, DeepSpeechHead, OwnNorm
from untrimmed.nets.vgg_audio import VggAudio
from untrimmed.records import DataError

TINY = DeepSpeech(filters=3, windows=((5, 7), (3, 5)), layers=3, cells=6)
SMALL_VGG = VggAudio(width=4, hidden=16, dropout=0.0)
LENGTHS = torch.tensor([13, 4, 1, 8])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def head(config: DeepSpeech = TINY, *, dims: int = 9, classes: int = 4) -> DeepSpeechHead:
    """In float64, its normalisations away from their start."""
    net = config.build(dims, classes).double()
    net(torch.randn(6, 20, dims, dtype=torch.float64))
    return net.eval()


def spectra(*, dims: int = 9) -> Tensor:
    return torch.randn(4, 13, dims, dtype=torch.float64) * 10 - 40


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_vgg16_has_the_parameters_of_configuration_d() -> None:
    """Convolutions: 9 * before * after + after. 96 x 64 leaves 3 x 2 places of 512 filters."""
    pairs = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)]
    pairs += [(512, 512)] * 5
    convolutions = sum(9 * before * after + after for before, after in pairs)
    assert convolutions == 14_714_688 - 2 * 9 * 64  # the well-known figure, with one channel in place of three
    dense = (3 * 2 * 512 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 400 + 400)
    norms = 2 * sum(after for _, after in pairs)
    with torch.device("meta"):
        assert count(VggAudio().build(classes=400, channels=1)) == convolutions + dense + norms
        plain = VggAudio(batch_norm=False).build(classes=400, channels=1)
        assert count(plain) == convolutions + dense
        assert plain.pooled(torch.zeros(2, 1, 96, 64)).shape == (2, 4096)


def test_it_has_the_layers_of_torchvision() -> None:
    import torchvision

    with torch.device("meta"):
        ours: Any = VggAudio().build(classes=10, channels=3)
        theirs = torchvision.models.vgg16_bn()

    def shapes(layers: nn.Module) -> list[Any]:
        return [(type(layer), getattr(layer, "weight", torch.zeros(0)).shape) for layer in layers.children()]

    assert shapes(ours.layers) == shapes(theirs.features)


def test_vgg_takes_patches_of_other_sizes_and_every_parameter_learns() -> None:
    net = SMALL_VGG.build(classes=3, channels=1)
    assert net.input_size == (96, 64)
    assert net(torch.randint(0, 256, (2, 1, 96, 96), dtype=torch.uint8)).shape == (2, 3)
    net(torch.randint(0, 256, (4, 1, 96, 64), dtype=torch.uint8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters() if p.ndim > 1)


def test_vgg_starts_from_a_file(tmp_path: Path) -> None:
    net = SMALL_VGG.build(classes=3, channels=3)
    save_weights(tmp_path / "vgg.safetensors", net)
    again: Any = VggAudio(width=4, hidden=16, weights=tmp_path / "vgg.safetensors").build(classes=5, channels=1)
    before: Any = net
    assert torch.allclose(again.layers[0].weight, before.layers[0].weight.mean(1, keepdim=True))
    assert again.classifier.out_features == 5


@pytest.mark.parametrize("training", [False, True])
def test_padding_never_changes_the_answer(training: bool) -> None:
    """Neither what pads nor how much of it: in training the moments are those of own steps too."""
    net, rows = head().train(training), spectra()
    want = net(rows, LENGTHS)
    own = torch.arange(13) < LENGTHS[:, None]
    other = rows.masked_fill(~own[..., None], torch.nan)
    longer = torch.cat([other, torch.full((4, 5, 9), torch.inf, dtype=torch.float64)], dim=1)
    assert torch.allclose(net(other, LENGTHS), want)
    assert torch.allclose(net(longer, LENGTHS), want)


def test_alone_and_in_a_batch() -> None:
    net, rows = head(), spectra()
    together = net(rows, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.allclose(net(rows[row : row + 1, :length]), together[row : row + 1])
    order = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(net(rows[order], LENGTHS[order]), together[order])


def test_loudness_does_not_count_unless_asked_for() -> None:
    rows = spectra()
    net = head()
    assert torch.allclose(net(rows + 12.0, LENGTHS), net(rows, LENGTHS))
    plain = head(DeepSpeech(filters=3, windows=((5, 7), (3, 5)), layers=3, cells=6, normalised=False))
    assert not torch.allclose(plain(rows + 12.0, LENGTHS), plain(rows, LENGTHS))
    assert net(torch.full((1, 6, 9), -100.0, dtype=torch.float64)).isfinite().all()  # silence


def test_every_step_and_every_parameter_counts() -> None:
    net = head().train()
    rows = spectra().requires_grad_()
    net(rows, LENGTHS).square().sum().backward()
    assert rows.grad is not None
    own = torch.arange(13) < LENGTHS[:, None]
    reached = rows.grad.abs().sum(2) > 0
    assert bool(reached[own].all())
    assert not bool(reached[~own].any())
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_last_layers_states_are_averaged() -> None:
    """One layer of convolutions that pass the first bin on, checked against torch's own recurrent net."""
    config = DeepSpeech(filters=1, windows=((1, 1), (1, 1)), strides=((1, 1), (1, 1)), layers=1, cells=5)
    net = head(config)
    rows = spectra()[:1]
    shifted = (rows - rows.mean()) / rows.std(correction=0)
    for layer, norm in zip(net.convolutions, net.convolution_norms, strict=True):
        parts: Any = norm
        kernel: Any = layer
        value = shifted * kernel.weight.item() - parts.norm.running_mean
        shifted = (value / (parts.norm.running_var + parts.norm.eps).sqrt()).clamp(0, 20)
    states = net.recurrent[0](shifted)[0][0]
    assert torch.allclose(net.pooled(rows)[0], (states[:, :5] + states[:, 5:]).mean(0))


def test_moments_are_those_of_all_own_steps() -> None:
    norm = OwnNorm(2).double()
    own = torch.tensor([[True, True, False], [True, False, False]])
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    answer = norm(x, own)
    assert torch.allclose(answer[own].mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(answer[own].var(0, correction=0), torch.ones(2, dtype=torch.float64), atol=1e-3)
    assert not answer[~own].any()
    assert norm(x[:1, :1], own[:1, :1]).isfinite().all()  # one step has no variance


def test_published_sizes() -> None:
    """161 bins leave 41 of 32 filters; 5 layers of 800 units a direction, each with 3 gates."""
    with torch.device("meta"):
        net = DeepSpeech().build(161, 400)
    widths: list[Any] = list(net.recurrent)
    assert [layer.input_size for layer in widths] == [32 * 41, 800, 800, 800, 800]
    gates = sum(2 * 3 * 800 * (width + 800 + 2) for width in [32 * 41, 800, 800, 800, 800])
    convolutions = 32 * 11 * 41 + 32 * 32 * 11 * 21
    assert count(net) == gates + convolutions + 2 * (2 * 32) + 4 * (2 * 800) + 800 * 400 + 400
    for config in (DeepSpeech(), SMALL_DEEP_SPEECH, TINY, VggAudio(), SMALL_VGG):
        assert from_plain(type(config), to_plain(config)) == config


def test_words() -> None:
    with pytest.raises(DataError, match="a Deep Speech head needs odd windows"):
        DeepSpeech(windows=((10, 41), (11, 21)))
    with pytest.raises(DataError, match="VGG16 for sound needs width and hidden >= 1 and patches of 32 x 32"):
        VggAudio(input_size=(96, 16))
    with pytest.raises(DataError, match="need lengths from 1 to 13 steps, got 0 to 8"):
        head()(spectra(), torch.tensor([0, 4, 1, 8]))

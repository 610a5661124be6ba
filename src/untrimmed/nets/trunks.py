"""The 2-D nets of the papers without their classifiers: random, from the libraries' ImageNet weights, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from untrimmed.nets.backbone import IMAGENET_MEAN, IMAGENET_STD, cross_modality
from untrimmed.nets.published_weights import imagenet_weights, weights_from_file
from untrimmed.records import DataError, MissingExtra

TrunkName = Literal[
    "inception_v1", "inception_v3", "inception_v4", "inception_resnet_v2",
    "resnet18", "resnet50", "resnet101", "resnet152", "resnet200",
    "resnet50_v2", "resnet101_v2", "resnet152_v2", "resnet269_v2",
]  # fmt: skip

HALF = (127.5, 127.5, 127.5)
"""Mean and std of nets whose bytes go to [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """What is known of a 2-D net before it is built."""

    title: str
    """As the papers call it."""
    library: Literal["torchvision", "timm"]
    """Whose code it is."""
    name: str
    """Its name there."""
    dims: int
    """Of its pooled feature."""
    centred: bool = False
    """Bytes go to [-1, 1], as its published weights want it; otherwise by the mean and std of ImageNet."""
    published: bool = True
    """Whether the library has ImageNet weights of it."""
    layers: tuple[int, ...] = ()
    """Blocks of each stage, for a ResNet v2 that the library has no name for."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel's bytes."""
        return HALF if self.centred else IMAGENET_MEAN

    @property
    def std(self) -> tuple[float, ...]:
        """Of each channel's bytes."""
        return HALF if self.centred else IMAGENET_STD


TRUNKS: dict[str, Trunk] = {
    # torchvision's two Inceptions are TensorFlow's: they want [-1, 1]
    "inception_v1": Trunk(title="Inception-v1", library="torchvision", name="googlenet", dims=1024, centred=True),
    "inception_v3": Trunk(title="Inception-v3", library="torchvision", name="inception_v3", dims=2048, centred=True),
    "inception_v4": Trunk(title="Inception-v4", library="timm", name="inception_v4", dims=1536, centred=True),
    "inception_resnet_v2": Trunk(
        title="Inception-ResNet-v2", library="timm", name="inception_resnet_v2", dims=1536, centred=True
    ),
    "resnet18": Trunk(title="ResNet-18", library="torchvision", name="resnet18", dims=512),
    "resnet50": Trunk(title="ResNet-50", library="torchvision", name="resnet50", dims=2048),
    "resnet101": Trunk(title="ResNet-101", library="torchvision", name="resnet101", dims=2048),
    "resnet152": Trunk(title="ResNet-152", library="torchvision", name="resnet152", dims=2048),
    "resnet200": Trunk(title="ResNet-200", library="timm", name="resnet200", dims=2048, published=False),
    "resnet50_v2": Trunk(title="ResNet-v2-50", library="timm", name="resnetv2_50", dims=2048, centred=True),
    "resnet101_v2": Trunk(title="ResNet-v2-101", library="timm", name="resnetv2_101", dims=2048, centred=True),
    "resnet152_v2": Trunk(
        title="ResNet-v2-152", library="timm", name="resnetv2_152", dims=2048, centred=True, published=False
    ),
    # Shen's net of 2016, which nobody keeps: a ResNet v2 of 3 * (3 + 30 + 48 + 8) + 2 layers
    "resnet269_v2": Trunk(
        title="ResNet-269", library="timm", name="", dims=2048, published=False, layers=(3, 30, 48, 8)
    ),
}


def trunk(name: TrunkName, *, channels: int) -> nn.Module:
    """A 2-D net at a random start: (n, channels, height, width) to its pooled feature (n, dims).

    Args:
        name: one of TRUNKS.
        channels: of its input; other than three start from the mean of the RGB filters.
    """
    facts = TRUNKS[name]
    net: Any
    if facts.library == "torchvision":
        import torchvision

        # aux_logits: the side classifiers help training alone; transform_input: the backbone prepares its input
        aside: dict[str, Any] = {"aux_logits": False, "transform_input": False, "init_weights": True}
        inception = facts.name in ("googlenet", "inception_v3")
        net = torchvision.models.get_model(facts.name, weights=None, **(aside if inception else {}))
        net.fc = nn.Identity()
        if inception:
            net.dropout = nn.Identity()
    elif facts.layers:
        from timm.layers import BatchNormAct2d, create_conv2d  # late: it takes seconds
        from timm.models.resnetv2 import ResNetV2

        net = ResNetV2(list(facts.layers), num_classes=0, conv_layer=create_conv2d, norm_layer=BatchNormAct2d)
    else:
        import timm

        net = timm.create_model(facts.name, pretrained=False, num_classes=0)
    if channels != 3:
        path: str
        first: Any
        path, first = next((key, module) for key, module in net.named_modules() if isinstance(module, nn.Conv2d))
        other: Any = type(first)(
            channels,
            first.out_channels,
            first.kernel_size,
            stride=first.stride,
            padding=first.padding,
            bias=first.bias is not None,
        )
        other.weight = nn.Parameter(cross_modality(first.weight.detach(), channels))
        other.bias = first.bias
        net.set_submodule(path, other)
    return net


def library_weights(name: TrunkName) -> dict[str, Tensor]:
    """The ImageNet weights that the net's library publishes, from its cache or the network.

    Raises:
        MissingExtra: when there are none, or they cannot be reached.
    """
    facts = TRUNKS[name]
    if not facts.published:
        raise MissingExtra(f"nobody publishes ImageNet weights of {facts.title}: give a file as weights, or None")
    if facts.library == "torchvision":
        return imagenet_weights(facts.name, title=facts.title)
    import timm

    try:
        return timm.create_model(facts.name, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # whatever its hub makes of an absent network
        raise MissingExtra(
            f"ImageNet weights of {facts.title} cannot be had from timm's hub ({type(error).__name__}): give the path "
            f"of timm's model file of {facts.name} as weights, or use weights=None"
        ) from error


def file_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth or safetensors file; names that save_weights wrote of a backbone lose their "trunk.".

    Raises:
        DataError: when it is absent or damaged.
    """
    given = _safetensors(path) if path.suffix == ".safetensors" else weights_from_file(path)
    ours = {key.removeprefix("trunk."): value for key, value in given.items() if key.startswith("trunk.")}
    return ours or given


def fill(net: nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Put weights into a trunk, by name; other names in the file (a classifier's) are left.

    Filters of the first layer with 3 channels adapt to other channels.

    Raises:
        DataError: when a name is missing or its shape is another.
    """
    own = net.state_dict()
    first = next((key for key, value in own.items() if value.ndim >= 4), None)
    for key, value in own.items():
        given = weights.get(key)
        if key == first and given is not None and given.ndim >= 4 and given.shape[1] == 3 != value.shape[1]:
            given = cross_modality(given, value.shape[1])
        if given is None or given.shape != value.shape:
            if key.endswith("num_batches_tracked"):
                continue
            got = "nothing" if given is None else str(tuple(given.shape))
            raise DataError(
                f"weights of {type(net).__name__} must have {key} {tuple(value.shape)}, got {got} ({where})"
            )
        value.copy_(given)


def _safetensors(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise DataError(f"weights file {path} is not there; put a safetensors file there, or use weights=None")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"weights file {path} is no safetensors file: {error}") from error

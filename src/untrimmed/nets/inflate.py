"""Inflation: any 2-D net of torchvision or timm as a net on clips."""

import math
import operator
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import fx, nn
from torch.nn import functional

from untrimmed.nets.inflation_rules import Layer, Rule
from untrimmed.nets.solid_layers import Ends, Init, SolidConv, SolidPool, batch_norm, in_time
from untrimmed.records import DataError

# What acts on each number alone, or along the channels, and so does not ask how many axes of position there are.
_FREE_MODULES = (
    nn.Identity, nn.Linear, nn.Flatten, nn.Dropout, nn.GroupNorm,
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.PReLU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid, nn.Hardtanh,
    nn.Hardswish, nn.Hardsigmoid,
)  # fmt: skip
_FREE_FUNCTIONS: set[Any] = {
    operator.add, operator.iadd, operator.sub, operator.mul, operator.imul, operator.truediv, operator.neg,
    torch.add, torch.mul, torch.relu, torch.sigmoid, torch.tanh, functional.relu, functional.relu6, functional.silu,
    functional.gelu, functional.sigmoid, functional.hardswish, functional.hardsigmoid, functional.leaky_relu,
}  # fmt: skip
_FREE_METHODS = {"add", "add_", "mul", "mul_", "relu", "relu_", "sigmoid", "sigmoid_", "contiguous", "clone"}
_POOLS: dict[Any, type[nn.MaxPool2d] | type[nn.AvgPool2d]] = {
    functional.max_pool2d: nn.MaxPool2d,
    functional.avg_pool2d: nn.AvgPool2d,
}
_ADAPTIVE: dict[Any, type[nn.Module]] = {
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    functional.adaptive_max_pool2d: nn.AdaptiveMaxPool2d,
}


def inflate(
    net: nn.Module, reach: Rule, *, init: Init = "replicate", ends: Ends = "zeros", pooled: bool = True
) -> fx.GraphModule:
    """A 2-D net as a net on clips: (n, channels, height, width) becomes (n, channels, time, height, width).

    The net's forward is traced; every convolution, pool and norm is replaced under its own name, function calls in
    between too, and whatever else is met must be known not to ask for the axes of position. So a net is inflated
    right or refused, never wrong in silence. Names of weights stay; filters gain an axis.

    Of a still clip the inflated net says, in evaluation mode, what the 2-D net says of the picture: at all positions
    under init "centre" or ends "replicate", and under init "replicate" with ends "zeros" where no filter reaches over
    an end. Under init "centre" with no stride and no pool in time it says of any clip what the 2-D net says of each
    picture.

    Args:
        net: of convolutions, pools, batch norms, group norms and what acts on single numbers. It is used up: its
            modules go into the answer.
        reach: says of every convolution and pool how far it reaches in time; see inflation_rules.rule.
        init: how 3-D filters come from 2-D filters; see solid_layers.in_time.
        ends: what convolutions see before the first and after the last picture; pools see these pictures again.
        pooled: keep the last global pool and what follows it; otherwise the answer is the map before that pool.

    Returns:
        The traced net, in the training mode of `net`.

    Raises:
        DataError: when the net has a layer or a call that is not known, or cannot be traced.

    Source: Carreira and Zisserman, CVPR 2017, section 2.4; report 15, section 2; report 16, section 2.1.
    """
    tracer = _Tracer()
    try:
        graph = tracer.trace(net)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise DataError(f"{type(net).__name__} cannot be traced, so not inflated: {error}") from error
    for node in reversed(graph.nodes):  # assertions about shapes, and what only they asked for
        asked = not node.users and node.target in (getattr, operator.eq)
        if asked or getattr(node.target, "__name__", "") == "_assert":
            graph.erase_node(node)
    _Inflation(net, graph, reach=reach, init=init, ends=ends).run()
    if not pooled:
        _cut_last_pool(graph, net)
    solid = fx.GraphModule(net, graph)
    solid.train(net.training)
    return solid


class _Tracer(fx.Tracer):
    """Stops at the layers that are replaced as a whole, also where timm has written them anew."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        layers = nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d | nn.AvgPool2d | nn.GroupNorm | nn.Linear
        return isinstance(m, layers) or super().is_leaf_module(m, module_qualified_name)


class _Inflation:
    def __init__(self, net: nn.Module, graph: fx.Graph, *, reach: Rule, init: Init, ends: Ends) -> None:
        self.net, self.graph, self.reach, self.init, self.ends = net, graph, reach, init, ends
        self.halvings: dict[fx.Node, float] = {}
        self.made: dict[str, nn.Module] = {}

    def run(self) -> None:
        for node in list(self.graph.nodes):
            before = max((self.halvings[source] for source in node.all_input_nodes), default=0.0)
            self.halvings[node] = before
            if node.op == "call_module":
                self._module(node, str(node.target), self.net.get_submodule(str(node.target)))
            elif node.op == "call_function":
                self._function(node)
            elif node.op == "call_method":
                self._method(node)
            elif node.op == "get_attr":  # would meet a clip along other axes than a picture
                self._refuse(f"number or tensor {node.target}")
        for name, module in self.made.items():
            self.net.set_submodule(name, module)

    def _module(self, node: fx.Node, name: str, module: nn.Module) -> None:
        if name in self.made:  # used a second time
            raise DataError(f"layer {name} of {type(self.net).__name__} is used twice, which inflation does not know")
        if isinstance(module, nn.Conv2d):
            self.made[name] = self._convolution(node, name, module)
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            self.made[name] = self._pool(node, name, module)
        elif isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
            self.made[name] = _adaptive(module)
        elif isinstance(module, nn.BatchNorm2d) and type(module).__name__ in ("BatchNorm2d", "BatchNormAct2d"):
            self.made[name] = batch_norm(module)
        elif isinstance(module, nn.Dropout2d):
            self.made[name] = nn.Dropout3d(module.p, module.inplace)
        elif not isinstance(module, _FREE_MODULES) or (
            isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1)
        ):
            self._refuse(f"layer {name} ({type(module).__name__})")

    def _convolution(self, node: fx.Node, name: str, layer: nn.Conv2d) -> SolidConv:
        same = type(layer).__name__ == "Conv2dSame"
        if not (same or type(layer) is nn.Conv2d) or layer.padding_mode != "zeros" or layer.padding == "same":
            self._refuse(f"layer {name} ({type(layer).__name__}, padding {layer.padding} {layer.padding_mode})")
        padding = (0, 0) if same or isinstance(layer.padding, str) else _pair(layer.padding)
        kernel, stride, dilation = _pair(layer.kernel_size), _pair(layer.stride), _pair(layer.dilation)
        time = self.reach(self._layer(node, name, "convolution", kernel, stride))
        solid = SolidConv(
            layer.in_channels,
            layer.out_channels,
            (time.kernel, *kernel),
            stride=(time.stride, *stride),
            padding=padding,
            dilation=(1, *dilation),
            groups=layer.groups,
            bias=layer.bias is not None,
            ends=self.ends,
            same=same,
        )
        solid.weight = nn.Parameter(in_time(layer.weight.detach(), time.kernel, self.init))
        solid.bias = layer.bias
        return solid

    def _pool(self, node: fx.Node, name: str, layer: nn.MaxPool2d | nn.AvgPool2d) -> SolidPool:
        if getattr(layer, "return_indices", False):
            self._refuse(f"layer {name} ({layer})")
        kernel, stride = _pair(layer.kernel_size), _pair(layer.stride)
        time = self.reach(self._layer(node, name, "pool", kernel, stride))
        kind: Literal["max", "mean"] = "max" if isinstance(layer, nn.MaxPool2d) else "mean"
        return SolidPool(layer, kind=kind, kernel=time.kernel, stride=time.stride)

    def _layer(
        self,
        node: fx.Node,
        name: str,
        kind: Literal["convolution", "pool"],
        kernel: tuple[int, int],
        stride: tuple[int, int],
    ) -> Layer:
        before = self.halvings[node]
        self.halvings[node] = before + math.log2(max(stride))
        return Layer(name=name, kind=kind, kernel=kernel, stride=max(stride), halvings=math.floor(before))

    def _function(self, node: fx.Node) -> None:
        target: Any = node.target
        if target in _POOLS or target in _ADAPTIVE:
            options = _options(node, _ORDER[target])
            source = options.pop("input")
            layer: nn.Module = (
                self._pool(node, node.name, _POOLS[target](**options))
                if target in _POOLS
                else _adaptive(_ADAPTIVE[target](**options))
            )
            self._as_module(node, source, layer)
        elif target is functional.dropout:
            # whether it drops was fixed when the net was traced
            options = _options(node, ("input", "p"))
            self._as_module(node, options["input"], nn.Dropout(options.get("p", 0.5)))
        elif target is torch.mean:
            self._mean(node)
        elif target in (torch.cat, torch.concat):
            if _options(node, ("tensors", "dim")).get("dim", 0) not in (0, 1):
                self._refuse(f"call {node.name} along another axis than the channels")
        elif target is torch.flatten:
            self._flatten(node)
        elif target not in _FREE_FUNCTIONS:
            self._refuse(f"call {node.name} ({getattr(target, '__name__', target)})")

    def _method(self, node: fx.Node) -> None:
        if node.target == "mean":
            self._mean(node)
        elif node.target == "flatten":
            self._flatten(node)
        elif node.target not in _FREE_METHODS:
            self._refuse(f"call {node.name} (Tensor.{node.target})")

    def _mean(self, node: fx.Node) -> None:
        options = _options(node, ("input", "dim", "keepdim"))
        dim = options.get("dim")
        if not isinstance(dim, list | tuple) or sorted(int(axis) % 4 for axis in dim) != [2, 3]:
            self._refuse(f"call {node.name} over axes {dim}")
        node.args, node.kwargs = (options["input"], (2, 3, 4), bool(options.get("keepdim", False))), {}

    def _flatten(self, node: fx.Node) -> None:
        options = _options(node, ("input", "start_dim", "end_dim"))
        if (options.get("start_dim", 0), options.get("end_dim", -1)) != (1, -1):
            self._refuse(f"call {node.name} from another axis than the channels")

    def _as_module(self, node: fx.Node, source: Any, layer: nn.Module) -> None:
        name = f"inflated_{node.name}"
        self.net.add_module(name, layer)
        node.op, node.target, node.args, node.kwargs = "call_module", name, (source,), {}

    def _refuse(self, what: str) -> None:
        raise DataError(f"{what} of {type(self.net).__name__} is nothing that inflation knows")


_ORDER: dict[Any, tuple[str, ...]] = {
    functional.max_pool2d: ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    functional.avg_pool2d: (
        "input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
    ),
    functional.adaptive_avg_pool2d: ("input", "output_size"),
    functional.adaptive_max_pool2d: ("input", "output_size"),
}  # fmt: skip


def _options(node: fx.Node, names: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of a call by their names."""
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def _cut_last_pool(graph: fx.Graph, net: nn.Module) -> None:
    """End the graph before its last global pool."""
    whole = (nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d)
    after: list[fx.Node] = []
    for node in reversed(graph.nodes):
        pools = node.op == "call_module" and isinstance(net.get_submodule(str(node.target)), whole)
        if pools or node.target in ("mean", torch.mean):
            graph.output_node().args = (node.args[0],)
            for later in [*after, node]:
                graph.erase_node(later)
            return
        if node.op != "output":
            after.append(node)
    raise DataError(f"{type(net).__name__} has no global pool, so nothing to cut")


def _adaptive(layer: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d | nn.Module) -> nn.Module:
    """To the same height and width and one moment, so that what flattens and multiplies the answer fits as before."""
    size: Any = layer.output_size
    made: Callable[..., nn.Module] = (
        nn.AdaptiveAvgPool3d if isinstance(layer, nn.AdaptiveAvgPool2d) else nn.AdaptiveMaxPool3d
    )
    return made((1, *(size if isinstance(size, tuple) else (size, size))))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))

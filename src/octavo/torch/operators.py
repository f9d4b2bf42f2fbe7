"""Float ONNX operators as differentiable PyTorch functions, one small function each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

from octavo.graph.attributes import attribute
from octavo.torch.masks import MASKS
from octavo.torch.rounding import nearest

Tensor = Any
Operator = Callable[[Any, ir.Node, list[Tensor]], Any]


def is_translatable(node: ir.Node) -> bool:
    """Whether the operator stands in the table, with no attribute that changes what it computes here."""
    if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
        return False
    auto = node.attributes.get("auto_pad")
    plain = auto is None or auto.as_string() == "NOTSET"
    return plain and not attribute(node, "ceil_mode", 0) and _plain_of_type(node)


def _plain_of_type(node: ir.Node) -> bool:
    match node.op_type:
        case "Dropout" | "MaxPool" | "LayerNormalization" | "BatchNormalization":
            return not any(output.name for output in node.outputs[1:])
        case "Pad":
            mode = node.attributes.get("mode")
            return mode is None or mode.as_string() == "constant"
        case "ConvTranspose":
            return "output_shape" not in node.attributes
    return True


def _ints(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    found = node.attributes.get(name)
    return list(default) if found is None else list(found.as_ints())


def _listed(node: ir.Node, name: str, inputs: list[Tensor], index: int) -> list[int] | None:
    """What older opsets have as an attribute and newer ones as an input."""
    if len(inputs) > index and inputs[index] is not None:
        return [int(each) for each in inputs[index].reshape(-1).tolist()]
    found = node.attributes.get(name)
    return None if found is None else list(found.as_ints())


def _ends(pads: Sequence[int]) -> list[int]:
    """ONNX's begins and ends of all axes in the order that torch.nn.functional.pad takes."""
    rank = len(pads) // 2
    return [each for i in reversed(range(rank)) for each in (pads[i], pads[i + rank])]


def _conv(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, weight, *bias = inputs
    rank = x.ndim - 2
    strides, dilations = (_ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    convolve = getattr(torch.nn.functional, f"conv{rank}d")
    padded = torch.nn.functional.pad(x, _ends(_ints(node, "pads", [0] * 2 * rank)))
    groups = int(attribute(node, "group", 1))
    return convolve(padded, weight, bias[0] if bias else None, strides, 0, dilations, groups)


def _conv_transpose(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, weight, *bias = inputs
    rank = x.ndim - 2
    strides, dilations = (_ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    convolve = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    extra, groups = _ints(node, "output_padding", [0] * rank), int(attribute(node, "group", 1))
    whole = convolve(x, weight, bias[0] if bias else None, strides, 0, extra, groups, dilations)
    pads = _ints(node, "pads", [0] * 2 * rank)
    for axis in range(rank):
        length = whole.shape[2 + axis] - pads[axis] - pads[axis + rank]
        whole = whole.narrow(2 + axis, pads[axis], length)
    return whole


def _gemm(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    a, b, *bias = inputs
    a, b = (x.T if attribute(node, name, 0) else x for x, name in ((a, "transA"), (b, "transB")))
    result = attribute(node, "alpha", 1.0) * (a @ b)
    return result + attribute(node, "beta", 1.0) * bias[0] if bias and bias[0] is not None else result


def _max_pool(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    kernel = _ints(node, "kernel_shape", [])
    rank = len(kernel)
    padded = torch.nn.functional.pad(inputs[0], _ends(_ints(node, "pads", [0] * 2 * rank)), value=-torch.inf)
    strides, dilations = (_ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    return getattr(torch.nn.functional, f"max_pool{rank}d")(padded, kernel, strides, 0, dilations)


def _average_pool(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    kernel = _ints(node, "kernel_shape", [])
    rank = len(kernel)
    ends, strides = _ends(_ints(node, "pads", [0] * 2 * rank)), _ints(node, "strides", [1] * rank)
    pool, pad = getattr(torch.nn.functional, f"avg_pool{rank}d"), torch.nn.functional.pad
    means = pool(pad(inputs[0], ends), kernel, strides)
    if attribute(node, "count_include_pad", 0) or not any(ends):
        return means
    return means / pool(pad(torch.ones_like(inputs[0][:1, :1]), ends), kernel, strides)


def _global_pool(pool: str) -> Operator:
    def run(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
        return getattr(inputs[0], pool)(dim=tuple(range(2, inputs[0].ndim)), keepdim=True)

    return run


def _reduce(pool: str) -> Operator:
    def run(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
        axes = _listed(node, "axes", inputs, 1)
        if axes is None and attribute(node, "noop_with_empty_axes", 0):
            return inputs[0]
        axes = axes or list(range(inputs[0].ndim))
        return getattr(inputs[0], pool)(dim=axes, keepdim=bool(attribute(node, "keepdims", 1)))

    return run


def _flatten(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    rank = inputs[0].ndim
    axis = int(attribute(node, "axis", 1))
    return inputs[0].reshape(inputs[0].shape[: axis + rank if axis < 0 else axis].numel(), -1)


def _reshape(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, wanted = inputs[0], [int(each) for each in inputs[1].tolist()]
    if not attribute(node, "allowzero", 0):
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    return x.reshape(wanted)


def _squeeze(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    axes = _listed(node, "axes", inputs, 1)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))


def _unsqueeze(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    result, axes = inputs[0], _listed(node, "axes", inputs, 1) or []
    rank = result.ndim + len(axes)
    for axis in sorted(each % rank for each in axes):
        result = result.unsqueeze(axis)
    return result


def _transpose(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    return inputs[0].permute(_ints(node, "perm", range(inputs[0].ndim)[::-1]))


def _pad(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    pads = _listed(node, "pads", inputs, 1) or []
    fill = float(inputs[2]) if len(inputs) > 2 and inputs[2] is not None else 0.0
    if len(inputs) > 3 and inputs[3] is not None:
        axes, given, rank = inputs[3].tolist(), pads, inputs[0].ndim
        pads = [0] * 2 * rank
        for place, axis in enumerate(axes):
            pads[axis % rank], pads[axis % rank + rank] = given[place], given[place + len(axes)]
    return torch.nn.functional.pad(inputs[0], _ends(pads), value=fill)


def _slice(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, starts, ends, *rest = inputs
    axes = rest[0].tolist() if rest and rest[0] is not None else list(range(len(starts)))
    steps = rest[1].tolist() if len(rest) > 1 and rest[1] is not None else [1] * len(axes)
    for axis, *span in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        places = torch.arange(x.shape[axis])[slice(*span)] if span[2] > 0 else _backwards(torch, x.shape[axis], *span)
        x = x.index_select(axis, places)
    return x


def _backwards(torch: Any, size: int, start: int, stop: int, step: int) -> Tensor:
    return torch.tensor(list(range(size))[slice(start, stop if stop >= -size else None, step)])


def _split(torch: Any, node: ir.Node, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    axis = int(attribute(node, "axis", 0))
    sizes = _listed(node, "split", inputs, 1)
    parts: tuple[Tensor, ...] = inputs[0].split(sizes or -(-inputs[0].shape[axis] // len(node.outputs)), axis)
    return parts


def _gather(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, places = inputs
    axis = int(attribute(node, "axis", 0)) % x.ndim
    found = x.index_select(axis, places.reshape(-1).long() % x.shape[axis])
    return found.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


def _cast(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    wanted = ir.DataType(int(attribute(node, "to", 1))).numpy()
    return inputs[0].to(getattr(torch, wanted.name))


def _clip(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    low, high = [*inputs[1:], None, None][:2]
    return inputs[0] if low is None and high is None else torch.clamp(inputs[0], low, high)


def _prelu(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    return torch.where(inputs[0] < 0, inputs[0] * inputs[1], inputs[0])


def _gelu(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    form = node.attributes.get("approximate")
    return torch.nn.functional.gelu(inputs[0], approximate="none" if form is None else form.as_string())


def _hard_sigmoid(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    return torch.clamp(attribute(node, "alpha", 0.2) * inputs[0] + attribute(node, "beta", 0.5), 0.0, 1.0)


def _layer_norm(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, scale, *bias = inputs
    sizes = x.shape[int(attribute(node, "axis", -1)) % x.ndim :]
    shift = bias[0].expand(sizes) if bias and bias[0] is not None else None
    return torch.nn.functional.layer_norm(x, sizes, scale.expand(sizes), shift, attribute(node, "epsilon", 1e-5))


def _batch_norm(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, scale, bias, mean, variance = inputs
    return torch.nn.functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, attribute(node, "epsilon", 1e-5))


def _along(torch: Any, node: ir.Node, parameter: Tensor, shape: Sequence[int]) -> Tensor:
    """A scale or zero point of one axis, or of blocks along it, shaped to broadcast."""
    if parameter.numel() == 1:
        return parameter.reshape(())
    axis = int(attribute(node, "axis", 1)) % len(shape)
    block = int(attribute(node, "block_size", 0))
    if block:
        return parameter.repeat_interleave(block, axis).narrow(axis, 0, shape[axis])
    return parameter.reshape([-1 if i == axis else 1 for i in range(len(shape))])


def _quantize(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    """Integers as floats; the gradient passes straight through rounding and stops where the grid ends."""
    x, scale, zero_point = inputs
    step = _along(torch, node, scale, x.shape)
    real = x / step
    rounded = nearest(torch, x.detach(), step.detach()) + (real - real.detach())
    ends = torch.iinfo(zero_point.dtype)
    zero = _along(torch, node, zero_point.to(x.dtype), x.shape)
    return torch.clamp(rounded + zero, ends.min, ends.max)


def _dequantize(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    q, scale, *zero_point = inputs
    real = q.to(scale.dtype)
    if zero_point and zero_point[0] is not None:
        real = real - _along(torch, node, zero_point[0].to(scale.dtype), q.shape)
    return real * _along(torch, node, scale, q.shape)


OPERATORS: dict[str, Operator] = {
    **MASKS,
    "Abs": lambda torch, node, inputs: inputs[0].abs(),
    "Add": lambda torch, node, inputs: inputs[0] + inputs[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda torch, node, inputs: torch.cat(inputs, int(attribute(node, "axis", 0))),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DequantizeLinear": _dequantize,
    "Div": lambda torch, node, inputs: inputs[0] / inputs[1],
    "Dropout": lambda torch, node, inputs: inputs[0],
    "Elu": lambda torch, node, inputs: torch.nn.functional.elu(inputs[0], attribute(node, "alpha", 1.0)),
    "Erf": lambda torch, node, inputs: torch.erf(inputs[0]),
    "Exp": lambda torch, node, inputs: inputs[0].exp(),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool("mean"),
    "GlobalMaxPool": _global_pool("amax"),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda torch, node, inputs: torch.nn.functional.hardswish(inputs[0]),
    "Identity": lambda torch, node, inputs: inputs[0],
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda torch, node, inputs: torch.nn.functional.leaky_relu(inputs[0], attribute(node, "alpha", 0.01)),
    "MatMul": lambda torch, node, inputs: inputs[0] @ inputs[1],
    "MaxPool": _max_pool,
    "Mish": lambda torch, node, inputs: torch.nn.functional.mish(inputs[0]),
    "Mul": lambda torch, node, inputs: inputs[0] * inputs[1],
    "Neg": lambda torch, node, inputs: -inputs[0],
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": lambda torch, node, inputs: inputs[0] ** inputs[1],
    "QuantizeLinear": _quantize,
    "Reciprocal": lambda torch, node, inputs: 1.0 / inputs[0],
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Relu": lambda torch, node, inputs: torch.relu(inputs[0]),
    "Reshape": _reshape,
    "Shape": lambda torch, node, inputs: torch.tensor(inputs[0].shape)[
        int(attribute(node, "start", 0)) : int(attribute(node, "end", inputs[0].ndim))
    ],
    "Sigmoid": lambda torch, node, inputs: torch.sigmoid(inputs[0]),
    "Slice": _slice,
    "Softmax": lambda torch, node, inputs: torch.softmax(inputs[0], int(attribute(node, "axis", -1))),
    "Softplus": lambda torch, node, inputs: torch.nn.functional.softplus(inputs[0]),
    "Split": _split,
    "Sqrt": lambda torch, node, inputs: inputs[0].sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda torch, node, inputs: inputs[0] - inputs[1],
    "Tanh": lambda torch, node, inputs: torch.tanh(inputs[0]),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}

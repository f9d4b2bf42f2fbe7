"""High-bias absorption: move the constant part of a channel into the next layer's bias (Nagel et al. 2019, 4.1.3)."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.quantizer import State
from octavo.recover.layers.channels import Doubles, Edit, rewrite
from octavo.recover.layers.pairs import Pair, pairs
from octavo.recover.layers.rows import Span, tensors

# A channel is shifted where its minimum exceeds this share of its maximum; a tensor, where its largest value falls to
# this share.
_LEAST_SHARE, _SHRINKS_TO = 1 / 3, 0.9


def absorb_biases(state: State, model: ir.Model) -> int:
    """Replace biases by b1 - c and b2 + W2 c where Relu(y) = Relu(y - c) + c on the calibration samples.

    c, shape (channels,), is the minimum of y in channels well above zero. A tensor is changed only if its largest
    value falls by a tenth, and the second layer has no padding.

    Args:
        state: the quantization.
        model: its float model, changed in place.

    Returns:
        The number of shifted channels.
    """
    shiftable = [pair for pair in pairs(model) if _fits(state, pair)]
    spans = [Span(pair.first.outputs, pair.first.channel_axis) for pair in shiftable]
    names = [pair.first.node.outputs[0].name or "" for pair in shiftable]
    for batch in tensors(model, state.settings, names) if shiftable else ():
        for name, span in zip(names, spans, strict=True):
            span.update(batch[name])
    changes: dict[tuple[ir.Node, int], Doubles] = {}
    count = 0
    for pair, span in zip(shiftable, spans, strict=True):
        shift = _shift(span)
        count += int(np.count_nonzero(shift))
        if shift.any():
            _move(changes, pair, shift)
    rewrite(model, [Edit(*place, bias.astype(np.float32)) for place, bias in changes.items()], "absorbed")
    return count


def _fits(state: State, pair: Pair) -> bool:
    ops = [node.op_type for node in pair.between]
    second = pair.second.node
    return (
        ops == ["Relu"]
        and pair.first.bias is not None
        and (second.name or "") in state.plan.layers
        and (second.op_type == "Gemm" or (second.op_type == "Conv" and not _pads(second)))
    )


def _pads(conv: ir.Node) -> bool:
    auto, pads = conv.attributes.get("auto_pad"), conv.attributes.get("pads")
    return (auto is not None and auto.as_string() not in ("NOTSET", "VALID")) or (
        pads is not None and any(pads.as_ints())
    )


def _shift(span: Span) -> Doubles:
    shift = np.where(span.low > _LEAST_SHARE * span.high, np.maximum(span.low, 0.0), 0.0)
    shrinks = (span.high - shift).max() < _SHRINKS_TO * span.high.max()
    return shift if shrinks else np.zeros_like(shift)


def _move(changes: dict[tuple[ir.Node, int], Doubles], pair: Pair, shift: Doubles) -> None:
    first, second = pair.first, pair.second
    for layer, change in ((first, -shift), (second, _through(pair, shift))):
        bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
        changes[layer.node, 2] = changes.get((layer.node, 2), bias) + change


def _through(pair: Pair, shift: Doubles) -> Doubles:
    """The output of the second layer for a constant input: W2 c, shape (outputs,)."""
    return np.asarray(pair.second.scaled(shift, np.ones(pair.second.outputs)).sum(axis=(2, 3)).reshape(-1))

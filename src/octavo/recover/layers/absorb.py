"""High-bias absorption: what a channel always has, the next layer's bias can hold (Nagel et al. 2019, 4.1.3)."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.quantizer import State
from octavo.recover.layers.channels import Doubles, Edit, rewrite
from octavo.recover.layers.pairs import Pair, pairs
from octavo.recover.layers.rows import Span, tensors

# A channel is worth it where its least value is such a share of its largest, a tensor where its range shrinks so.
_SHARE, _SHRINKS = 1 / 3, 0.9


def absorb_biases(state: State, model: ir.Model) -> int:
    """Rewrite b1 - c and b2 + W2 c where Relu(y) = Relu(y - c) + c on the calibration samples measured.

    c, shape (channels,), is the least y of channels well above zero. Only tensors whose range shrinks by a
    tenth are touched, and only where the second layer pads nothing. Returns how many channels were shifted.
    """
    found = [pair for pair in pairs(model) if _fits(state, pair)]
    spans = [Span(pair.first.outputs, pair.first.channel_axis) for pair in found]
    names = [pair.first.node.outputs[0].name or "" for pair in found]
    for batch in tensors(model, state.settings, names) if found else ():
        for name, span in zip(names, spans, strict=True):
            span.update(batch[name])
    changes: dict[tuple[ir.Node, int], Doubles] = {}
    count = 0
    for pair, span in zip(found, spans, strict=True):
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
    shift = np.where(span.low > _SHARE * span.high, np.maximum(span.low, 0.0), 0.0)
    shrinks = (span.high - shift).max() < _SHRINKS * span.high.max()
    return shift if shrinks else np.zeros_like(shift)


def _move(changes: dict[tuple[ir.Node, int], Doubles], pair: Pair, shift: Doubles) -> None:
    first, second = pair.first, pair.second
    for layer, change in ((first, -shift), (second, _through(pair, shift))):
        bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
        changes[layer.node, 2] = changes.get((layer.node, 2), bias) + change


def _through(pair: Pair, shift: Doubles) -> Doubles:
    """W2 c, shape (outputs,)."""
    return np.asarray(pair.second.scaled(shift, np.ones(pair.second.outputs)).sum(axis=(2, 3)).reshape(-1))

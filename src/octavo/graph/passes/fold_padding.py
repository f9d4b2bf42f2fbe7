"""Fold zero padding into the convolution behind it."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.constants import constant
from octavo.graph.rewrite import bypass, set_attribute, sole_reader


class FoldPaddingPass(ir.passes.InPlacePass):
    """Fold a Pad of zeros along spatial axes into the one Conv that reads it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "Pad" and not node.domain:
                conv = sole_reader(node.outputs[0])
                pads = _spatial_zeros(node)
                if conv is not None and pads is not None and _is_data_of(node, conv):
                    modified |= _fold(node, conv, pads)
        return ir.passes.PassResult(model, modified)


def _is_data_of(node: ir.Node, conv: ir.Node) -> bool:
    is_conv = conv.op_type == "Conv" and not conv.domain and conv.graph is node.graph
    return is_conv and conv.inputs[0] is node.outputs[0]


def _spatial_zeros(node: ir.Node) -> list[int] | None:
    """The pads of the spatial axes (begins, then ends); None if other axes are padded or the value is not zero."""
    mode = node.attributes.get("mode")
    pads = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if (mode is not None and mode.as_string() != "constant") or pads is None or len(node.inputs) > 3:
        return None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        fill = constant(node.inputs[2])
        if fill is None or float(fill.reshape(-1)[0]) != 0.0:
            return None
    amounts = [int(pad) for pad in pads.tolist()]
    rank = len(amounts) // 2
    others = amounts[:2] + amounts[rank : rank + 2]
    if rank < 3 or any(others) or min(amounts) < 0:
        return None
    return amounts[2:rank] + amounts[rank + 2 :]


def _fold(node: ir.Node, conv: ir.Node, pads: list[int]) -> bool:
    auto = conv.attributes.get("auto_pad")
    value = node.inputs[0]
    if (auto is not None and auto.as_string() not in ("NOTSET", "VALID")) or value is None:
        return False
    own = conv.attributes.get("pads")
    explicit = own is not None and (auto is None or auto.as_string() == "NOTSET")
    before = list(own.as_ints()) if explicit and own is not None else [0] * len(pads)
    if not bypass(node, value):
        return False
    conv.attributes.pop("auto_pad", None)
    set_attribute(conv, ir.AttrInt64s("pads", [a + b for a, b in zip(pads, before, strict=True)]))
    return True

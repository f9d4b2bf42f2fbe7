"""Which function lowers which operator."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from octavo.compiler.kinds import COMPARISONS
from octavo.compiler.lower import (
    asymmetric,
    conditions,
    conv_transpose,
    dynamic,
    functions,
    grids,
    indices,
    integer,
    joins,
    movers,
    norms,
    pools,
    resize,
    slices,
)
from octavo.compiler.lower.facts import Fact
from octavo.compiler.lower.lowering import Handler, Lowering
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor

# When the node is reached: its result, or that it waits for what becomes of it.
HANDLERS: dict[str, Handler] = {
    "QuantizeLinear": grids.quantize_linear,
    "DequantizeLinear": grids.dequantize_linear,
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), asymmetric.product),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"), conditions.arithmetic),
    "BatchNormalization": joins.batch_normalization,
    **dict.fromkeys(functions.FUNCTIONS, functions.function),
    **dict.fromkeys(("MaxPool", "GlobalMaxPool"), pools.max_pool),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool"), pools.average_pool),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), pools.reduce),
    "Softmax": norms.softmax,
    "LayerNormalization": norms.layer_norm,
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout"), movers.reshape),
    "Transpose": movers.transpose,
    "Slice": slices.cut,
    "Pad": slices.pad,
    "Concat": movers.concat,
    "Cast": conditions.cast,
    "Gather": indices.gather,
    "ConvTranspose": conv_transpose.conv_transpose,
    "Resize": resize.resize,
    "Where": conditions.where,
    "Expand": conditions.expand,
    "Not": conditions.negation,
    **dict.fromkeys(("And", "Or", "Xor"), conditions.logic),
    **dict.fromkeys(COMPARISONS, conditions.compare),
    "DynamicQuantizeLinear": dynamic.dynamic_quantize_linear,
    "ConvInteger": integer.conv_integer,
    "MatMulInteger": integer.matmul_integer,
}

# A waiting node whose result goes to a grid; None where it cannot.
INTEGER: dict[str, Callable[[Lowering, ir.Node, Target], Tensor | None]] = {
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), asymmetric.integer_product),
    "ConvTranspose": conv_transpose.integer_conv_transpose,
    "Add": joins.integer_join,
    "Mul": joins.integer_join,
    "AveragePool": pools.integer_average,
    "GlobalAveragePool": pools.integer_average,
    "Concat": movers.integer_concat,
}

# A waiting node whose result is needed as float.
_FINISH: dict[str, Handler] = {
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), asymmetric.finish_product),
    "ConvTranspose": conv_transpose.finish_conv_transpose,
    "Add": joins.finish_join,
    "Mul": joins.finish_join,
    "AveragePool": pools.finish_average,
    "GlobalAveragePool": pools.finish_average,
    "Concat": movers.finish_concat,
    **dict.fromkeys(functions.FUNCTIONS, functions.finish_function),
}


def finish(lowering: Lowering, node: ir.Node) -> Fact:
    """Write a waiting node down as float."""
    return _FINISH[node.op_type](lowering, node)

"""Types, truths and integers that are no quantized numbers: what masks are made of."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.bundle import DTYPES
from octavo.compiler.kinds import BINARY, COMPARISONS, INTEGER
from octavo.compiler.lower import joins, movers
from octavo.compiler.lower.attributes import integer
from octavo.compiler.lower.facts import Fact, Known, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, real_array, static_shape
from octavo.compiler.program import Tensor, constant_tensor, view

_WHOLE = (ir.DataType.INT32, ir.DataType.INT64)


def cast(lowering: Lowering, node: ir.Node) -> Fact:
    """To another type; where it is the type at hand, the same buffer."""
    value, to = node.inputs[0], integer(node, "to", 0)
    if value is not None and value.dtype == to:
        return movers.reshape(lowering, node)
    dtype = np.dtype(ir.DataType(to).numpy())
    fact = lowering.fact(value)
    if isinstance(fact, Known):
        return Known(real_array(fact).astype(dtype))
    if dtype not in DTYPES:
        raise Unsupported(f"to {dtype}")
    source = lowering.real(value)
    return Real(lowering.program.add("Cast", node.name or "", [source], lowering.new(node, dtype)))


def compare(lowering: Lowering, node: ir.Node) -> Fact:
    """To truths."""
    inputs = _alike(lowering, node)
    kind = [COMPARISONS[node.op_type]]
    return Real(lowering.program.add("Compare", node.name or "", inputs, lowering.new(node, np.bool_), kind))


def logic(lowering: Lowering, node: ir.Node) -> Fact:
    """And, Or and Xor; with a constant that changes nothing, the other operand."""
    shape = static_shape(node.outputs[0])
    for index, value in enumerate(node.inputs):
        fact, rest = lowering.fact(value), node.inputs[1 - index]
        idle = isinstance(fact, Known) and bool((fact.array == (node.op_type == "And")).all())
        if idle and rest is not None and not isinstance(lowering.fact(rest), Known):
            return Real(expanded(lowering, node, lowering.real(rest), shape))
    return Real(_combined(lowering, node, INTEGER[node.op_type]))


def negation(lowering: Lowering, node: ir.Node) -> Fact:
    """Not, as Xor with the truth."""
    true = constant_tensor(f"{node.name}_true", np.ones(1, np.bool_))
    inputs = [lowering.real(node.inputs[0]), true]
    kind = [INTEGER["Xor"]]
    return Real(lowering.program.add("BinaryInteger", node.name or "", inputs, lowering.new(node, np.bool_), kind))


def arithmetic(lowering: Lowering, node: ir.Node) -> Fact:
    """On whole numbers; on real ones, as joins."""
    value = node.outputs[0]
    if value.dtype in _WHOLE:
        if node.op_type not in INTEGER or len(node.inputs) != 2:
            raise Unsupported(f"of {value.dtype.name.lower() if value.dtype else ''}")
        return Real(_combined(lowering, node, INTEGER[node.op_type]))
    if node.op_type in ("Max", "Min", "Pow"):
        return _float_join(lowering, node)
    return joins.join(lowering, node)


def where(lowering: Lowering, node: ir.Node) -> Fact:
    """From one of two tensors."""
    condition = lowering.real(node.inputs[0])
    inputs = [lowering.real(value) for value in node.inputs[1:]]
    if inputs[0].dtype != inputs[1].dtype:
        raise Unsupported(f"of {inputs[0].dtype} and {inputs[1].dtype}")
    result = lowering.new(node, inputs[0].dtype)
    return Real(lowering.program.add("Where", node.name or "", [condition, *inputs], result))


def expand(lowering: Lowering, node: ir.Node) -> Fact:
    """Repeated along axes of length 1; integers stay on their grid."""
    shape = static_shape(node.outputs[0])
    return movers.moved(lowering, node, lambda tensor: expanded(lowering, node, tensor, shape))


def expanded(lowering: Lowering, node: ir.Node, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor in that shape: the same buffer if it is no larger."""
    if int(np.prod(shape)) == tensor.count:
        return view(tensor, node.outputs[0].name or "", shape)
    result = lowering.new(node, tensor.dtype, tensor.params)
    return lowering.program.add("Expand", node.name or "", [tensor], result)


def _alike(lowering: Lowering, node: ir.Node) -> list[Tensor]:
    inputs = [lowering.real(value) for value in node.inputs]
    if inputs[0].dtype != inputs[1].dtype:
        raise Unsupported(f"of {inputs[0].dtype} and {inputs[1].dtype}")
    return inputs


def _combined(lowering: Lowering, node: ir.Node, kind: int) -> Tensor:
    inputs = _alike(lowering, node)
    result = lowering.new(node, inputs[0].dtype)
    return lowering.program.add("BinaryInteger", node.name or "", inputs, result, [kind])


def _float_join(lowering: Lowering, node: ir.Node) -> Fact:
    if len(node.inputs) != 2:
        raise Unsupported(f"of {len(node.inputs)} inputs")
    power = lowering.fact(node.inputs[1]) if node.op_type == "Pow" else None
    if isinstance(power, Known) and power.array.size == 1 and float(power.array.reshape(-1)[0]) == 2.0:
        source = lowering.real(node.inputs[0])
        kind = [BINARY["Mul"]]
        return Real(lowering.program.add("BinaryFloat", node.name or "", [source, source], lowering.new(node), kind))
    return joins.finish_join(lowering, node)

"""Plan a model for a target, and read the plan."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnx_ir as ir

from octavo.graph import prepare
from octavo.graph.plan import Plan, make_plan
from octavo.targets import target, target_names

INTEGER = [name for name in target_names() if not target(name).weights_only]


def planned(model: onnx.ModelProto, to: str = "x86-vnni", exclude: Sequence[str] = ()) -> Plan:
    return make_plan(prepare(ir.from_proto(model)), target(to), exclude)


def roles(plan: Plan) -> list[tuple[str, str]]:
    return [(layer.op, layer.role) for layer in plan.layers.values()]


def reason(plan: Plan, op: str) -> str:
    return next(left.why for left in plan.left_float if left.op == op)

"""Plan a model with the decisions of the options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.plan import Plan, make_plan
from octavo.pipeline.options import Options
from octavo.quantizer import Planner


def planner(options: Options) -> Planner:
    """A function that plans a prepared model, given the layers to leave in float with the reason of each.

    It raises ModelError where no operator can run in integers.
    """

    def plan(model: ir.Model, left_out: Mapping[str, str]) -> Plan:
        result = make_plan(model, options.target, list(options.exclude), left_out)
        _check(result)
        if options.recipe is not None:
            result = options.recipe.apply(result, model)
        estimator = options.estimator
        if estimator is not None:
            result = result.with_tensors(lambda tensor: replace(tensor, estimator=estimator))
        return result

    return plan


def _check(plan: Plan) -> None:
    if any(layer.role in ("compute", "embedding") for layer in plan.layers.values()):
        return
    first = next(iter(plan.left_float), None)
    why = "" if first is None else f" ({first.op} '{first.name}': {first.why})"
    raise ModelError(
        f"no operator of the model can run in integers on {plan.target.name}{why}; octavo inspect lists them all"
    )

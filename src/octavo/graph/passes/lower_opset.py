"""Declare an opset that engines support in models of newer ones."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.opsets import NEWEST, OLDEST, last_change


class LowerOpsetPass(ir.passes.InPlacePass):
    """Declare the newest opset that engines support, if no operator of the model has changed since then."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        opset = model.opset_imports.get("", OLDEST)
        lowers = opset > NEWEST and not any(last_change(n, opset) > NEWEST for graph in model.graphs() for n in graph)
        if lowers:
            model.opset_imports[""] = NEWEST
        return ir.passes.PassResult(model, lowers)

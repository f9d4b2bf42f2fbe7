"""The input of a quantization (`Draft`) and its result (`State`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import onnx_ir as ir

from octavo.affine import Grid, QuantParams
from octavo.calibrate import Calibration
from octavo.errors import OctavoError
from octavo.graph.place import place
from octavo.graph.plan import Plan
from octavo.graph.preflight import check_target
from octavo.graph.proof import OverflowProof
from octavo.graph.weights import Constants
from octavo.quantizer.decisions import Decisions
from octavo.quantizer.settings import Settings
from octavo.ranges import Range


@dataclass(frozen=True)
class Draft:
    """A float model with the decisions to quantize it by: what `derive` makes a `State` of.

    Each `with_` method returns a new draft. Call `derive` on it to get the state.

    Attributes:
        settings: target, calibration samples, planner, and options.
        model: the prepared float model, rewritten by rungs; it computes the same function, except for corrected
            and trained constants.
        reference: the same without corrected and trained constants: the reference of every error.
        decisions: the decisions of rungs.
        calibration: observers that are reused where they fit the plan; empty before the first calibration pass.
    """

    settings: Settings
    model: ir.Model
    reference: ir.Model
    decisions: Decisions = field(default_factory=Decisions)
    calibration: Calibration = field(default_factory=lambda: Calibration({}))

    def with_decisions(self, decisions: Decisions, model: ir.Model | None = None) -> Draft:
        """Replace the decisions, and the model if it is given; reference and observers stay."""
        return Draft(self.settings, self.model if model is None else model, self.reference, decisions, self.calibration)

    def with_model(self, model: ir.Model) -> Draft:
        """Replace the model by a rewritten one of the same function; drops observers, chosen constants and training."""
        return Draft(self.settings, model, model, replace(self.decisions, constants={}, trained={}))

    def with_biases(self, model: ir.Model) -> Draft:
        """Replace the model by one that differs in biases only; observers and integers of weights stay."""
        return self.with_decisions(self.decisions, model)

    def with_estimators(self, estimators: Mapping[str, str]) -> Draft:
        """Add range estimators of tensors; the model runs again only if they need other observers."""
        return self.with_decisions(replace(self.decisions, estimators={**self.decisions.estimators, **estimators}))

    def with_constants(self, constants: Constants) -> Draft:
        """Add integers of weights that replace round-to-nearest."""
        return self.with_decisions(replace(self.decisions, constants={**self.decisions.constants, **constants}))

    def with_left_out(self, layers: Mapping[str, str]) -> Draft:
        """Add layers to leave in float, with the reason of each."""
        return self.with_decisions(replace(self.decisions, left_out={**self.decisions.left_out, **layers}))

    def with_grids(self, grids: Mapping[str, Grid]) -> Draft:
        """Add grids of activations, by the tensor that is observed; drops what was trained for them."""
        trained = {name: params for name, params in self.decisions.trained.items() if name not in grids}
        return self.with_decisions(replace(self.decisions, grids={**self.decisions.grids, **grids}, trained=trained))

    def with_weight_grids(self, grids: Mapping[str, Grid]) -> Draft:
        """Add grids of weights, by the layer; drops what was chosen for their integers."""
        kept = {key: value for key, value in self.decisions.constants.items() if key[0] not in grids}
        weight_grids = {**self.decisions.weight_grids, **grids}
        return self.with_decisions(replace(self.decisions, weight_grids=weight_grids, constants=kept))

    def with_training(self, model: ir.Model, activations: Mapping[str, QuantParams], weights: Constants) -> Draft:
        """Add weights, biases and parameters as training left them; the reference stays."""
        constants, trained = {**self.decisions.constants, **weights}, {**self.decisions.trained, **activations}
        return self.with_decisions(replace(self.decisions, constants=constants, trained=trained), model)


@dataclass(frozen=True, kw_only=True)
class State(Draft):
    """A quantization: a draft and everything that `derive` derives from it.

    Attributes:
        plan: the layers and tensors to quantize.
        ranges: the range that the estimator chose, by the tensor that is observed.
        activations: scale and zero point of every tensor of the plan.
        constants: integers of every constant of the plan's layers.
        proofs: a proof for each accumulator that it cannot overflow.
    """

    plan: Plan
    ranges: dict[str, Range]
    activations: dict[str, QuantParams]
    constants: Constants
    proofs: list[OverflowProof]

    @cached_property
    def quantized(self) -> ir.Model:
        """The QDQ model, checked against the target's rules and by ONNX's checker.

        Raises:
            TargetError: the result would break a rule of the target.
        """
        model = place(self.model, self.plan, self.activations, self.constants)
        check_target(model, self.settings.target)
        _check_onnx(model)
        return model


def _check_onnx(model: ir.Model) -> None:
    from onnx_ir.passes.common import CheckerPass

    try:
        CheckerPass(full_check=False)(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise OctavoError(f"the quantized model fails onnx.checker: {reason}; please report this model") from error

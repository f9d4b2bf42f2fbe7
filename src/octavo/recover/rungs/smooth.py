"""SmoothQuant: scale down outlier channels of activations and scale up the weights that read them.

Xiao et al. 2023, 'SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from octavo.graph.constants import constant, new_constant
from octavo.graph.plan import Plan
from octavo.quantizer import Settings, State, derive
from octavo.recover.layers.bias_correction import recorrected
from octavo.recover.layers.channels import Doubles, Edit, balanced, edits, rewrite, scalable
from octavo.recover.layers.rows import Reader, tensors
from octavo.recover.rung import Outcome, Rung, without_context

_ALPHAS = (0.25, 0.4, 0.5, 0.6, 0.75, 0.85)
# The relative gain that is worth a change of constants, and an inserted operator.
_FOLDED_GAIN, _INSERTED_GAIN = 0.02, 0.2
_REASON = "it scales channels before they are quantized"
_HOMOGENEOUS = {"Relu", "LeakyRelu", "Identity"}


@dataclass
class _Site:
    """A tensor with the layers that multiply it by weights, and the factor of its channels, (channels,)."""

    value: ir.Value
    readers: list[Reader]
    folds: bool
    factor: Doubles | None = None

    def choose(self) -> None:
        """Choose the factor with the smallest squared error of all readers' outputs; None if the gain is too small."""
        columns = np.max([np.abs(r.layer.scaled()).max(axis=(1, 3)).reshape(-1) for r in self.readers], axis=0)
        factors = [balanced(self.readers[0].span.largest, columns, alpha) for alpha in _ALPHAS]
        costs = [self._cost(factor) for factor in factors]
        best, worth = int(np.argmin(costs)), 1 - (_FOLDED_GAIN if self.folds else _INSERTED_GAIN)
        if costs[best] < worth * self._cost(np.ones(columns.size)):
            self.factor = factors[best]

    def _cost(self, factor: Doubles) -> float:
        return sum(reader.error(factor, np.ones(reader.layer.outputs)) for reader in self.readers)


def smooth(state: State) -> Outcome:
    """Move the scale of channels from tensors into the Gemm and MatMul that read them.

    The inverse factor is folded into the producer of the tensor (LayerNormalization, arithmetic with constants, a
    linear layer) if it has no other readers; else a Mul is inserted, if the error falls by a fifth.
    """
    model = state.reference.clone()
    sites = _sites(state.plan, state.settings.seed, model)
    changed = _choose(state.settings, model, sites)
    if not changed:
        return Outcome(state, f"no gain for any of {len(sites)} tensors that Gemm and MatMul read")
    inserted = _apply(state.plan, model, changed)
    note = f"{len(changed)} of {len(sites)} tensors smoothed, {len(inserted)} of them by an inserted Mul"
    return Outcome(recorrected(derive(state.with_left_out(inserted).with_model(model))), note)


def fold_scales(settings: Settings, plan: Plan, model: ir.Model, names: Collection[str]) -> str:
    """Smooth these tensors, by their names, where the inverse factor folds into what writes them.

    Args:
        settings: settings with the samples to measure.
        plan: the plan of the model.
        model: the float model, changed in place.
        names: the tensors.

    Returns:
        What was done, in words; empty where no tensor gains.
    """
    sites = [site for site in _sites(plan, settings.seed, model) if site.folds and site.value.name in names]
    changed = _choose(settings, model, sites)
    _apply(plan, model, changed)
    return f"channels of {len(changed)} tensor{'s' * (len(changed) > 1)} smoothed" if changed else ""


def _choose(settings: Settings, model: ir.Model, sites: list[_Site]) -> list[_Site]:
    """The sites that gain, each with its factor."""
    for values in tensors(model, settings, [site.value.name or "" for site in sites]) if sites else ():
        for site in sites:
            for reader in site.readers:
                reader.update(values[site.value.name or ""])
    for site in sites:
        site.choose()
    return [site for site in sites if site.factor is not None]


def _sites(plans: Plan, seed: int, model: ir.Model) -> list[_Site]:
    groups: dict[ir.Value, list[Reader]] = {}
    for node in model.graph:
        plan, layer = plans.layers.get(node.name or ""), scalable(node)
        value = node.inputs[0] if node.inputs else None
        if plan is None or layer is None or value is None or 0 not in plan.inputs:
            continue
        if not layer.is_convolution:
            groups.setdefault(value, []).append(Reader(plans, layer, seed))
    on_grid = {plan.output for plan in plans.layers.values()}
    sites = [_Site(value, readers, _folds(plans, value, readers)) for value, readers in groups.items()]
    return [site for site in sites if site.folds or site.value.name not in on_grid]


def _folds(plan: Plan, value: ir.Value, readers: list[Reader]) -> bool:
    read_by_these_only = len(value.uses()) == len(readers) and not value.is_graph_output()
    return read_by_these_only and _into_producer(plan, value, np.ones(readers[0].layer.inputs)) is not None


def _into_producer(plan: Plan, value: ir.Value, factor: Doubles) -> list[Edit] | None:
    """The edits that multiply a value's channels in its producer; None where that is impossible."""
    node = value.producer()
    if node is None or node.domain or any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return None
    if node.op_type == "LayerNormalization":
        return _scaled_constants(node, [1, 2][: len(node.inputs) - 1], factor)
    if node.op_type in _HOMOGENEOUS:
        return _behind(plan, node.inputs[0], factor)
    if node.op_type in ("Mul", "Add"):
        return _into_arithmetic(plan, node, factor)
    layer, planned = scalable(node), plan.layers.get(node.name or "")
    per_channel = planned is None or all(weight.axis is not None for weight in planned.weights)
    if layer is None or layer.is_convolution or not per_channel or layer.outputs != factor.size:
        return None
    return edits(layer, np.ones(layer.inputs), factor)


def _into_arithmetic(plan: Plan, node: ir.Node, factor: Doubles) -> list[Edit] | None:
    index = next((i for i in (0, 1) if constant(node.inputs[i]) is not None), None)
    own = None if index is None else _scaled_constants(node, [index], factor)
    if own is None or index is None or node.op_type == "Mul":
        return own
    rest = _behind(plan, node.inputs[1 - index], factor)
    return None if rest is None else own + rest


def _behind(plan: Plan, value: ir.Value | None, factor: Doubles) -> list[Edit] | None:
    if value is None or len(value.uses()) != 1 or value.is_graph_output():
        return None
    return _into_producer(plan, value, factor)


def _scaled_constants(node: ir.Node, places: list[int], factor: Doubles) -> list[Edit] | None:
    arrays = {index: constant(node.inputs[index]) for index in places}
    edits_made: list[Edit] = []
    for index, array in arrays.items():
        # Constants that broadcast along channels would have to be expanded.
        if array is None or array.dtype != np.float32 or array.ndim == 0 or array.shape[-1] != factor.size:
            return None
        edits_made.append(Edit(node, index, (array * factor).astype(np.float32)))
    return edits_made


def _apply(plan: Plan, model: ir.Model, sites: list[_Site]) -> Mapping[str, str]:
    """Rewrite the model; returns the names of inserted Mul nodes, with the reason to leave each in float."""
    inserted: dict[str, str] = {}
    for site in sites:
        assert site.factor is not None
        if site.folds:
            rewrite(model, _into_producer(plan, site.value, site.factor) or [], "smoothed")
        else:
            inserted[_insert(model, site, site.factor)] = _REASON
        for reader in site.readers:
            layer = scalable(reader.layer.node)
            assert layer is not None
            weights = layer.from_common(layer.scaled(1 / site.factor)).astype(np.float32)
            rewrite(model, [Edit(layer.node, 1, weights)], "smoothed")
    return inserted


def _insert(model: ir.Model, site: _Site, factor: Doubles) -> str:
    name, first = f"{site.value.name}_smoothed", site.readers[0].layer.node
    scale = new_constant(model.graph, f"{name}_by", factor.astype(np.float32))
    node = ir.Node("", "Mul", [site.value, scale], name=name)
    node.outputs[0].name, node.outputs[0].shape, node.outputs[0].type = name, site.value.shape, site.value.type
    model.graph.insert_before(first, node)
    for reader in site.readers:
        reader.layer.node.replace_input_with(0, node.outputs[0])
    return name


SMOOTH = Rung("smooth", "SmoothQuant", without_context(smooth))

"""What each layer takes in the native runtime, on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir

from octavo.compiler import compile_model
from octavo.data import SampleSet, smallest_run
from octavo.engines.native import NativeSession, OperatorCost
from octavo.errors import OctavoError
from octavo.graph import input_specs
from octavo.graph.plan import LayerPlan
from octavo.native import cpu

_MOST_RUNS = 20


@dataclass
class NativeTime:
    """Milliseconds of one run of the native runtime on one thread, and of its parts.

    Attributes:
        milliseconds: of all operators; None where the model does not run there.
        isa: the instruction set whose kernels ran; empty where none did.
        layers: of each layer, by its name, with what is fused into it.
        why: one sentence, where the model does not run there.
    """

    milliseconds: float | None = None
    isa: str = ""
    layers: dict[str, float] = field(default_factory=dict)
    why: str = ""


def native_time(
    model: ir.Model, layers: Iterable[LayerPlan], samples: SampleSet, batch: int, seconds: float
) -> NativeTime:
    """Compile a quantized model, and time a few runs operator by operator.

    Args:
        model: in QDQ form.
        layers: its integer layers.
        samples: to run on the first of.
        batch: the size of a dynamic first axis.
        seconds: about how long the runs may take; one is made however long that is.
    """
    try:
        return _by_layer(_costs(model, samples, batch, seconds), layers, model)
    except OctavoError as error:
        return NativeTime(why=str(error))
    except Exception as error:
        # A figure more is not worth the work of hours that stands behind the result.
        return NativeTime(why=f"the model could not be timed there ({type(error).__name__}: {error})")


def _costs(model: ir.Model, samples: SampleSet, batch: int, seconds: float) -> list[OperatorCost]:
    content = compile_model(model, batch=batch, dims=_lengths(model, samples))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.oct"
        path.write_bytes(content)
        session = NativeSession(path)
        feeds = smallest_run(session, samples)
        once = sum(cost.milliseconds for cost in session.time_operators(feeds, 1)) * 1e-3
        runs = min(int(seconds / once) if once > 0 else _MOST_RUNS, _MOST_RUNS)
        return session.time_operators(feeds, max(runs, 1))


def _lengths(model: ir.Model, samples: SampleSet) -> dict[str, int]:
    """The sizes of dynamic dimensions that are no batch, as the first sample has them."""
    first = next(iter(samples.batches(1))).inputs
    return {
        dim or f"{spec.name}_{axis}": first[spec.name].shape[axis]
        for spec in input_specs(model)
        for axis, dim in enumerate(spec.shape)
        if axis > 0 and not isinstance(dim, int)
    }


def _by_layer(costs: list[OperatorCost], layers: Iterable[LayerPlan], model: ir.Model) -> NativeTime:
    """Operators carry the names of nodes that they were made from; what stands between layers is nobody's."""
    owners = {name: layer.name for layer in layers for name in (layer.name, *layer.fused)}
    nodes = {node.name or "": node for node in model.graph}
    found = NativeTime(sum(cost.milliseconds for cost in costs), cpu().runs)
    for cost in costs:
        owner = owners.get(cost.name)
        if owner is None and cost.multiply_adds:
            owner = _layer_before(nodes.get(cost.name), owners)
        if owner is not None:
            found.layers[owner] = found.layers.get(owner, 0.0) + cost.milliseconds
    return found


def _layer_before(node: ir.Node | None, owners: Mapping[str, str]) -> str | None:
    """The layer whose product a merged operator holds, which may bear the name of any node behind it."""
    waiting, seen = [node], set[ir.Node]()
    while waiting:
        each = waiting.pop(0)
        if each is None or each in seen or each.op_type == "DequantizeLinear":
            continue
        if (each.name or "") in owners:
            return owners[each.name or ""]
        seen.add(each)
        waiting += [value.producer() for value in each.inputs if value is not None]
    return None

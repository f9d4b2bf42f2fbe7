"""Time of each layer in the native runtime on this machine."""

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


@dataclass(frozen=True)
class NativeTime:
    """Time of one run of the native runtime on one thread.

    Attributes:
        milliseconds: of all operators; None where the model does not run in the native runtime.
        isa: instruction set of the kernels; empty where the model does not run.
        layers: milliseconds of each layer by name, fused operators included.
        why: one sentence on why the model does not run; empty where it does.
    """

    milliseconds: float | None = None
    isa: str = ""
    layers: dict[str, float] = field(default_factory=dict)
    why: str = ""


def native_time(
    model: ir.Model, layers: Iterable[LayerPlan], samples: SampleSet, batch: int, seconds: float
) -> NativeTime:
    """Compile a quantized model and time it operator by operator; never raises, the reason is in the result.

    Args:
        model: in QDQ form.
        layers: its integer layers.
        samples: the first sample is the input.
        batch: size of a dynamic first axis.
        seconds: about how long the runs may take together; there is at least one.
    """
    try:
        return _by_layer(_costs(model, samples, batch, seconds), layers, model)
    except OctavoError as error:
        return NativeTime(why=str(error))
    except Exception as error:
        # This time is optional: a bug here must not lose a quantization that may have taken hours.
        return NativeTime(why=f"the model could not be timed there ({type(error).__name__}: {error})")


def _costs(model: ir.Model, samples: SampleSet, batch: int, seconds: float) -> list[OperatorCost]:
    content = compile_model(model, batch=batch, dims=_dynamic_sizes(model, samples))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.oct"
        path.write_bytes(content)
        session = NativeSession(path)
        feeds = smallest_run(session, samples)
        seconds_per_run = sum(cost.milliseconds for cost in session.time_operators(feeds, 1)) * 1e-3
        runs = min(int(seconds / seconds_per_run) if seconds_per_run > 0 else _MOST_RUNS, _MOST_RUNS)
        return session.time_operators(feeds, max(runs, 1))


def _dynamic_sizes(model: ir.Model, samples: SampleSet) -> dict[str, int]:
    """Sizes of the dynamic dimensions except the batch, from the first sample."""
    first = next(iter(samples.batches(1))).inputs
    return {
        dim or f"{spec.name}_{axis}": first[spec.name].shape[axis]
        for spec in input_specs(model)
        for axis, dim in enumerate(spec.shape)
        if axis > 0 and not isinstance(dim, int)
    }


def _by_layer(costs: list[OperatorCost], layers: Iterable[LayerPlan], model: ir.Model) -> NativeTime:
    """Sum the time of each layer's operators by node name; operators between layers belong to no layer."""
    owners = {name: layer.name for layer in layers for name in (layer.name, *layer.fused)}
    nodes = {node.name or "": node for node in model.graph}
    by_layer: dict[str, float] = {}
    for cost in costs:
        owner = owners.get(cost.name)
        if owner is None and cost.multiply_adds:
            owner = _layer_before(nodes.get(cost.name), owners)
        if owner is not None:
            by_layer[owner] = by_layer.get(owner, 0.0) + cost.milliseconds
    return NativeTime(sum(cost.milliseconds for cost in costs), cpu().runs, by_layer)


def _layer_before(node: ir.Node | None, owners: Mapping[str, str]) -> str | None:
    """The nearest layer upstream: a fused operator may have the name of any node after its GEMM."""
    queue, seen = [node], set[ir.Node]()
    while queue:
        current = queue.pop(0)
        if current is None or current in seen or current.op_type == "DequantizeLinear":
            continue
        if (current.name or "") in owners:
            return owners[current.name or ""]
        seen.add(current)
        queue += [value.producer() for value in current.inputs if value is not None]
    return None

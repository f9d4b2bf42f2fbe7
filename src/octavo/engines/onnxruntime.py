"""Run a model with ONNX Runtime on the CPU."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

from octavo.errors import DataError, ModelError
from octavo.graph.constants import constant
from octavo.graph.spec import TensorSpec
from octavo.graph.values import named_values
from octavo.targets import cpu_flags

_LOG_FATAL = 4
_X86, _VNNI = {"x86_64", "amd64"}, {"avx512_vnni", "avx_vnni"}
_MAX_SEVEN_BITS = 64
_MIN_EXTERNAL_BYTES = 1024
_EXTERNAL_TYPES = {ir.DataType.FLOAT, ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT32, ir.DataType.INT64}
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int16)": np.int16,
    "tensor(uint16)": np.uint16,
    "tensor(int32)": np.int32,
    "tensor(uint32)": np.uint32,
    "tensor(int64)": np.int64,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
}


class Session:
    """A loaded ONNX model.

    Args:
        model: a model in memory, its serialized bytes, or the path of its file.
        outputs: names of the tensors to return, intermediate ones included; the graph's outputs by default.
        edit: modifies a copy of the model before it is loaded.
        threads: intra-op threads; ONNX Runtime's default when None.
        optimize: enable graph optimizations of ONNX Runtime.
        reuse: write outputs to the buffers of the last run when its inputs had the same shapes. A result is then
            valid until the next run only; allocation costs as much as the arithmetic of a small model.
        saturate: use integer kernels even where their 16-bit intermediates can saturate on this processor (for
            timing); by default Q/DQ nodes are then executed as written, without integer kernels.
        as_written: execute Q/DQ nodes as written on every processor.
        operators: path of a custom operator library.

    Raises:
        ModelError: ONNX Runtime cannot load the model.
    """

    def __init__(
        self,
        model: ir.Model | bytes | str | Path,
        *,
        outputs: Sequence[str] | None = None,
        edit: Callable[[ir.Model], None] | None = None,
        threads: int | None = None,
        optimize: bool = True,
        reuse: bool = False,
        saturate: bool = False,
        as_written: bool = False,
        operators: str | None = None,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        if threads is not None:
            options.intra_op_num_threads = threads
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if outputs is not None or edit is not None or isinstance(model, ir.Model):
            model = _copy(model)
            if outputs is not None:
                _return(model, outputs)
            if edit is not None:
                edit(model)
        if as_written or (not saturate and would_saturate(model)):
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session = _open(model, options, operators)
        self.inputs = tuple(_spec(value) for value in self._session.get_inputs())
        self.outputs = tuple(_spec(value) for value in self._session.get_outputs())
        self._names = [value.name for value in self.outputs]
        self._reuse = reuse
        self._last: _Last | None = None

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run once; returns the outputs by name.

        Raises:
            DataError: ONNX Runtime rejects the inputs, or the run fails.
        """
        if self._last is not None and self._last.rerun(feeds):
            return self._last.results
        try:
            results = dict(zip(self._names, self._session.run(self._names, dict(feeds)), strict=True))
        except Exception as error:
            raise DataError(f"ONNX Runtime could not run the model on these inputs: {_reason(error)}") from None
        if self._reuse:
            self._last = _Last(self._session, feeds, results)
        return results


class _Last:
    """The output buffers of a run, bound for reuse."""

    def __init__(self, session: Any, feeds: Mapping[str, NDArray[Any]], results: dict[str, NDArray[Any]]) -> None:
        self.results = results
        self._session, self._shapes = session, {name: array.shape for name, array in feeds.items()}
        self._binding = session.io_binding()
        for name, array in results.items():
            self._binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))

    def rerun(self, feeds: Mapping[str, NDArray[Any]]) -> bool:
        """Run into the same buffers; False where input or output shapes differ."""
        if self._shapes != {name: array.shape for name, array in feeds.items()}:
            return False
        try:
            for name, array in feeds.items():
                self._binding.bind_cpu_input(name, array)
            self._session.run_with_iobinding(self._binding)
        except Exception:
            return False
        return True


def would_saturate(model: ir.Model | bytes | str | Path) -> bool:
    """Whether 16-bit intermediates of ONNX Runtime's integer kernels can saturate on this processor."""
    return bool(saturating(model))


def saturating(model: ir.Model | bytes | str | Path) -> list[str]:
    """The names of the nodes whose integer kernels can saturate 16-bit intermediates on this processor.

    x86 without VNNI adds two u8*s8 products in 16 bits with saturation (VPMADDUBSW); 7-bit weights cannot overflow.
    """
    if platform.machine().lower() not in _X86 or _VNNI & cpu_flags():
        return []
    graph = (model if isinstance(model, ir.Model) else _copy(model)).graph
    wide = [node for node in graph if node.op_type == "DequantizeLinear" and _widest(node) > _MAX_SEVEN_BITS]
    return list(dict.fromkeys(use.node.name or "" for node in wide for use in node.outputs[0].uses()))


def _widest(node: ir.Node) -> int:
    """The largest magnitude among the int8 weights that a node dequantizes; 0 for other nodes.

    Weights that the model quantizes at run time, as AIMET exports them, are assumed to use the whole grid.
    """
    stored = constant(node.inputs[0])
    producer = None if node.inputs[0] is None else node.inputs[0].producer()
    if producer is not None and producer.op_type == "QuantizeLinear" and constant(producer.inputs[0]) is not None:
        zero_point = constant(producer.inputs[2]) if len(producer.inputs) > 2 else None
        return 128 if zero_point is not None and zero_point.dtype == np.int8 else 0
    return 0 if stored is None or stored.dtype != np.int8 else int(np.abs(stored.astype(np.int16)).max(initial=0))


def _return(model: ir.Model, outputs: Sequence[str]) -> None:
    """Make these tensors, intermediate ones included, the model's outputs."""
    values = named_values(model.graph, outputs)
    model.graph.outputs.clear()
    model.graph.outputs.extend(values[name] for name in outputs)


def _copy(model: ir.Model | bytes | str | Path) -> ir.Model:
    if isinstance(model, ir.Model):
        return model.clone()
    try:
        if isinstance(model, bytes):
            import onnx

            return ir.from_proto(onnx.load_model_from_string(model))
        return ir.load(model)
    except Exception as error:
        raise ModelError(f"the model cannot be read: {_reason(error)}") from None


def _open(model: ir.Model | bytes | str | Path, options: Any, operators: str | None) -> Any:
    """Load into ONNX Runtime; consumes a model in memory."""
    try:
        if operators is not None:
            options.register_custom_ops_library(operators)
        if isinstance(model, ir.Model):
            weights = _take_weights(model)
            options.add_external_initializers(list(weights), list(weights.values()))
            return _session(ir.to_proto(model).SerializeToString(), options)
        return _session(model if isinstance(model, bytes) else str(model), options)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot load the model: {_reason(error)}") from None


def _take_weights(model: ir.Model) -> dict[str, Any]:
    """Move large constants out of the model, to pass them in memory: protobuf copies them and is limited to 2 GB."""
    moved: dict[str, Any] = {}
    for value in model.graph.initializers.values():
        tensor = value.const_value
        # ONNX Runtime fails to find initializers that it dropped as unused, or that only graphs inside nodes read.
        if (
            not any(use.node.graph is model.graph for use in value.uses())
            or tensor is None
            or tensor.nbytes < _MIN_EXTERNAL_BYTES
            or tensor.dtype not in _EXTERNAL_TYPES
            or value.name is None
        ):
            continue
        array = np.ascontiguousarray(tensor.numpy())
        moved[value.name] = onnxruntime.OrtValue.ortvalue_from_numpy(array)
        value.const_value = ir.ExternalTensor(
            "in memory", 0, tensor.nbytes, tensor.dtype, shape=ir.Shape(array.shape), name=value.name
        )
    return moved


def _session(model: bytes | str, options: Any) -> Any:
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _reason(error: Exception) -> str:
    """The most specific part of an ONNX Runtime message, on one line."""
    text = " ".join(str(error).split())
    text = text.split(" : ", 2)[-1]
    return text if len(text) <= 300 else text[:297] + "..."


def _spec(value: Any) -> TensorSpec:
    shape = tuple(dim if isinstance(dim, int | str) else None for dim in value.shape)
    return TensorSpec(value.name, np.dtype(_TYPES.get(value.type, np.object_)), shape)

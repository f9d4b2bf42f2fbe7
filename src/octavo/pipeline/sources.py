"""The types of models that public functions accept; no optional package is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import onnx_ir as ir
from numpy.typing import NDArray

from octavo.data import FilePath


class OnnxProto(Protocol):
    """A model as `onnx.ModelProto`."""

    @property
    def graph(self) -> Any:
        """Nodes, initializers, inputs and outputs."""

    @property
    def opset_import(self) -> Any:
        """Operator set versions by domain."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """The model as protobuf bytes."""


class TorchModule(Protocol):
    """A network as `torch.nn.Module`."""

    @property
    def forward(self) -> Callable[..., Any]:
        """Computes the outputs."""

    def eval(self) -> Any:
        """Switch to inference mode."""

    def state_dict(self) -> Mapping[str, Any]:
        """Parameters and buffers by name."""


class TorchProgram(Protocol):
    """A network as `torch.export.ExportedProgram`."""

    @property
    def graph_signature(self) -> Any:
        """Names of inputs, outputs, parameters and buffers."""

    def module(self) -> Any:
        """The network as a module."""


class ArrayLike(Protocol):
    """A NumPy array or a PyTorch tensor."""

    @property
    def shape(self) -> Any:
        """Length of each axis."""

    def __array__(self) -> NDArray[Any]: ...


OnnxSource = FilePath | ir.Model | OnnxProto
ModelSource = OnnxSource | TorchModule | TorchProgram
ExampleInputs = ArrayLike | tuple[object, ...] | Mapping[str, object]
DynamicShapes = Mapping[str, object] | tuple[object, ...] | list[object]

"""Constants of exported models."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def own_constants(model: ir.Model) -> None:
    """Copy initializers that share memory with PyTorch tensors, so that later changes to the module do not reach them.

    Args:
        model: changed in place.
    """
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is not None:
            value.const_value = ir.tensor(np.array(tensor.numpy()), dtype=tensor.dtype, name=value.name)

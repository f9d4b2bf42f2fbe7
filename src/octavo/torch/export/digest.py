"""Identify a module by the contents of its tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch.export import ExportedProgram


def module_sha256(module: torch.nn.Module | ExportedProgram) -> str:
    """SHA-256 of the names, dtypes, shapes and contents of all tensors in the state dict of a module or program."""
    state = module.state_dict if isinstance(module.state_dict, Mapping) else module.state_dict()
    digest = hashlib.sha256()
    for name in sorted(name for name, value in state.items() if isinstance(value, torch.Tensor)):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()

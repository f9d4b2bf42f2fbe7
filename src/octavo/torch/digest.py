"""What tells one module, with the weights it has, from others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from octavo.torch.translate import pytorch


def module_sha256(module: Any) -> str:
    """SHA-256 of the names, types, shapes and contents of all tensors in the state_dict of a module or program."""
    torch = pytorch()
    state = module.state_dict if isinstance(module.state_dict, Mapping) else module.state_dict()
    digest = hashlib.sha256()
    for name in sorted(name for name, each in state.items() if isinstance(each, torch.Tensor)):
        array = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{array.dtype}:{tuple(array.shape)};".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().tobytes() if array.numel() else b"")
    return digest.hexdigest()

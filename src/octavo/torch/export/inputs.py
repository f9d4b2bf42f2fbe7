"""Example inputs of a module: conversion to tensors, checks, and their batch axes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from octavo.errors import ModelError

# An export with a batch of 1 treats the batch size as a constant; in some networks, so does one whose batch size
# equals another size.
_COPIES = 3

# Positional and keyword inputs of a module.
Inputs = tuple[tuple[Any, ...], dict[str, Any]]


def as_inputs(example: Any) -> Inputs:
    """Convert one tensor, a tuple of positional inputs or a dict of keyword inputs to CPU tensors."""
    if isinstance(example, Mapping):
        return (), {str(name): _map_leaves(_tensor, value) for name, value in example.items()}
    positional = example if isinstance(example, tuple | list) else (example,)
    return tuple(_map_leaves(_tensor, value) for value in positional), {}


def check_fits(module: nn.Module, inputs: Inputs) -> None:
    """Check the inputs against the signature of `module.forward`.

    Raises:
        ModelError: they do not fit.
    """
    try:
        inspect.signature(module.forward).bind(*inputs[0], **inputs[1])
    except TypeError as error:
        kind = type(module).__name__
        raise ModelError(
            f"the example inputs do not fit the forward of {kind} ({error}); "
            "give a tuple of positional inputs, or a dict by parameter name"
        ) from None


def with_batch_axes(module: nn.Module, inputs: Inputs) -> tuple[Inputs, dict[str, Any]]:
    """Return inputs with a batch larger than 1, and the dynamic shapes by forward's arguments.

    Axis 0 of each tensor whose size equals that of the first tensor is a batch axis.
    """
    args, kwargs = inputs
    tensors = [leaf for leaf in _leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.ndim]
    batch = tensors[0].shape[0] if tensors else 0

    def has_batch(value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == batch

    def repeat(value: Any) -> Any:
        return torch.cat([value] * _COPIES) if has_batch(value) and batch == 1 else value

    def axes(value: Any) -> Any:
        return {0: torch.export.Dim.AUTO} if has_batch(value) else None

    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    return (_map_leaves(repeat, inputs) if batch == 1 else inputs), _map_leaves(axes, dict(bound))


def _tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    return value.detach().cpu() if isinstance(value, torch.Tensor) else value


def _map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to every leaf of nested dicts, lists and tuples."""
    if isinstance(value, Mapping):
        return {key: _map_leaves(function, item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_leaves(function, item) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_map_leaves(function, item) for item in value)
    return function(value)


def _leaves(value: Any) -> list[Any]:
    leaves: list[Any] = []
    _map_leaves(leaves.append, value)
    return leaves

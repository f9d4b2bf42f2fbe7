"""Targets: what each hardware and engine accepts, one TOML file per target."""

from __future__ import annotations

from octavo.targets.detect import cpu_flags, this_machine
from octavo.targets.registry import target, target_names
from octavo.targets.target import Role, Target, TensorRule, read_target

__all__ = [
    "Role",
    "Target",
    "TensorRule",
    "cpu_flags",
    "read_target",
    "target",
    "target_names",
    "this_machine",
]

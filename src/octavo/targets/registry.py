"""Find a target by name, by file, or by detection of this machine. A new target is a TOML file in this folder."""

from __future__ import annotations

from pathlib import Path

from octavo.errors import TargetError
from octavo.targets.detect import this_machine
from octavo.targets.target import Target, read_target

_FOLDER = Path(__file__).parent


def target_names() -> list[str]:
    """The names of the registered targets, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def target(
    name: str | Target,
    *,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    block_size: int | None = None,
) -> Target:
    """Find a target by name, and set its bit widths.

    Args:
        name: a name; "auto" detects this machine; a path that ends in .toml reads that file; a Target is
            returned unchanged.
        weight_bits: bits of the weights; None keeps the default of the target.
        activation_bits: bits of the activations; None keeps the default of the target.
        block_size: weights that share a scale; None keeps the default of the target.

    Raises:
        TargetError: the target is unknown, its file is not valid, or it does not accept a width.
    """
    selected = name if isinstance(name, Target) else _named(name)
    if weight_bits is not None or activation_bits is not None:
        selected = selected.with_bits(weight_bits, activation_bits)
    return selected if block_size is None else selected.with_block_size(block_size)


def _named(name: str) -> Target:
    if name == "auto":
        name = this_machine()
    if name.endswith(".toml"):
        return read_target(Path(name))
    if name not in target_names():
        known = ", ".join(["auto", *target_names()])
        raise TargetError(f"there is no target '{name}'; use one of {known}, or a path to a .toml file")
    return read_target(_FOLDER / f"{name}.toml")

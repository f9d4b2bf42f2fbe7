"""Find a target by name, by file, or by looking at this machine."""

from __future__ import annotations

from pathlib import Path

from octavo.errors import TargetError
from octavo.targets.detect import this_machine
from octavo.targets.target import Target, read_target

_FOLDER = Path(__file__).parent


def target_names() -> list[str]:
    """The names of the targets that come with Octavo: one TOML file in this folder each."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def target(name: str | Target) -> Target:
    """The target of that name; `auto` reads this machine, a path ending in .toml reads that file.

    Raises:
        TargetError: there is no such target, or its file is not valid.
    """
    if isinstance(name, Target):
        return name
    if name == "auto":
        name = this_machine()
    if name.endswith(".toml"):
        return read_target(Path(name))
    if name not in target_names():
        known = ", ".join(["auto", *target_names()])
        raise TargetError(f"there is no target '{name}'; use one of {known}, or a path to a .toml file")
    return read_target(_FOLDER / f"{name}.toml")

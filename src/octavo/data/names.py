"""Match stored arrays to model inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octavo.errors import DataError
from octavo.graph.spec import TensorSpec

REFERENCE_NAMES = ("labels", "groups")


def match_names(
    names: Sequence[str], specs: Sequence[TensorSpec], where: str, ranks: Mapping[str, int]
) -> dict[str, str]:
    """Map array names to model inputs; a model with one input also accepts the only candidate under another name.

    Raises:
        DataError: an input has no array.
    """
    matched = {spec.name: spec.name for spec in specs if spec.name in names}
    missing = [spec.name for spec in specs if spec.name not in names]
    if not missing:
        return matched
    candidates = [n for n in names if n not in REFERENCE_NAMES and ranks[n] == len(specs[0].shape)]
    if len(specs) == 1 and len(candidates) == 1:
        return {candidates[0]: specs[0].name}
    if len(specs) == 1 and len(names) == 1:
        return {names[0]: specs[0].name}
    raise DataError(
        f"{where} has no array for the model's input '{missing[0]}'; it holds {_list(names)}, "
        f"the model takes {_list([spec.name for spec in specs])}"
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"

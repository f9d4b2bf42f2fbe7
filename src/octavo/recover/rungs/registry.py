"""The registry of rungs, in the order of the ladder. A new rung is a file in this folder and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.errors import OptionError
from octavo.recover.rung import Rung
from octavo.recover.rungs.correct import CORRECT, CORRECT_ANALYTIC
from octavo.recover.rungs.equalize import EQUALIZE
from octavo.recover.rungs.mix import MIX
from octavo.recover.rungs.reconstruct import RECONSTRUCT
from octavo.recover.rungs.round import ROUND
from octavo.recover.rungs.search import SEARCH
from octavo.recover.rungs.smooth import SMOOTH
from octavo.recover.rungs.train import TRAIN

_RUNGS = (SEARCH, EQUALIZE, SMOOTH, CORRECT, ROUND, RECONSTRUCT, MIX, TRAIN)
# Variants, which replace the rung before the colon where they are named.
_VARIANTS = (CORRECT_ANALYTIC,)
AUTO, NONE = "auto", "none"


def rung_names() -> list[str]:
    """The names that `rungs` takes."""
    return [rung.name for rung in (*_RUNGS, *_VARIANTS)]


def rungs_named(names: str | Sequence[str]) -> list[Rung]:
    """The rungs with these names, in the order of the ladder; "auto" means all of them, "none" none.

    Raises:
        OptionError: there is no such rung.
    """
    requested = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    if requested == [AUTO]:
        return list(_RUNGS)
    if requested == [NONE]:
        return []
    known = {rung.name: rung for rung in (*_RUNGS, *_VARIANTS)}
    unknown = [name for name in requested if name not in known]
    if unknown:
        raise OptionError(f"there is no rung '{unknown[0]}'; use {AUTO}, {NONE}, or some of {', '.join(known)}")
    order = {rung.name: place for place, rung in enumerate(_RUNGS)}
    return [known[name] for name in sorted(dict.fromkeys(requested), key=lambda name: order[name.partition(":")[0]])]

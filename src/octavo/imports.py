"""Objects that are named as `module:name` on the command line."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from octavo.errors import OptionError


def imported(spec: str, what: str) -> Any:
    """The object `module:name`, the module sought beside the working directory as well.

    Raises:
        OptionError: the module or the name cannot be found; the sentence calls it `what`.
    """
    module, _, name = spec.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise OptionError(f"{what} {spec} cannot be imported ({reason}); check its name") from None

"""Import functions given as `module:function`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

from octavo.errors import OptionError


def function_named(spec: str, role: str) -> Callable[..., Any]:
    """The function `module:function`; the working directory is on the search path. `role` names its use in messages.

    Raises:
        OptionError: the module cannot be imported, or holds no such function.
    """
    module, _, function = spec.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        function_object = getattr(importlib.import_module(module), function)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise OptionError(f"{role} {spec} cannot be imported ({reason}); check its name") from None
    if not callable(function_object):
        raise OptionError(f"{role} {spec} is not a function; give module:function")
    return function_object  # type: ignore[no-any-return]


def is_function(spec: str) -> bool:
    """Whether `module:function` names a function that exists; modules that cannot be found are not imported."""
    module, _, function = spec.rpartition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.util.find_spec(module) is not None
        return found and callable(getattr(importlib.import_module(module), function, None))
    except Exception:
        return False

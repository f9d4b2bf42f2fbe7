"""Name parameters of the library as options of the command line.

Messages of the library name parameters in backquotes, alone or with a value: `max_drop`, `rungs="mix"`,
`dims={"sequence": 128}`. On the command line these are --max-drop, --rungs mix, and --dim sequence=128.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

# Names that are no parameter of a verb's function: fields of `Preprocess`, and what a method of the result writes.
ALIASES = {
    "preprocess.scale": "--input-scale",
    "preprocess.offset": "--input-offset",
    "preprocess.size": "--image-size HEIGHTxWIDTH",
    "preprocess.mean": "--mean",
    "preprocess.std": "--std",
    "preprocess.layout": "--layout",
    "budget.max_drop": "--max-drop",
    "budget.rungs": "--rungs",
    "budget.allow_training": "--allow-training",
    "result.recipe.write": "--recipe NEW.yaml",
    "result.write_json": "octavo quantize --json",
}

_NAME = re.compile(r"`([a-z_.]+)(?:=([^`]+))?`")


def with_flags(text: str, flags: Mapping[str, str]) -> str:
    """Replace the backquoted parameters of a text by options; other names stay as they are.

    Args:
        text: a message of the library.
        flags: options by parameter name.
    """

    def flag(match: re.Match[str]) -> str:
        name, value = match.groups()
        option = flags.get(name)
        if option is None:
            return match.group()
        return option if value is None else _option(option, value)

    return _NAME.sub(flag, text)


def flags_of(verbs: Any) -> dict[str, str]:
    """The long option of each parameter of the verbs, by the name of the parameter.

    Args:
        verbs: the command group of the Typer application.
    """
    flags = dict(ALIASES)
    for verb in verbs.commands.values():
        for parameter in verb.params:
            long = [name for name in parameter.opts if name.startswith("--")]
            if long:
                flags[parameter.name] = long[0]
    return flags


def _option(option: str, value: str) -> str:
    """An option with a Python value: `True` needs no text, and a mapping repeats the option."""
    try:
        parsed = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        parsed = value
    if parsed is True:
        return option
    if isinstance(parsed, dict):
        return " ".join(f"{option} {name}={_text(size)}" for name, size in parsed.items())
    return f"{option} {_text(parsed)}"


def _text(value: object) -> str:
    return "..".join(map(str, value)) if isinstance(value, tuple) else str(value)

"""Read a JSON result and validate it against its schema."""

from __future__ import annotations

import importlib
import json
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from octavo.errors import DependencyError, OptionError
from octavo.report.html.plots import tensors_of
from octavo.report.plain import Plain

_LIMIT = 2**63


def read_result(path: Path) -> Plain:
    """Read the plain form of a result that `octavo quantize --json` or `write_json` wrote.

    Raises:
        OptionError: the file cannot be read, or is not a result of this version.
        DependencyError: the package jsonschema is not installed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        result = json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except OSError as error:
        raise OptionError(f"result {path} cannot be read ({error.strerror}); check the path") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{path} is not JSON ({error}); give what `result.write_json` wrote") from None
    wrong = _problem(result)
    if wrong is not None:
        raise OptionError(
            f"{path} is not a result of this version of Octavo: {wrong}; write it again with `result.write_json`"
        )
    return result  # type: ignore[no-any-return]


def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a result."""
    return json.loads(files("octavo.report.html").joinpath("result.schema.json").read_text("utf-8"))  # type: ignore[no-any-return]


def _problem(result: Any) -> str | None:
    """The violation of the schema that matters most, with its JSON path; None if the result is valid."""
    try:
        library: Any = importlib.import_module("jsonschema")
    except ImportError:
        raise DependencyError("jsonschema", "report") from None
    error = library.exceptions.best_match(library.Draft202012Validator(schema()).iter_errors(result))
    if error is None:
        return _inconsistent(result)
    where = error.json_path.removeprefix("$").removeprefix(".")
    message = error.message if len(error.message) < 200 else f"{error.message[:200]} …"
    return f"at {where or 'its top'}, {message}"


def _inconsistent(result: Plain) -> str | None:
    """A violation that a schema cannot express: mismatched numbers of scales, zero points and channels."""
    for tensor in (tensor for layer in result["layers"] for tensor in tensors_of(layer)):
        values = result["tensors"].get(tensor["tensor"])
        if len(tensor["scale"]) != len(tensor["zero_point"]):
            return f"tensor '{tensor['tensor']}' has different numbers of scales and zero points"
        if values is not None and (values["channel"] or 0) >= len(tensor["scale"]):
            return f"tensor '{tensor['tensor']}' has no channel {values['channel']}"
    return None


def _finite(token: str) -> float:
    value = float(token)
    if not isfinite(value):
        raise ValueError(f"{token[:40]} is not a finite number")
    return value


def _whole(token: str) -> int:
    value = int(token)
    if abs(value) >= _LIMIT:
        raise ValueError(f"{token[:40]} is too large")
    return value

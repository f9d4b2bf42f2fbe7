"""Trained models and real data to measure on, loaded through the `cases.py` of their folder."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

Arrays = dict[str, np.ndarray]
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "cases"


class Case(Protocol):
    """One trained model with its data; `metric(outputs, reference)` is in points, higher is better."""

    name: str
    hard: bool
    model: Path
    calibration: Arrays
    evaluation: Arrays
    reference: Arrays
    metric: Callable[[Arrays, Arrays], float]


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options common to all benchmarks."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="CASE", help="cases to measure (default: all)")
    options.add_argument("--cases", type=Path, help="folder of cases (default: $OCTAVO_CASES, else beside)")
    options.add_argument("--json", type=Path, help="write every figure to this file")
    return options


def folder(option: Path | None) -> Path | None:
    """The folder of the cases: `chosen`, else $OCTAVO_CASES, else next to the repository; None if absent."""
    path = option or Path(os.environ.get("OCTAVO_CASES", BESIDE))
    return path if (path / "cases.py").is_file() else None


def names(cases_folder: Path) -> list[str]:
    """The names of all cases."""
    return list(_module(cases_folder).CASES)


def load(cases_folder: Path, name: str) -> Case:
    """Load a case. Raises ImportError or SystemExit if a package that it needs is missing."""
    case: Case = _module(cases_folder).load(name)
    return case


def selected(options: argparse.Namespace) -> Iterator[Case]:
    """Load the selected cases one at a time; print skipped ones and the reason on stderr."""
    cases_folder = folder(options.cases)
    if cases_folder is None:
        print("skipped: no cases found; name their folder with --cases or OCTAVO_CASES", file=sys.stderr)
        return
    known = names(cases_folder)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise SystemExit(f"unknown case {unknown[0]}; there are {', '.join(known)}")
    for name in options.names or known:
        try:
            case = load(cases_folder, name)
        except (ImportError, SystemExit) as error:
            print(f"skipped {name}: {error}", file=sys.stderr)
            continue
        yield case


def _module(cases_folder: Path) -> ModuleType:
    name = "octavo_cases"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, cases_folder / "cases.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{cases_folder / 'cases.py'} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look up their module while it is executed
        spec.loader.exec_module(module)
    return sys.modules[name]

"""The models that engines are timed on: networks and cases as files, cached under build/."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx_ir as ir

import octavo
from benchmarks.cases import Arrays, folder, load, names
from benchmarks.networks import NETWORKS, Network
from octavo.compiler import compile_model
from octavo.errors import ModelError

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "prepared"
_SAMPLES = 4
T = TypeVar("T")
# The target that Octavo compiles for, and the other target whose model ONNX Runtime and OpenVINO may run.
OWN, PEERS = "octavo", "x86-vnni"


@dataclass(frozen=True)
class Prepared:
    """The files of a network. The ONNX models have dynamic sizes: ONNX Runtime fuses more that way.

    Attributes:
        folder: where the files are.
        refused: why the native runtime does not run it; None if it does.
    """

    name: str
    folder: Path
    refused: str | None = None

    @property
    def float_model(self) -> Path:
        return self.folder / "float.onnx"

    @property
    def bundle(self) -> Path:
        return self.folder / "model.oct"

    @property
    def feeds(self) -> Path:
        """The inputs of a run; the bundle is compiled for their shapes."""
        return self.folder / "feeds.npz"

    def quantized(self, target: str) -> Path:
        return self.folder / f"{target}.onnx"


def prepared(options: argparse.Namespace) -> Iterator[Prepared]:
    """The networks and cases selected by the options, with their files."""
    return selected(options, of_network, of_case)


def selected(
    options: argparse.Namespace, of_network: Callable[[Network], T], of_case: Callable[[Path, str], T]
) -> Iterator[T]:
    """The networks and cases selected by the options, by default all; prints skipped ones and the reason on stderr."""
    cases_folder = folder(options.cases)
    if cases_folder is None:
        print("no cases found: name their folder with --cases or OCTAVO_CASES", file=sys.stderr)
    known = [*NETWORKS, *(names(cases_folder) if cases_folder else ())]
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise SystemExit(f"unknown network or case {unknown[0]}; there are {', '.join(known)}")
    for name in options.names or known:
        try:
            yield (
                of_network(NETWORKS[name]) if name in NETWORKS or cases_folder is None else of_case(cases_folder, name)
            )
        except (ImportError, SystemExit) as error:
            print(f"skipped {name}: {error}", file=sys.stderr)


def of_network(network: Network) -> Prepared:
    """The network quantized with minmax on a few random samples, which is enough for latency."""
    calibration = network.samples(_SAMPLES)
    return _made(network.name, network.model, calibration, {"input": calibration[:1]}, "minmax")


def of_case(cases_folder: Path, name: str) -> Prepared:
    """The case quantized with its calibration samples; timed on its first evaluation sample."""
    case = load(cases_folder, name)
    feeds = {key: array[:1] for key, array in case.evaluation.items()}
    return _made(name, lambda: ir.load(case.model), case.calibration, feeds, None)


def _made(
    name: str,
    make: Callable[[], ir.Model],
    calibration: Arrays | np.ndarray,
    feeds: Arrays,
    estimator: str | None,
) -> Prepared:
    files = Prepared(name, _cache() / name)
    if not files.feeds.exists():
        files.folder.mkdir(parents=True, exist_ok=True)
        model = make()
        ir.save(model, files.float_model)
        for target in (OWN, PEERS):
            result = octavo.quantize(model, calibration, target, estimator=estimator, verify=False)
            result.save(files.quantized(target), overwrite=True)
        # Last: its presence marks the other files as complete.
        np.savez(files.feeds, **feeds)
    return Prepared(name, files.folder, _refused(files, feeds))


def _refused(files: Prepared, feeds: Arrays) -> str | None:
    """Write the bundle; the compiler's message if it refuses the model, else None."""
    model = ir.load(files.quantized(OWN))
    for value in model.graph.inputs:
        value.shape = ir.Shape(feeds[value.name or ""].shape)
    try:
        files.bundle.write_bytes(compile_model(model))
    except ModelError as error:
        return str(error)
    return None


def _cache() -> Path:
    """A cache folder keyed by the hash of all sources that the files depend on; removes older ones."""
    digest = hashlib.sha256()
    for root in (ROOT / "src", ROOT / "benchmarks" / "networks", Path(__file__)):
        for source in sorted(root.rglob("*.*") if root.is_dir() else [root]):
            if source.suffix in (".py", ".toml"):
                digest.update(source.read_bytes())
    folder = CACHE / digest.hexdigest()[:16]
    for older in CACHE.glob("*") if not folder.exists() else ():
        shutil.rmtree(older)
    return folder

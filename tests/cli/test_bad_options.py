"""Bad outputs, options and recipes, and failures at run time: exit codes, one sentence, no file damaged."""

from __future__ import annotations

import errno
import importlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from tests.helpers.command_line import UNTIMED, Octavo, Refused, contents, only_sentence, process

from octavo.errors import BudgetNotMet, OctavoError
from octavo.pipeline import planner

DATA = ("-c", "calib.npz", "-o", "out.onnx")


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_existing_outputs_are_refused(option: str, refused: Refused, work: Path) -> None:
    (work / "there").write_text("precious")
    outputs = {"-o": "out.onnx", "--json": "out.json"} | {option: "there"}
    flat = [text for pair in outputs.items() for text in pair]
    sentence = refused("quantize", "digits.onnx", "-c", "calib.npz", *flat)
    assert "there exists" in sentence
    assert "--force" in sentence


def test_force_overwrites(quantize: Octavo, work: Path) -> None:
    for name in ("out.onnx", "out.json"):
        (work / name).write_text("old")
    quantize("--json", "out.json", "--force")
    onnx.checker.check_model(onnx.load("out.onnx"))
    assert (work / "out.json").read_text().startswith("{")


@pytest.mark.parametrize("option", ["-o", "--json", "--recipe"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("absent/out", "does not exist"),
        ("digits.onnx/out", "does not exist"),
        ("folder", "folder"),
        ("folder/../digits.onnx", "choose another output"),
        ("alias.onnx", "choose another output"),
        ("calib.npz", "choose another output"),
        ("eval.npz", "choose another output"),
    ],
)
def test_invalid_outputs_are_refused(option: str, path: str, expected: str, refused: Refused, work: Path) -> None:
    (work / "folder").mkdir()
    (work / "alias.onnx").symlink_to(work / "digits.onnx")
    outputs = {"-o": "out.onnx"} | {option: path}
    flat = [text for pair in outputs.items() for text in pair]
    sentence = refused("quantize", "digits.onnx", "-c", "calib.npz", "-e", "eval.npz", "--force", *flat)
    if option != "--recipe" or not Path(path).exists():  # an existing recipe is read, never written
        assert expected in sentence


def test_one_path_for_two_outputs_is_refused(refused: Refused) -> None:
    assert "two outputs" in refused("quantize", "digits.onnx", *DATA, "--json", "./out.onnx")


def test_a_read_only_folder_is_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and allowed(path, mode))
    assert "cannot be written" in refused("quantize", "digits.onnx", *DATA)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_folder_that_fails_on_write_is_refused(refused: Refused) -> None:
    sentence = refused("quantize", "digits.onnx", "-c", "calib.npz", "-o", "/proc/out.onnx", "-t", UNTIMED)
    assert "cannot be written" in sentence


@pytest.mark.parametrize("present", [False, True])
def test_a_full_disk_changes_no_file(present: bool, work: Path) -> None:
    if present:
        (work / "out.onnx").write_text("old")
    before = contents(work)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    result = process("quantize", "digits.onnx", *DATA, "-t", UNTIMED, "--force", cwd=work, preexec_fn=limit)
    assert (result.code, result.out) == (2, "")
    assert "out.onnx cannot be written (File too large)" in only_sentence(result.err)
    assert contents(work) == before


@pytest.mark.parametrize("file", ["out.json", "recipe.yaml"])
def test_a_disk_that_fills_up_during_writing_leaves_complete_files_only(
    file: str, octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def full(descriptor: int) -> None:
        if f".{file}." in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    before = contents(work)
    option = "--json" if file == "out.json" else "--recipe"
    result = octavo("quantize", "digits.onnx", *DATA, "-t", UNTIMED, option, file)
    assert result.code == 2
    assert f"{file} cannot be written (No space left on device)" in only_sentence(result.err)
    after = contents(work)
    onnx.checker.check_model(onnx.load("out.onnx"))
    assert {name: after[name] for name in before} == before
    assert set(after) == {*before, "out.onnx"}


BAD_OPTIONS: dict[str, tuple[tuple[object, ...], str]] = {
    "no such command": (("quantise",), "quantise"),
    "no such option": (("targets", "--colour"), "--colour"),
    "no model": (("quantize",), "MODEL"),
    "unknown target": (("quantize", "digits.onnx", *DATA, "-t", "z80"), "there is no target 'z80'; use one of auto"),
    "missing target file": (("quantize", "digits.onnx", *DATA, "-t", "my.toml"), "my.toml"),
    "unknown target of inspect": (("inspect", "digits.onnx", "-t", "z80"), "z80"),
    "unknown metric": (("quantize", "digits.onnx", *DATA, "-e", "eval.npz", "--metric", "top3"), "top3"),
    "missing metric": (("quantize", "digits.onnx", *DATA, "-e", "eval.npz", "--metric", "no_such:f"), "no_such"),
    "metric alone": (("quantize", "digits.onnx", *DATA, "--metric", "top1"), "--metric needs --evaluate"),
    "unknown estimator": (("quantize", "digits.onnx", *DATA, "--estimator", "median"), "median"),
    "percentile of text": (("quantize", "digits.onnx", *DATA, "--estimator", "percentile:high"), "percentile:high"),
    "percentile beyond 100": (("quantize", "digits.onnx", *DATA, "--estimator", "percentile:101"), "percentile"),
    "parameter of none": (("quantize", "digits.onnx", *DATA, "--estimator", "minmax:3"), "minmax:3"),
    "exclude nothing": (("quantize", "digits.onnx", *DATA, "--exclude", "Softmaxx"), "'Softmaxx' matches no node"),
    "no expression": (("quantize", "digits.onnx", *DATA, "--exclude", "(a"), "not a valid regular expression"),
    "no samples": (("quantize", "digits.onnx", *DATA, "--samples", 0), "--samples"),
    "no batch": (("quantize", "digits.onnx", *DATA, "--batch-size", 0), "--batch-size"),
    "no threads": (("quantize", "digits.onnx", *DATA, "--threads", 0), "--threads"),
    "negative seed": (("quantize", "digits.onnx", *DATA, "--seed", -1), "--seed"),
    "no size": (("quantize", "digits.onnx", *DATA, "--image-size", "large"), "--image-size large"),
    "empty size": (("quantize", "digits.onnx", *DATA, "--image-size", "0x8"), "--image-size 0x8"),
    "no mean": (("quantize", "digits.onnx", *DATA, "--mean", "a,b"), "--mean a,b"),
    "no spread": (("quantize", "digits.onnx", *DATA, "--std", "0"), "std"),
    "no layout": (("quantize", "digits.onnx", *DATA, "--layout", "CHWN"), "CHWN"),
    "no scale": (("quantize", "digits.onnx", *DATA, "--input-scale", "nan"), "scale"),
    "missing recipe folder": (("quantize", "digits.onnx", *DATA, "--recipe", "no/r.yaml"), "no/r.yaml"),
    "no range": (("explain",), "--range"),
    "half a range": (("explain", "--range", "1"), "--range"),
    "range and weights": (("explain", "--range", "0", "1", "--weights", "calib.npz"), "either"),
    "range of NaN": (("explain", "--range", "0", "nan"), "finite"),
    "range beyond float32": (("explain", "--range", "0", "1e300"), "finite"),
    "no grid": (("explain", "--range", "0", "1", "--dtype", "int3"), "int3"),
    "grid beyond its type": (("explain", "--range", "0", "1", "--dtype", "int8[-300,3]"), "[-300,3]"),
    "channels of a range": (("explain", "--range", "0", "1", "--axis", "0"), "--axis needs --weights"),
    "no such axis": (("explain", "--weights", "calib.npz", "--axis", "4"), "axis"),
    "which array": (("explain", "--weights", "eval.npz"), "'labels'"),
    "no such array": (("explain", "--weights", "eval.npz", "--tensor", "x"), "'labels'"),
    "missing array file": (("explain", "--weights", "no.npy"), "no.npy does not exist"),
    "no model to time": (("bench",), "MODEL"),
    "no dimension": (("bench", "digits.onnx", "--dim", "batch"), "NAME=SIZE"),
    "empty dimension": (("bench", "digits.onnx", "--dim", "batch=0"), "batch=0"),
    "unknown dimension": (("bench", "digits.onnx", "--dim", "time=3"), "'time'"),
    "no time": (("bench", "digits.onnx", "--seconds", "0"), "--seconds"),
    "one model to compare": (("compare", "digits.onnx", "-d", "eval.npz"), "no model to compare with the first"),
    "a page over the data": (
        ("compare", "digits.onnx", "digits.onnx", "-d", "eval.npz", "--report", "eval.npz", "--force"),
        "eval.npz",
    ),
    "a page that exists": (
        ("quantize", "digits.onnx", "-c", "calib.npz", "-o", "out.onnx", "--report", "eval.npz"),
        "--force",
    ),
    "a result that is none": (("report", "eval.npz"), "not JSON"),
    "a missing result": (("report", "no.json"), "no.json"),
}


@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_invalid_options_are_refused(kind: str, refused: Refused) -> None:
    arguments, expected = BAD_OPTIONS[kind]
    assert expected in refused(*arguments)


RECIPE = "octavo_recipe: 1\ntarget: octavo\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "not an Octavo recipe"),
        ("a: [", "not valid YAML"),
        ("octavo_recipe: 2\ntarget: octavo\n", "not an Octavo recipe of version 1"),
        ("octavo_recipe: 1\n", "target"),
        (RECIPE + "speed: high\n", "speed"),
        (RECIPE + "exclude: Softmax\n", "exclude"),
        (RECIPE + "seed: often\n", "seed"),
        (RECIPE + "tensors: {ghost: {grid: int8, symmetric: false, estimator: mse}}\n", "'ghost'"),
        (RECIPE + "tensors: {image: {grid: int3, symmetric: false, estimator: mse}}\n", "int3"),
        (RECIPE + "tensors: {image: {grid: uint8, symmetric: false, estimator: median}}\n", "median"),
        (RECIPE + "weights: {ghost: {1: {grid: int8, axis: 0}}}\n", "'ghost'"),
        (RECIPE + "weights: {/classifier/Gemm: {1: {grid: int8, axis: 7}}}\n", "axis"),
        ("octavo_recipe: 1\ntarget: z80\n", "z80"),
    ],
)
def test_invalid_recipes_are_refused(text: str, expected: str, refused: Refused) -> None:
    Path("recipe.yaml").write_text(text)
    assert expected in refused("quantize", "digits.onnx", *DATA, "--recipe", "recipe.yaml")


def test_a_failing_metric_is_an_error(refused: Refused, monkeypatch: pytest.MonkeyPatch, work: Path) -> None:
    monkeypatch.syspath_prepend(work)
    (work / "unlucky_metric.py").write_text("def f(outputs, reference):\n    return outputs['nothing']\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sentence = refused("quantize", "digits.onnx", *DATA, "-e", "eval.npz", "--metric", "unlucky_metric:f")
    assert "metric unlucky_metric:f failed with KeyError" in sentence


@pytest.mark.parametrize("fault", [RuntimeError("lost the thread"), OctavoError("lost the thread")])
def test_an_internal_error_shows_its_traceback(
    fault: Exception, octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(planner, "make_plan", fail)
    before = contents(work)
    result = octavo("quantize", "digits.onnx", *DATA)
    assert (result.code, result.out) == (1, "")
    assert "Traceback (most recent call last)" in result.err
    (message,) = [line for line in result.err.splitlines() if line.startswith("octavo: ")]
    assert "lost the thread" in message
    assert contents(work) == before


def test_a_budget_not_met_exits_with_3(octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BudgetNotMet("the drop is 3 points, the budget 1")

    monkeypatch.setattr(planner, "make_plan", fail)
    result = octavo("quantize", "digits.onnx", *DATA)
    assert result.code == 3
    assert only_sentence(result.err) == "the drop is 3 points, the budget 1"


def test_an_interrupted_run_resumes(
    quantize: Octavo, octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantize("--batch-size", 6, output="whole.onnx")
    calibration = importlib.import_module("octavo.calibrate.run")
    in_graph = importlib.import_module("octavo.calibrate.graph_observation")
    padded_parts, runs = in_graph.padded_parts, []

    def interrupted(*arguments: object) -> object:
        runs.append(arguments)
        if len(runs) == 8:
            raise KeyboardInterrupt
        return padded_parts(*arguments)

    monkeypatch.setattr(in_graph, "padded_parts", interrupted)
    monkeypatch.setattr(calibration, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    before = contents(work)
    result = octavo("quantize", "digits.onnx", *DATA, "-t", UNTIMED, "--batch-size", 6)
    assert result.code == 130
    assert "interrupted" in only_sentence(result.err)
    assert set(contents(work)) - set(before) == {".out.onnx.checkpoint"}
    quantize("--batch-size", 6)
    assert len(runs) == 8 + 3  # seven of the ten batches were in the checkpoint
    assert set(contents(work)) - set(before) == {"out.onnx"}
    assert (work / "out.onnx").read_bytes() == (work / "whole.onnx").read_bytes()


def test_a_closed_pipe_is_not_an_error(work: Path) -> None:
    command = f"'{sys.executable}' -m octavo targets | head -1"
    completed = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=60)
    assert completed.stdout.startswith("Targets")
    assert completed.stderr == ""


def test_errors_in_a_pipe_are_not_wrapped(work: Path) -> None:
    name = "a_rather_long_name_of_a_model_that_is_not_there" * 4 + ".onnx"
    result = process("inspect", name, cwd=work, env={**os.environ, "COLUMNS": "40"})
    assert (result.code, result.out) == (2, "")
    assert name in only_sentence(result.err)

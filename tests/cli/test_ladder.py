"""A budget on the command line: exit codes, the verdict, and the best model."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.command_line import Octavo

COMMAND = ("quantize", "digits.onnx", "-c", "calib.npz", "-o", "out.onnx", "-t", "octavo", "--threads", "1")


def test_a_budget_met_by_plain_quantization_tries_no_rung(octavo: Octavo, work: Path) -> None:
    run = octavo(*COMMAND, "-e", "eval.npz", "--max-drop", "50", "--json", "out.json")
    assert run.code == 0
    result = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert [step["rung"] for step in result["steps"]] == ["plain"]
    assert result["verdict"]["kind"] == "met"
    assert "budget of 50 points met" in run.out
    # A third of the 899 samples is the selection set.
    assert result["metric"]["samples"] == 599
    assert not [path for path in work.iterdir() if path.name.startswith(".")]


def test_a_budget_not_met_exits_with_3_and_writes_the_best_model(octavo: Octavo, work: Path) -> None:
    run = octavo(*COMMAND, "-e", "eval.npz", "--max-drop", "1", "--rungs", "correct", "--estimator", "percentile:80")
    assert run.code == 3
    assert run.err.startswith("octavo: budget of 1 points not met")
    assert "out.onnx holds the best model found" in run.err
    assert (work / "out.onnx").exists()
    assert "correct" in run.out


def test_samples_that_cannot_judge_the_budget_say_so_first_and_strict_makes_it_an_exit_code(
    octavo: Octavo, work: Path
) -> None:
    given = ("-e", "eval.npz", "--max-drop", "0.1", "--rungs", "correct", "--json", "out.json")
    run = octavo(*COMMAND, *given)
    assert run.code == 0
    result = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert result["verdict"]["kind"] == "cannot tell"
    # 599 samples judge; 5,757 of them, none of which differs, would leave 0.1 points open.
    (doubt,) = [warning for warning in result["warnings"] if "cannot judge a budget" in warning]
    assert "cannot judge a budget of 0.1 points: about 600 judge" in doubt
    assert "could still drop by 0.64 points; about 5,8" in doubt or "about 5,9" in doubt or "about 8," in doubt
    strict = octavo(*COMMAND, *given, "--strict", "--force")
    assert strict.code == 3
    assert "cannot tell" in strict.err
    assert octavo(*COMMAND, "--strict", "--force").code == 2


def test_a_recipe_repeats_the_rungs(octavo: Octavo, work: Path) -> None:
    assert octavo(*COMMAND, "--rungs", "search,correct,round", "--weight-bits", "4", "--recipe", "r.yaml").code == 0
    assert "rungs:" in Path("r.yaml").read_text(encoding="utf-8")
    first = (work / "out.onnx").read_bytes()
    assert octavo(*COMMAND, "--recipe", "r.yaml", "--weight-bits", "4", "--force").code == 0
    assert (work / "out.onnx").read_bytes() == first


def test_errors_are_one_sentence(octavo: Octavo, work: Path) -> None:
    for options, sentence in (
        (("--max-drop", "1"), "give --evaluate with --max-drop"),
        (("--rungs", "sing"), "there is no rung 'sing'"),
        (("--max-drop", "-1", "-e", "eval.npz"), "give 0 or more"),
        (("--weight-bits", "5"), "octavo takes no weights of 5 bits"),
        (("--rungs", "mix"), "add --max-drop and --evaluate"),
    ):
        run = octavo(*COMMAND, *options)
        assert run.code == 2
        assert sentence in run.err
        assert run.err.count("\n") == 1

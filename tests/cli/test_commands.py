"""The commands that only print: explain, targets, inspect, compare, bench; and the format of all output."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.helpers import models
from tests.helpers.command_line import DIGITS, Octavo, process

from octavo.engines.onnxruntime import Session
from octavo.targets import target_names, this_machine

GRIDS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int8[-127,127]": (-127, 127),
    "uint8[0,127]": (0, 127),
}


@pytest.fixture
def shown(octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch) -> Octavo:
    """Run a command that must succeed, without line wrapping, and return its output."""
    monkeypatch.setenv("COLUMNS", "400")

    def call(*arguments: object) -> str:
        result = octavo(*arguments)
        assert (result.code, result.err) == (0, "")
        return result.out

    return call


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows, without headings."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def framed(text: str) -> list[int]:
    """The lengths of all lines of tables."""
    return [len(line) for line in text.splitlines() if line.startswith(tuple("┏┃┡│├└"))]


def steps(text: str) -> dict[str, str]:
    return {row[0]: row[-1] for row in rows(text) if len(row) == 3}


def number(text: str, name: str) -> float:
    numbers = re.findall(rf"{name} = (-?[0-9.e+-]+)", text)
    return float(numbers[-1])


@pytest.mark.parametrize("dtype", GRIDS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_explain_derives_scale_and_zero_point(dtype: str, symmetric: bool, shown: Octavo) -> None:
    (qmin, qmax), (low, high) = GRIDS[dtype], (-1.5, 2.5)
    values = (0.0, 0.7, -1.5, 99.0)
    options = ["--symmetric"] * symmetric + [text for value in values for text in ("--value", value)]
    out = shown("explain", "--range", low, high, "--dtype", dtype, *options)
    if symmetric:
        zero_point = 0 if qmin < 0 else (qmin + qmax + 1) // 2
        exact = max(-low, high) / min(zero_point - qmin, qmax - zero_point)
    else:
        exact = (high - low) / (qmax - qmin)
        zero_point = round(qmin - low / exact)
    scale = number(steps(out)["Stored scale"], "S")
    assert scale == np.float32(scale)
    assert exact <= scale <= np.nextafter(np.float32(exact), np.float32(np.inf))
    assert number(steps(out)["Zero point"], "Z") == zero_point
    mapped = [row for row in rows(out) if len(row) == 7]
    for value, row in zip(values, mapped, strict=True):
        q = int(np.clip(np.rint(np.float32(value) / np.float32(scale)) + zero_point, qmin, qmax))
        assert int(row[2]) == q
        assert float(row[3]) == pytest.approx(scale * (q - zero_point), rel=1e-6)
    assert [row[-1] for row in mapped] == ["", "", "", "clipped"] or symmetric


@pytest.mark.parametrize("kind", ["npy", "npz", "onnx"])
def test_explain_reads_an_array_channel_by_channel(kind: str, shown: Octavo, work: Path) -> None:
    weights = models.random(6, 4, 3, 3) + np.float32(0.1)
    path, named = f"weights.{kind}", ["--tensor", "w"]
    match kind:
        case "npy":
            np.save(path, weights)
            named = []
        case "npz":
            np.savez(path, w=weights, other=np.ones(3, np.float32))
        case _:
            nodes = [models.node("Conv", ["x", "w", "b"], "y")]
            arrays = {"w": weights, "b": models.random(6)}
            onnx.save(models.build(nodes, {"x": [1, 4, 5, 5]}, {"y": [1, 6, 3, 3]}, arrays), path)
    out = shown("explain", "--weights", path, *named, "--dtype", "int8[-127,127]", "--symmetric", "--axis", 0)
    assert number(steps(out)["Stored scale"], "S") == pytest.approx(np.abs(weights).max() / 127, rel=1e-6)
    channels = [row for row in rows(out) if row[0].isdigit()]
    assert len(channels) == 6
    for channel, row in zip(weights, channels, strict=True):
        scale = np.abs(channel).max() / 127
        error = channel - np.clip(np.rint(channel / scale), -127, 127) * scale
        assert float(row[1]) == pytest.approx(channel.min(), rel=1e-3)
        assert float(row[2]) == pytest.approx(channel.max(), rel=1e-3)
        assert float(row[3]) == pytest.approx(scale, rel=1e-3)
        assert row[4] == "0"
        assert row[-1] == f"{10 * np.log10((channel**2).sum() / (error**2).sum()):.1f} dB"


def test_explain_counts_axes_from_the_end_too(shown: Octavo, work: Path) -> None:
    np.save("w.npy", models.random(3, 5))
    first = shown("explain", "--weights", "w.npy", "--symmetric", "--axis", 1)
    assert rows(shown("explain", "--weights", "w.npy", "--symmetric", "--axis", -1)) == rows(first)


def test_all_targets_are_listed_and_the_detected_one_is_marked(shown: Octavo) -> None:
    out = shown("targets")
    names = [row[0] for row in rows(out)]
    assert sorted(name.removesuffix(" *") for name in names) == target_names()
    assert [name for name in names if name.endswith("*")] == [f"{this_machine()} *"]


def test_inspect_shows_the_result_for_each_operator(shown: Octavo) -> None:
    out = shown("inspect", "digits.onnx", "--target", "x86-vnni", "--exclude", "Gemm")
    assert "input image: float32 [batch, 1, 8, 8]" in out
    assert "output logits: float32 [batch, 10]" in out
    graph = onnx.load("digits.onnx").graph
    names = [node.name for node in graph.node if node.op_type not in ("BatchNormalization", "Constant")]
    listed = {name: " ".join(row) for row in rows(out) for name in names if f"{name} " in f"{' '.join(row[:2])} "}
    assert sorted(listed) == sorted(names)
    assert "slower than float" in listed["/stem/stem.0/Conv"]
    assert "excluded by 'Gemm'" in listed["/classifier/Gemm"]
    assert "int8[-127,127]·uint8" in listed["/block1/body/body.3/Conv"]
    assert "fused" in listed["/block2/body/body.2/Clip"]


def test_inspect_bounds_every_accumulator(shown: Octavo, work: Path) -> None:
    weights = models.random(16, 24)
    nodes = [models.node("MatMul", ["x", "w"], "y")]
    onnx.save(models.build(nodes, {"x": ["N", 16]}, {"y": ["N", 24]}, {"w": weights}), "m.onnx")
    integers = np.rint(weights / (np.abs(weights).max(axis=0) / 127))
    bound = 255 * np.abs(integers).sum(axis=0).max()
    out = shown("inspect", "m.onnx", "--target", "octavo")
    assert any(f"{bound / 2**31:.2%}" in " ".join(row) for row in rows(out))


def test_compare_measures_outputs_and_layers(octavo: Octavo, shown: Octavo, work: Path) -> None:
    assert octavo("quantize", "digits.onnx", "-c", "calib.npz", "-o", "out.onnx", "-t", "octavo").code == 0
    out = shown("compare", "digits.onnx", "out.onnx", "--data", "eval.npz", "--samples", 48)
    with np.load("eval.npz") as file:
        image = file["image"][:48]
    one, two = (Session(name).run({"image": image})["logits"] for name in ("digits.onnx", "out.onnx"))
    cells = {row[0]: row for row in rows(out)}
    decibels = 10 * np.log10((one.astype(np.float64) ** 2).sum() / ((one - two).astype(np.float64) ** 2).sum())
    assert float(cells["logits"][2].removesuffix(" dB")) == pytest.approx(decibels, abs=0.06)
    cosine = (one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum())
    assert float(cells["logits"][3]) == pytest.approx(cosine, abs=2e-6)
    # Tensors of one name have the same values in both models, with or without folded BatchNormalization.
    shown_sqnr = [float(row[2].removesuffix(" dB")) for row in rows(out)]
    assert len(shown_sqnr) > 20
    assert min(shown_sqnr) > 25


def test_a_model_compared_with_itself_is_exact(shown: Octavo) -> None:
    shown_sqnr = {
        row[2] for row in rows(shown("compare", "digits.onnx", "digits.onnx", "-d", "eval.npz", "--samples", 8))
    }
    assert shown_sqnr == {"exact"}


def test_bench_times_each_model(shown: Octavo, work: Path) -> None:
    (work / "copy.onnx").write_bytes((work / "digits.onnx").read_bytes())
    out = shown("bench", "digits.onnx", "copy.onnx", "--seconds", 0.2, "--threads", 1, "--batch-size", 2)
    assert "batch 2, 1 thread" in out
    first, second = rows(out)
    assert (first[0], second[0]) == ("digits.onnx", "copy.onnx")
    assert first[1] == second[1]
    assert first[-1] == ""
    assert re.fullmatch(r"[0-9.]+x (faster|slower)|the same", second[-1])
    for row in (first, second):
        median = float(row[2].split()[0])
        low, high = (float(text) for text in re.findall(r"[0-9.]+", row[3]))
        assert 0 < low <= median <= high


def test_bench_shows_energies(shown: Octavo) -> None:
    out = shown("bench", "digits.onnx", "--seconds", 0.1, "--threads", 1, "--energy")
    assert re.search(r"Energy of a run, (estimated|measured)", out)
    assert re.search(r"Horowitz, ISSCC 2014|RAPL", out)
    assert rows(out[out.index("Energy of a run") :])[0][0] == "digits.onnx"


def test_bench_takes_sizes_of_dynamic_dimensions(octavo: Octavo, work: Path) -> None:
    model = models.build(
        [models.node("Reshape", ["x", "shape"], "y")], {"x": ["N", "time", 4]}, {"y": [60]}, {"shape": np.array([60])}
    )
    onnx.save(model, "model.onnx")
    timed = octavo("bench", "model.onnx", "--dim", "time=5", "--dim", "N=3", "--seconds", 0.1)
    assert (timed.code, timed.err) == (0, "")
    assert octavo("bench", "model.onnx", "--dim", "time=6", "--dim", "N=3", "--seconds", 0.1).code == 2


@pytest.mark.parametrize("arguments", [(), ("--help",), *((name, "--help") for name in (
    "quantize", "explain", "targets", "inspect", "compare", "bench"))])  # fmt: skip
def test_help_is_on_stdout(arguments: tuple[str, ...], octavo: Octavo) -> None:
    result = octavo(*arguments)
    assert result.code == (0 if arguments else 2)
    assert result.err == ""
    assert "Usage: octavo" in result.out


MODEL, CALIBRATION, EVALUATION = (DIGITS / name for name in ("digits.onnx", "calib.npz", "eval.npz"))
WIDE: dict[str, tuple[object, ...]] = {
    "quantize": ("quantize", MODEL, "-c", CALIBRATION, "-e", EVALUATION, "-o", "o.onnx", "-t", "octavo"),
    "explain": ("explain", "--range", -1.5, 2.5, "--value", 0.7, "--value", 9),
    "channels": ("explain", "--weights", MODEL, "--tensor", "classifier.weight", "--axis", 1, "--symmetric"),
    "targets": ("targets",),
    "inspect": ("inspect", MODEL),
    "compare": ("compare", MODEL, MODEL, "-d", EVALUATION, "--samples", 4),
    "bench": ("bench", MODEL, "--seconds", 0.1),
}


@pytest.mark.parametrize("command", WIDE)
@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_and_cut_nothing(
    command: str, width: int, octavo: Octavo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    out = octavo(*WIDE[command]).out
    assert max(framed(out)) <= width
    assert not re.search(r"\S…|…\S", out)


def test_without_a_terminal_lines_have_120_columns(octavo: Octavo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert set(framed(octavo("targets").out)) == {120}


def test_a_subprocess_prints_the_same(shown: Octavo) -> None:
    arguments = ("explain", "--range", "-1", "3", "--dtype", "uint8", "--value", "1")
    result = process(*arguments)
    assert (result.code, result.err) == (0, "")
    assert result.out == shown(*arguments)


def test_names_that_the_output_cannot_encode_are_escaped(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    onnx.save(models.odd_names(), work / "model.onnx")
    result = process("inspect", "model.onnx", cwd=work)
    assert (result.code, result.err) == (0, "")
    assert r"\u5c42" in result.out

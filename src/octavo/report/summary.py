"""Text and figures of a result, from its plain form, for the terminal, the HTML page and `repr`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, nan, sqrt

from octavo.report.plain import Plain
from octavo.report.text import decibels, milliseconds, number_of, short, size, times
from octavo.system.digits import decimals, fixed

_INPUT = re.compile(r"its input '.*' is float \(from .*\)(?=, )")
_BARS = "▁▂▃▄▅▆▇█"
_WORST = 5


@dataclass(frozen=True)
class Figure:
    """One measurement of the float and the quantized model, with a note that compares them."""

    name: str
    float_value: str
    quantized_value: str
    note: str


@dataclass(frozen=True)
class OutputRow:
    """The error of an output, or of a part of it, formatted."""

    name: str
    agreement: str
    sqnr: str
    cosine: str
    worst: str
    figure: str


@dataclass(frozen=True)
class RungRow:
    """One rung that was tried, formatted."""

    rung: str
    drop: str
    interval: str
    sqnr: str
    seconds: str
    note: str
    kept: bool


@dataclass(frozen=True)
class WorstLayer:
    """One of the layers with the largest error, formatted."""

    name: str
    op: str
    sqnr: str
    share: str
    causes: Sequence[str]
    spark: str


def figures(result: Plain) -> list[Figure]:
    """Metric, size and latency; without those that were not measured."""
    rows = [] if result["metric"] is None else [_metric(result["metric"])]
    sizes = result["size_bytes"]
    ratio = sizes["float"] / sizes["quantized"]
    rows.append(Figure("size", size(sizes["float"]), size(sizes["quantized"]), times(ratio, "smaller", "larger")))
    both = result["latency_ms"]
    if both is not None:
        note = f"{_speed(result)}, at batch {result['latency_batch']}{_spread(result)}"
        rows.append(Figure("latency", milliseconds(both["float"]), milliseconds(_number(both["quantized"])), note))
    return rows


def output_rows(result: Plain) -> list[OutputRow]:
    """The error of every output, in the order of the model; empty where nothing was evaluated."""
    return [] if result["metric"] is None else [_output(output) for output in result["metric"]["outputs"]]


def judged_by(result: Plain) -> str:
    """What the metric compares and why, as a sentence without a full stop; empty where its name says it."""
    metric = result["metric"]
    if metric is None or not metric["figure"]:
        return ""
    why = f", because {metric['why']}" if metric["why"] else ""
    return f"{_title(metric)} is judged by {metric['figure']}{why}"


def headline(result: Plain) -> str:
    """One sentence: the verdict on the budget if there is one, else drop, size and speed."""
    if result["verdict"] is not None:
        return str(result["verdict"]["sentence"])
    parts = ["accuracy was not measured; give `evaluate`"]
    if result["metric"] is not None:
        row = _metric(result["metric"])
        parts = [f"{row.name} {row.float_value} → {row.quantized_value}: {row.note}", *_lowest(result["metric"])]
    sizes = result["size_bytes"]
    parts.append(times(sizes["float"] / sizes["quantized"], "smaller", "larger"))
    if result["latency_ms"] is not None:
        parts.append(_speed(result))
    return "; ".join(parts)


def brief(result: Plain) -> list[str]:
    """The result in at most ten lines: verdict, figures, operators, rungs and the first warning."""
    lines = [f"QuantizationResult for {result['target']}: {headline(result)}"]
    lines += [f"  {row.name}: {row.float_value} -> {row.quantized_value} ({row.note})" for row in figures(result)]
    lines.append(f"  {kinds(result)}")
    lines.append(f"  {proof_line(result)}")
    lines += [f"  {line}" for line in refined(result)]
    if result["left_float"]:
        lines.append(f"  {number_of(len(result['left_float']), 'operator')} left in float")
    if result["steps"]:
        tried = number_of(len(result["steps"]), "rung")
        lines.append(f"  {tried} tried, ended on {ended_on(result)}")
    if result["warnings"]:
        lines.append(f"  {number_of(len(result['warnings']), 'warning')}, the first: {result['warnings'][0]}")
    return lines


def verdict_kind(result: Plain) -> str:
    """The verdict on the budget, "met", "not met" or "cannot tell"; "no budget" without one."""
    return "no budget" if result["verdict"] is None else str(result["verdict"]["kind"])


def rung_rows(result: Plain) -> list[RungRow]:
    """Every rung that was tried, with its figures on the selection set."""
    return [_rung(step) for step in result["steps"]]


def ended_on(result: Plain) -> str:
    """Name of the last rung that was kept; "plain" if none was."""
    return next((str(step["rung"]) for step in reversed(result["steps"]) if step["kept"]), "plain")


def kinds(result: Plain) -> str:
    """Number of integer operators, in total and by type."""
    counts = Counter(layer["op"] for layer in result["layers"])
    return f"{number_of(len(result['layers']), 'operator')} in integers: " + ", ".join(
        f"{count} {op}" for op, count in counts.items()
    )


def refined(result: Plain) -> list[str]:
    """What the refinements of plain quantization did, as one line; none where nothing was kept."""
    notes = "; ".join(result["refinements"].values())
    return [f"refined on calibration samples: {notes}"] if notes else []


def proof_line(result: Plain) -> str:
    """Number of accumulators that were proved not to overflow, and the largest bound."""
    proofs = result["proofs"]
    if not proofs:
        return "no accumulators"
    worst = max(proof["bound"] for proof in proofs)
    line = f"{number_of(len(proofs), 'accumulator')} proved not to overflow 32 bits (at most {worst / 2**31:.1%} used)"
    terms = [proof["terms"] for proof in proofs if proof["terms"] is not None]
    return line + (f"; products of activations hold up to {min(terms)} terms" if terms else "")


def left_float(result: Plain) -> list[tuple[str, str, list[str]]]:
    """Operator type, reason and names of the operators in float, grouped, the largest group first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for operator in result["left_float"]:
        # With tensor names, operators with the same reason would not be grouped.
        why = _INPUT.sub("its input is float", operator["why"])
        groups.setdefault((operator["op"], why), []).append(operator["name"])
    return [(op, why, names) for (op, why), names in sorted(groups.items(), key=lambda group: -len(group[1]))]


def worst_layers(result: Plain) -> list[WorstLayer]:
    """At most five layers: diagnosed layers, worst first, then the layers with the lowest SQNR."""
    layers = {layer["name"]: layer for layer in result["layers"]}
    diagnosed = {diagnosis["layer"]: diagnosis for diagnosis in result["diagnosis"]}
    measured = [layer for layer in result["layers"] if layer["sqnr_db"] is not None and layer["name"] not in diagnosed]
    rest = sorted(measured, key=lambda layer: layer["sqnr_db"])
    worst = [
        _worst(name, diagnosis["op"], diagnosis, layers.get(name), diagnosis["causes"], result)
        for name, diagnosis in diagnosed.items()
    ]
    worst += [_worst(layer["name"], layer["op"], layer, layer, [], result) for layer in rest]
    return worst[:_WORST]


def native_line(result: Plain) -> str:
    """Time of a run in the native runtime, or why it was not measured."""
    native = result["native"]
    if native is None:
        return "Layers were not timed in the native runtime."
    if native["milliseconds"] is None:
        return f"Layers were not timed in the native runtime: {native['why']}."
    own = sum(layer["native_ms"] or 0.0 for layer in result["layers"])
    rest = max(native["milliseconds"] - own, 0.0)
    where = f"{native['isa']}, 1 thread, batch {result['latency_batch']}"
    parts = f"{milliseconds(own)} in these layers, {milliseconds(rest)} in other operators"
    return f"In the native runtime ({where}) a run takes {milliseconds(native['milliseconds'])} here: {parts}."


def spent(result: Plain) -> str:
    """Seconds by stage, and peak memory."""
    seconds = ", ".join(f"{stage} {duration:.1f}" for stage, duration in result["seconds"].items())
    return f"{sum(result['seconds'].values()):.1f} s ({seconds}); peak memory {size(result['peak_rss_bytes'])}"


def sparkline(shares: Sequence[float], width: int = 24) -> str:
    """A histogram as one line of bars; heights are square roots of shares, so that tails are visible."""
    if not shares:
        return ""
    edges = [round(i * len(shares) / width) for i in range(width + 1)]
    sums = [sum(shares[start:end]) for start, end in pairwise(edges)]
    largest = max(max(sums), 1e-30)
    heights = [min(int(sqrt(share / largest) * len(_BARS)), len(_BARS) - 1) for share in sums]
    return "".join(_BARS[height] if share > 0 else " " for share, height in zip(sums, heights, strict=True))


def main_values(layer: Plain, result: Plain) -> Plain | None:
    """The values of the tensor that represents a layer: its output, else its first input or weights."""
    candidates = [layer["output"], *layer["inputs"], *layer["weights"]]
    tensor = next((tensor for tensor in candidates if tensor is not None), None)
    return None if tensor is None else result["tensors"].get(tensor["tensor"])


def _metric(metric: Plain) -> Figure:
    unit = f" {metric['unit']}" if metric["unit"] else ""
    ends = metric["drop_ci95"]
    places = decimals([metric["drop"]] if ends is None else ends, metric["unit"])
    interval = "no interval"
    if ends is not None:
        interval = "95% interval " + " to ".join(fixed(_number(end), places, sign=True) for end in ends)
    samples = number_of(metric["samples"], "sample")
    alike = metric.get("agreement")
    same = "" if alike is None else f"; {alike:.1%} of decisions as in float"
    before, after, drop = (fixed(_number(metric[which]), places) for which in ("float", "quantized", "drop"))
    return Figure(_title(metric), before, after, f"drop {drop}{unit} ({interval}; {samples}{same})")


def _title(metric: Plain) -> str:
    """The metric, with the output that it judges where there are several."""
    return f"{metric['name']} of {metric['output']}" if metric["output"] else str(metric["name"])


def _lowest(metric: Plain) -> list[str]:
    """Which of several outputs has the lowest SQNR."""
    outputs = metric["outputs"]
    if len(outputs) < 2:
        return []
    lowest = min(outputs, key=lambda output: output["sqnr_db"])
    return [f"lowest SQNR: {_part(lowest)}, {decibels(lowest['sqnr_db'])}"]


def _part(output: Plain) -> str:
    name = f"output '{output['name']}'"
    return f"{output['part']} of {name}" if output["part"] else name


def _output(output: Plain) -> OutputRow:
    return OutputRow(
        _part(output),
        f"{_number(output['value']):z.2f}",
        decibels(output["sqnr_db"]),
        f"{output['cosine']:.6f}",
        f"{decibels(output['worst_db'])} (sample {output['worst_sample']})",
        "; ".join([output["figure"], *output["details"], f"because {output['why']}"]),
    )


def _speed(result: Plain) -> str:
    both, doubt = result["latency_ms"], result.get("latency_doubt", "")
    quantized = _number(both["quantized"])
    if not isfinite(quantized):
        return "not timed here"
    if doubt:
        return f"cannot tell the speeds apart here ({doubt})"
    return f"{times(both['float'] / quantized, 'faster', 'slower')} here"


def _spread(result: Plain) -> str:
    """The quartiles of both latencies."""
    spread = result.get("latency_spread_ms")
    if spread is None or None in spread["quantized"]:
        return ""
    first, second = (" to ".join(short(end) for end in spread[which]) for which in ("float", "quantized"))
    return f" (quartiles {first} and {second} ms)"


def _rung(step: Plain) -> RungRow:
    drop = step["drop"]
    kept = step["kept"] or drop is None
    ends = step["drop_ci95"]
    places = max(decimals([drop] if ends is None else ends), 2)
    return RungRow(
        step["rung"],
        "" if drop is None else fixed(drop, places, sign=True),
        "" if ends is None else " to ".join(fixed(_number(end), places, sign=True) for end in ends),
        decibels(step["sqnr_db"]),
        f"{step['seconds']:.1f}",
        step["note"] if kept else f"{step['note']}; no improvement, discarded",
        step["kept"],
    )


def _worst(name: str, op: str, figure: Plain, layer: Plain | None, causes: Sequence[str], result: Plain) -> WorstLayer:
    values = None if layer is None else main_values(layer, result)
    histogram = None if values is None else values["histogram"]
    share = figure["share"]
    return WorstLayer(
        name,
        op,
        decibels(figure["sqnr_db"]),
        "" if share is None else f"{share:.0%}",
        list(causes),
        "" if histogram is None else sparkline(histogram["shares"]),
    )


def _number(value: float | None) -> float:
    """The number, or NaN for None, which represents NaN and infinity in JSON."""
    return nan if value is None else value

"""Cross-layer equalization: equalize the ranges of a tensor's channels without changing the float function.

Nagel et al. 2019, 'Data-Free Quantization Through Weight Equalization and Bias Correction', section 4.1. With
per-channel weights, the ranges that matter are those of the activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir

from octavo.graph.plan import Plan
from octavo.quantizer import Settings, State, derive
from octavo.recover.layers.absorb import absorb_biases
from octavo.recover.layers.bias_correction import recorrected
from octavo.recover.layers.channels import Doubles, balanced, edits, normalized, rewrite
from octavo.recover.layers.pairs import Pair, pairs, upper_bound
from octavo.recover.layers.rows import Reader, Span, fake_quantized_weights, tensors
from octavo.recover.rung import Outcome, Rung, without_context

_ALPHAS = (0.25, 0.5, 0.75, 1.0)
_SWEEPS = 5
# A smaller relative gain is noise, and a smaller change of |log factor| ends the sweeps.
_GAIN, _SMALL = 0.02, 0.05


class _Link:
    """A pair of layers with statistics of the tensor between them, and the factor of its channels, (channels,)."""

    def __init__(self, plan: Plan, pair: Pair, seed: int) -> None:
        self.pair, self._plan = pair, plan
        self.reader = Reader(plan, pair.second, seed)
        self.factor: Doubles = np.ones(pair.first.outputs)
        self.clipped = Span(pair.first.outputs, pair.first.channel_axis)

    def watches(self) -> list[tuple[str, Span | Reader]]:
        """The tensors to observe, each with what to update with it."""
        observers: list[tuple[str, Span | Reader]] = [(self.reader.reads, self.reader)]
        if self.pair.clip is not None:
            observers.append((self.pair.clip.outputs[0].name or "", self.clipped))
        return observers

    @property
    def unclipped(self) -> bool:
        """Whether there is a Clip whose upper bound no channel reaches, so that a Relu is equivalent."""
        bound = None if self.pair.clip is None else upper_bound(self.pair.clip)
        return bound is not None and bool(self.clipped.high.max() < bound)

    def spread(self, factor: Doubles) -> float:
        """The ratio of the largest to the smallest range of channels, without channels of zeros."""
        ranges = self.reader.span.largest * factor
        live = ranges[ranges > 0]
        return float(live.max() / live.min()) if live.size else 1.0

    def improve(self, into: Doubles, out: Doubles) -> float:
        """Choose the factor for given factors on the first layer's input and on the second layer's output.

        Returns:
            The largest change of a channel's factor, as |log|.
        """
        unchanged = np.ones(self.factor.size)
        costs = [(self._cost(factor, into, out), factor) for factor in self._candidates(into, out)]
        cost, best = min(costs, key=lambda candidate: candidate[0])
        before, self.factor = self.factor, best if cost < (1 - _GAIN) * self._cost(unchanged, into, out) else unchanged
        return float(np.abs(np.log(self.factor / before)).max())

    def _cost(self, factor: Doubles, into: Doubles, out: Doubles) -> float:
        """The squared error of the second layer's output, including that from the first layer's weights."""
        weights = self.pair.first.scaled(1 / into, factor)
        noise = np.square(fake_quantized_weights(self._plan, self.pair.first, weights) - weights).sum(axis=(2, 3))
        power = np.square(weights).sum(axis=(2, 3))
        share = np.divide(noise, power, out=np.zeros_like(noise), where=power > 0).reshape(-1)
        return self.reader.error(factor, out) + self.reader.propagated_error(share, out)

    def _candidates(self, into: Doubles, out: Doubles) -> Iterator[Doubles]:
        columns = np.abs(self.pair.second.scaled(np.ones(self.factor.size), out)).max(axis=(1, 3)).reshape(-1)
        ranges = self.reader.span.largest
        for alpha in _ALPHAS:
            yield self._allowed(balanced(ranges, columns, alpha), ranges)
        if self._per_tensor():
            first = np.abs(self.pair.first.scaled(1 / into, np.ones(self.factor.size))).max(axis=(2, 3)).reshape(-1)
            levelled = normalized(columns, first, lambda two, one: (two - one) / 2)
            yield self._allowed(levelled, ranges)
            for alpha in _ALPHAS[1:]:
                yield self._allowed(np.sqrt(levelled * balanced(ranges, columns, alpha)), ranges)

    def _per_tensor(self) -> bool:
        layers = (self._plan.layers.get(layer.node.name or "") for layer in (self.pair.first, self.pair.second))
        return any(weight.axis is None for layer in layers if layer is not None for weight in layer.weights)

    def _allowed(self, factor: Doubles, ranges: Doubles) -> Doubles:
        """Limit the factor under a Clip to [0, b]: channels that reach b keep their range, others grow to b at most."""
        factor = np.where(ranges > 0, factor, 1.0)
        clip = self.pair.clip
        if clip is None or self.unclipped:
            return factor
        bound, highest = upper_bound(clip), self.clipped.high
        assert bound is not None
        room = np.where(highest > 0, bound / np.maximum(highest, bound * 1e-4), 1.0)
        return np.asarray(np.clip(factor / factor.min(), 1.0, np.maximum(room, 1.0)))


def equalize(state: State) -> Outcome:
    """Scale channels between pairs of layers, then absorb high biases.

    The float function is unchanged, to float32 rounding, on the up to 256 calibration samples that are measured. On
    other samples it is too, except across a Clip to [0, b]: channels of small ranges are amplified towards b, and a
    Clip whose bound no channel reached becomes a Relu.
    """
    model = state.reference.clone()
    found = quantized_pairs(state.plan, model)
    scaled = scale_channels(state.settings, state.plan, model, found)
    absorbed = absorb_biases(state, model)
    if not scaled and not absorbed:
        reason = (
            f"no gain for any of {len(found)} pairs of layers"
            if found
            else "no two layers are connected by one reader each"
        )
        return Outcome(state, reason)
    notes = [scaled] if scaled else []
    if absorbed:
        notes.append(f"high biases of {absorbed} channels absorbed")
    return Outcome(recorrected(derive(state.with_model(model))), "; ".join(notes))


def scale_channels(settings: Settings, plan: Plan, model: ir.Model, found: Sequence[Pair]) -> str:
    """Scale the channels between pairs of layers by the factors that lower the error of the second layers' outputs.

    Args:
        settings: settings with the samples to measure.
        plan: the plan of the model.
        model: the float model, changed in place.
        found: pairs of the model, the second layers in the plan.

    Returns:
        What was done, in words; empty where no pair gains.
    """
    links = [_Link(plan, pair, settings.seed) for pair in found]
    if links:
        _measure(settings, model, links)
        _sweep(links)
    changed = [link for link in links if bool(np.any(link.factor != 1.0))]
    if not changed:
        return ""
    before = max(link.spread(np.ones(link.factor.size)) for link in changed)
    after = max(link.spread(link.factor) for link in changed)
    _apply(model, links)
    ranges = f"channel ranges differed by up to {before:.3g}x, now {after:.3g}x"
    return f"{len(changed)} pairs of layers equalized; {ranges}"


def quantized_pairs(plan: Plan, model: ir.Model) -> list[Pair]:
    """The pairs whose second layer multiplies a quantized input by quantized weights."""
    candidates = ((pair, plan.layers.get(pair.second.node.name or "")) for pair in pairs(model))
    return [pair for pair, layer in candidates if layer is not None and 0 in layer.inputs and layer.weights]


def _measure(settings: Settings, model: ir.Model, links: list[_Link]) -> None:
    watched = [watch for link in links for watch in link.watches()]
    for values in tensors(model, settings, [name for name, _ in watched]):
        for name, observer in watched:
            observer.update(values[name])


def _sweep(links: list[_Link]) -> None:
    """Choose the factors in the order of the chain, again and again until none changes much."""
    writes = {link.pair.first.node: link for link in links}
    reads = {link.pair.second.node: link for link in links}
    for _ in range(_SWEEPS):
        change = 0.0
        for link in links:
            first, second = link.pair.first, link.pair.second
            into = reads[first.node].factor if first.node in reads else np.ones(first.inputs)
            out = writes[second.node].factor if second.node in writes else np.ones(second.outputs)
            change = max(change, link.improve(into, out))
        if change < _SMALL:
            break


def _apply(model: ir.Model, links: list[_Link]) -> None:
    layers = {layer.node: layer for link in links for layer in (link.pair.first, link.pair.second)}
    by_input = {node: np.ones(layer.inputs) for node, layer in layers.items()}
    by_output = {node: np.ones(layer.outputs) for node, layer in layers.items()}
    changed: dict[ir.Node, None] = {}
    for link in links:
        if bool(np.any(link.factor != 1.0)):
            first, second = link.pair.first.node, link.pair.second.node
            by_output[first], by_input[second] = link.factor, 1 / link.factor
            changed.update(dict.fromkeys((first, second)))
            _replace_idle_clip(link)
    for node in changed:
        rewrite(model, edits(layers[node], by_input[node], by_output[node]), "equalized")


def _replace_idle_clip(link: _Link) -> None:
    """Replace a Clip whose upper bound is never reached by a Relu."""
    clip = link.pair.clip
    if clip is not None and link.unclipped:
        clip.op_type = "Relu"
        clip.resize_inputs(1)


EQUALIZE = Rung("equalize", "cross-layer equalization and high-bias absorption", without_context(equalize))

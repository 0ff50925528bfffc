"""Choosing the next token: greedy, or from the nucleus, each row with its own numbers."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict

import torch

from ..request import Request

_FIRST_CANDIDATES = 256  # enough for almost every nucleus; rows that need more get all


def row_seed(request: Request) -> int:
    """Seed of a request's own generator: 63 bits of a hash of all its fields.

    It hashes the whole request, so that two prompts with the same seed do not
    draw the same numbers.
    """
    payload = json.dumps(asdict(request), sort_keys=True, ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(payload.encode()).digest()[:8], "big") >> 1


def uniform_numbers(
    requests: Sequence[Request], steps: int, seeds: Sequence[int | None] = ()
) -> torch.Tensor:
    """One number in [0, 1) for each row and step, drawn from the rows' own generators.

    A row's numbers depend on its request only: not on the batch, nor on `steps`.

    Args:
        requests: The rows' requests.
        steps: Numbers of each row.
        seeds: Seeds of the rows' generators; None, or none given: `row_seed`.

    Returns:
        (B, steps), float64, on the CPU.
    """
    numbers = torch.zeros(len(requests), steps, dtype=torch.float64)  # (B, steps)
    for row, request in enumerate(requests):
        if request.temperature > 0:
            # Python's generator: the same numbers with every version of torch.
            seed = seeds[row] if seeds else None
            generator = random.Random(row_seed(request) if seed is None else seed)  # noqa: S311
            numbers[row] = torch.tensor(
                [generator.random() for _ in range(steps)], dtype=torch.float64
            )
    return numbers


def choose_tokens(
    logits: torch.Tensor, temperatures: torch.Tensor, top_p: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Next token of each row by inverting the cumulative distribution at `numbers`.

    Nucleus sampling (Holtzman et al., 2020): the smallest set of most probable
    tokens with mass of at least `top_p`.

    Args:
        logits: (B, V), float32.
        temperatures: (B,); 0 is greedy.
        top_p: (B,), in (0, 1].
        numbers: (B,), in [0, 1).

    Returns:
        (B,) token ids.
    """
    chosen = logits.argmax(-1)  # (B,)
    rows = (temperatures > 0).nonzero().squeeze(-1)
    if len(rows) == 0:
        return chosen
    scaled = logits[rows] / temperatures[rows, None].to(logits.dtype)  # (S, V)
    probs = torch.softmax(scaled, -1)
    nucleus, draw = top_p[rows], numbers[rows]
    picked = torch.empty_like(rows)
    left = torch.arange(len(rows), device=rows.device)
    for width in (min(_FIRST_CANDIDATES, probs.shape[-1]), probs.shape[-1]):
        best, ids = probs[left].topk(width, dim=-1)  # (L, width), most probable first
        total = best.double().cumsum(-1)
        # The last number of the nucleus is the first whose running total reaches top_p.
        enough = (total[:, -1] >= nucleus[left]) | (width == probs.shape[-1])
        done = left[enough]
        if len(done):
            picked[done] = _invert(total[enough], ids[enough], nucleus[done], draw[done])
        left = left[~enough]
        if len(left) == 0:
            break
    chosen[rows] = picked
    return chosen


def _invert(
    total: torch.Tensor, ids: torch.Tensor, nucleus: torch.Tensor, draw: torch.Tensor
) -> torch.Tensor:
    last = (total < nucleus[:, None]).sum(-1).clamp(max=total.shape[-1] - 1)  # (L,)
    mass = total.gather(1, last[:, None])  # (L, 1)
    place = torch.searchsorted(total, draw[:, None] * mass, right=True)
    return ids.gather(1, place.clamp(max=last[:, None])).squeeze(-1)

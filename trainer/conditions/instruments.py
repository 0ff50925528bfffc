"""Measures a model in the middle of its training, without a judge and without generating."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ...archetypes.vocabulary import opposite
from ...evaluation.perplexity import held_out_text, split_chunks
from ...evaluation.probe import item_id
from ...llm.local.encoding import encode
from ...prompts.labelled import LabelledPair, balanced_sample, messages_of
from ..logps import measured_logps
from .monitors import Check


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One labelled pair.

    Attributes:
        id: As `ProbeItem.id`.
        shows: The failure mode the failing answer shows: on a twin, the opposite one.
        prompt_ids: The conversation up to the answer.
        good_ids: The good answer, without an end token.
        failing_ids: The failing one.
        always: Whether every check takes it, not only the one at a layer's end.
    """

    id: str
    shows: str
    prompt_ids: tuple[int, ...]
    good_ids: tuple[int, ...]
    failing_ids: tuple[int, ...]
    always: bool

    def as_pair(self) -> dict[str, Any]:
        """The row in the form of a training pair."""
        return {
            "prompt_ids": list(self.prompt_ids),
            "chosen_ids": list(self.good_ids),
            "rejected_ids": list(self.failing_ids),
        }


def labelled_rows(
    pairs: Sequence[LabelledPair], tokenizer: Any, check_pairs: int
) -> tuple[LabelledRow, ...]:
    """Tokenizes labelled pairs; the same pair in two archetypes counts once."""
    always = {item_id(pair) for pair in balanced_sample(pairs, per_slice=check_pairs)}
    rows: dict[str, LabelledRow] = {}
    for pair in pairs:
        name = item_id(pair)
        good, failing = (
            encode(tokenizer, messages_of(pair), text) for text in (pair.good, pair.failing)
        )
        shows = pair.failure_mode if pair.role == "at_risk" else opposite(pair.failure_mode)
        rows[name] = LabelledRow(
            name, shows, good.context, good.answer, failing.answer, name in always
        )
    return tuple(rows.values())


_PAIRS_PER_BATCH = 8
_MOST_TOKENS = 96


class Instruments:
    """Probe, KL divergence and sentinel pairs of one training.

    Args:
        trainer: The trainer; its model stands where the layer starts.
        tokenizer: The model's.
        probe: Labelled pairs, tokenized.
        anchors: Chunks of plain text for the KL divergence.
        sentinels: Tokenized training pairs to follow; () for a layer without pairs.
    """

    def __init__(
        self,
        trainer: Any,
        tokenizer: Any,
        probe: Sequence[LabelledRow],
        anchors: int,
        sentinels: Sequence[Mapping[str, Any]],
    ) -> None:
        self._trainer = trainer
        self._probe = probe
        self._sentinels = list(sentinels)
        chunks = split_chunks(held_out_text())[:anchors]
        self._anchors = [
            tokenizer(chunk, add_special_tokens=False)["input_ids"][:_MOST_TOKENS]
            for chunk in chunks
        ]
        self._reference: list[torch.Tensor] = []

    @property
    def labelled(self) -> int:
        """How many labelled pairs there are."""
        return len(self._probe)

    def pin_reference(self) -> None:
        """Takes the model as it stands now for the reference of the KL divergence."""
        with self._still():
            self._reference = [self._logprobs(ids).half() for ids in self._anchors]

    def check(self, step: int, *, whole: bool, probe: bool = True) -> Check:
        """Measures everything.

        Args:
            step: The layer's optimizer step.
            whole: All labelled pairs, or only those that every check takes.
            probe: False leaves the labelled pairs out.
        """
        began = time.perf_counter()
        rows = [row for row in self._probe if probe and (whole or row.always)]
        with self._still():
            margins = self._margins(rows)
            kl = self._kl() if self._reference else None
            chosen, rejected = self._pair_means(self._sentinels)
        return Check(
            step,
            {row.id: margin for row, margin in zip(rows, margins, strict=True)},
            {row.id: row.shows for row in rows},
            kl,
            tuple(chosen),
            tuple(c - r for c, r in zip(chosen, rejected, strict=True)),
            round(time.perf_counter() - began, 2),
        )

    def _margins(self, rows: Sequence[LabelledRow]) -> list[float]:
        good, failing = self._pair_means([row.as_pair() for row in rows])
        return [g - f for g, f in zip(good, failing, strict=True)]

    def _pair_means(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
        """Log-probability per token of both answers of each row, in the order given."""
        order = sorted(range(len(rows)), key=lambda index: _length(rows[index]))
        first, second = [0.0] * len(rows), [0.0] * len(rows)
        for start in range(0, len(order), _PAIRS_PER_BATCH):
            places = order[start : start + _PAIRS_PER_BATCH]
            chosen, rejected = pair_means(self._trainer, [rows[place] for place in places])
            for place, c, r in zip(places, chosen, rejected, strict=True):
                first[place], second[place] = c, r
        return first, second

    def _kl(self) -> float:
        total, tokens = 0.0, 0
        for ids, reference in zip(self._anchors, self._reference, strict=True):
            ours = self._logprobs(ids)  # (T - 1, V)
            divergence = (ours.exp() * (ours - reference.float())).sum(-1)
            total, tokens = total + float(divergence.sum()), tokens + len(divergence)
        return total / tokens

    def _logprobs(self, ids: Sequence[int]) -> torch.Tensor:
        model = self._trainer.model
        row = torch.tensor([list(ids)], device=next(model.parameters()).device)
        with self._trainer.accelerator.autocast():
            logits = model(input_ids=row, use_cache=False).logits[0, :-1]
        return torch.log_softmax(logits.float(), dim=-1).cpu()

    @contextmanager
    def _still(self) -> Iterator[None]:
        """Without dropout, gradients or a trace in the random numbers."""
        model = self._trainer.model
        training = model.training
        model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            model.train(training)


def _length(row: Mapping[str, Any]) -> int:
    return len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])


def pair_means(trainer: Any, rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Mean log-probability per token of chosen and rejected answers (`logps`).

    Args:
        trainer: The trainer that owns the model, which is in eval mode.
        rows: `prompt_ids`, `chosen_ids`, `rejected_ids`.

    Returns:
        Nats per token of the chosen and of the rejected answers, in order.
    """
    if not rows:
        return [], []
    device = next(trainer.model.parameters()).device
    batch = {name: value.to(device) for name, value in _padded(rows).items()}
    sums, tokens = measured_logps(trainer, batch)
    means = (sums / tokens).tolist()
    return means[: len(rows)], means[len(rows) :]


def _padded(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """(2B, T), chosen rows first, padded right."""
    texts = [
        (row["prompt_ids"], row[side]) for side in ("chosen_ids", "rejected_ids") for row in rows
    ]
    width = max(len(prompt) + len(answer) for prompt, answer in texts)
    batch = {
        name: torch.zeros(len(texts), width, dtype=torch.long)
        for name in ("input_ids", "attention_mask", "completion_mask")
    }
    for place, (prompt, answer) in enumerate(texts):
        end = len(prompt) + len(answer)
        batch["input_ids"][place, :end] = torch.tensor([*prompt, *answer])
        batch["attention_mask"][place, :end] = 1
        batch["completion_mask"][place, len(prompt) : end] = 1
    return batch

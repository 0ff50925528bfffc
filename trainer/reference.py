"""The model training is measured against: what it is, and what it says of each pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ..errors import ReferenceMismatchError, TrainingError
from ..llm.local.encoding import rendering_identity
from ..llm.local.fingerprint import combine, hash_state, hash_tokenizer
from ..store.store import Store
from .checkpoint import write_json
from .logps import completion_logps
from .processes import Processes

FILE = "reference.json"
_PAIRS_PER_BATCH = 8


def reference_fingerprint(model: Any, tokenizer: Any) -> str:
    """Identity of a reference: weights as loaded, tokenizer, chat template and rendering.

    So it decides the ids of every text. Take it before an adapter is put on. `reference:` and
    a SHA-256 (hex).
    """
    parts = {"weights": hash_state(model), "tokenizer": hash_tokenizer(tokenizer)}
    rendering = rendering_identity(tokenizer)
    parts |= {"rendering": rendering} if rendering else {}
    return combine(parts).replace("local:", "reference:", 1)


def pin_reference(output: Path, fingerprint: str, base: str, kind: str = "") -> None:
    """Writes the fingerprint once, and refuses any other one from then on.

    Args:
        output: The training's folder.
        fingerprint: Of the model given now.
        base: The name it was given by, for the reader.
        kind: `initial` or `previous` where the training goes on from an earlier one.

    Raises:
        ReferenceMismatchError: The folder was begun from another reference.
        StoreError: The file cannot be written.
    """
    path = output / FILE
    if not path.exists():
        record = {"fingerprint": fingerprint, "base": base}
        write_json(path, record | ({"reference": kind} if kind else {}))
        return
    try:
        pinned = str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReferenceMismatchError(
            f"{path} cannot be read ({error}), so the reference of this training is unknown; "
            "start into an empty folder."
        ) from error
    if pinned != fingerprint:
        raise ReferenceMismatchError(
            f"the model is not the reference this training started from: {path} has {pinned}, "
            f"the model {base!r} given now has {fingerprint}. Give the first model, or start "
            "into an empty folder."
        )


def attach_reference_logps(
    trainer: Any,
    rows: Sequence[dict[str, Any]],
    fingerprint: str,
    store: Store | None,
    on_progress: Callable[[int, int], None],
    processes: Processes | None = None,
    *,
    as_it_stands: bool = False,
) -> list[dict[str, Any]]:
    """Adds `ref_chosen_logps` and `ref_rejected_logps` (nats, summed) to every row.

    The reference is the model as it stands before step 1: a fresh adapter is
    switched off. Values are stored by content, a batch at a time, so that another
    training on the same pairs and a resumed one do not compute them again. Several
    processes take turns at the batches; the main one reads and writes the store.

    Args:
        trainer: The `SoftDPOTrainer`, not yet trained.
        rows: Tokenized pairs.
        fingerprint: The reference's.
        store: Where values are kept; None except in the main process.
        on_progress: Told pairs done and pairs in all.
        processes: Those that share the training; None for this one alone.
        as_it_stands: The reference is the model with its adapter on: that of an earlier
            training.

    Returns:
        New rows in the same order.

    Raises:
        TrainingError: The reference gives a log-prob that is not finite.
    """
    # The same weights give other values when they are multiplied in another type or layout.
    layout = "shared" if trainer.shares_prompts else "plain"
    layout += f" {trainer.pairs_per_row}" if trainer.pairs_per_row > 1 else ""
    computed_in = f"{fingerprint} {trainer.accelerator.mixed_precision} {layout}"
    keys = [_key(row, computed_in) for row in rows]
    group = processes or Processes()
    known: dict[str, Any] = group.from_main(
        lambda: store.get_many("reference", keys) if store else {}
    )
    trainer.model.eval()
    done = 0
    missing = []
    for batch in _plan(rows):
        if all(keys[index] in known for index in batch):
            done += len(batch)
        else:
            missing.append(batch)
    if done:
        on_progress(done, len(rows))
    for first in range(0, len(missing), group.count):
        turn = missing[first : first + group.count]
        mine = turn[group.index : group.index + 1]
        found = [
            (batch, _run(trainer, [rows[index] for index in batch], as_it_stands)) for batch in mine
        ]
        fresh = {
            keys[index]: value
            for batch, values in group.gather(found)
            for index, value in zip(batch, values, strict=True)
        }
        if store is not None:
            store.put_many("reference", fresh)
        known = {**fresh, **known}  # what was stored first stays
        done += sum(len(batch) for batch in turn)
        on_progress(done, len(rows))
    trainer.model.train()
    return [
        {**row, "ref_chosen_logps": known[key][0], "ref_rejected_logps": known[key][1]}
        for row, key in zip(rows, keys, strict=True)
    ]


def _plan(rows: Sequence[dict[str, Any]]) -> Iterator[list[int]]:
    """Batches by length. Depends on all rows, so that a resumed pass makes the same ones."""
    order = sorted(range(len(rows)), key=lambda index: (_length(rows[index]), index))
    for start in range(0, len(order), _PAIRS_PER_BATCH):
        yield order[start : start + _PAIRS_PER_BATCH]


def _length(row: dict[str, Any]) -> int:
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))


def _run(trainer: Any, rows: list[dict[str, Any]], as_it_stands: bool) -> list[list[float]]:
    """[chosen, rejected] log-probs of each row under the reference."""
    # Before training starts the model is whole in every process, even where it will be
    # split; then it may still be in the machine's memory instead of the GPU's.
    device = next(trainer.model.parameters()).device
    batch = {name: value.to(device) for name, value in trainer.data_collator(rows).items()}
    off = nullcontext() if as_it_stands else _adapter_off(trainer.model)
    with torch.no_grad(), off:
        logps, _ = completion_logps(trainer, trainer.model, batch)  # (2B,)
    if not torch.isfinite(logps).all():
        raise TrainingError(
            "the model gives log-probabilities that are not finite before any step is taken; "
            "check its weights, or set dtype to float32."
        )
    chosen, rejected = logps.float().cpu().chunk(2)
    return [[float(c), float(r)] for c, r in zip(chosen, rejected, strict=True)]


def _adapter_off(model: Any) -> AbstractContextManager[Any]:
    """The base with its adapter switched off; a model without one is its own reference."""
    return model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()


def _key(row: dict[str, Any], fingerprint: str) -> str:
    content = [fingerprint, row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()

"""Writes the README of a trained model: what it is, its training data, its measured effects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ..constitution.yaml_form import load_constitution
from ..evaluation.result import Evaluation
from ..evaluation.wording import CAPTION, change_cells, undecided_texts, verdict_sentence
from ..llm.local.embedded import EMBEDDED, HUB_ID
from ..pipeline.resolved import Resolved
from ..pipeline.run_directory import RunDirectory
from ..pipeline.unit import units_of
from ..trainer.result import TrainedModel

_LIMITS = (
    "Trained on few prompts of the project's own; whatever they do not cover is untested.",
    "The judge that counted refusals makes errors, which are in no interval above.",
    "A model that refuses more of the harmful prompts above still answers others. It is no "
    "safeguard by itself.",
    "That an archetype's motive maps to a model's failure is a design hypothesis, not a finding.",
)


def public_base(name: str) -> str:
    """The base model's name as others know it: a hub id, or a folder's last part.

    A path of this machine would tell a reader nothing they can use.
    """
    if name == EMBEDDED:
        return HUB_ID
    folder = Path(name).expanduser()
    return folder.name if folder.is_dir() else name


def model_card(run: RunDirectory, *, merged: bool) -> str:
    """Markdown that begins with the hub's own header.

    Args:
        run: A run whose model is trained; without an evaluation the card says so.
        merged: The weights are whole, though an adapter was trained.

    Raises:
        TrainingError: Nothing is trained yet.
    """
    resolved, trained = Resolved.load(run.config_file), TrainedModel.read(run.training)
    whole = merged or trained.method == "full"
    base = public_base(trained.base)
    header = {
        "base_model": base,
        "library_name": "transformers" if whole else "peft",
        "pipeline_tag": "text-generation",
        "tags": ["anlage", "dpo", "preference-pairs"],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=True)}---",
        f"# {resolved.name}",
        f"`{base}`, trained with DPO on preference pairs made from archetypes with Anlage.",
        f"## What was measured\n\n{_measured(run)}",
        f"## What it was trained on\n\n{_provenance(run, resolved, trained)}",
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _LIMITS),
        f"## Use\n\n{_use(base, whole)}",
    ]
    return "\n\n".join(parts) + "\n"


def _measured(run: RunDirectory) -> str:
    if not run.evaluation.is_file():
        return "**Nothing.** The run has no evaluation; `anlage run` makes one."
    found = Evaluation.from_json(run.evaluation.read_text("utf-8"), source=str(run.evaluation))
    parts = [verdict_sentence(found)]
    for name in found.compared:
        rows = [change_cells(change) for change in found.changes(name)]
        parts.append(_table(("measure", "n", "before", "after", "change [95%]", "p"), rows))
    return "\n\n".join([*parts, *undecided_texts(found), CAPTION])


def _provenance(run: RunDirectory, resolved: Resolved, trained: TrainedModel) -> str:
    constitution = load_constitution(run.constitution)
    training, used = resolved.training(), _used(run, resolved)
    each = training.batch_size * training.gradient_accumulation
    each *= max((int(one.get("processes", 1)) for one in used), default=1)
    rates = dict.fromkeys(f"{float(one['learning_rate']):g}" for one in used)
    archetypes = sorted({principle.archetype for principle in constitution})
    rows = [
        ("constitution", f"{len(constitution)} principles, hash `{constitution.hash}`"),
        ("archetypes", ", ".join(archetypes)),
        ("pairs", f"{trained.pairs}, SHA-256 `{_sha256(run.pairs)}`"),
        ("reference", f"`{trained.reference}`"),
        ("method", f"{trained.method}, {trained.steps} steps of {each} pairs"),
        ("learning rate; beta; SFT", f"{', '.join(rates)}; {training.beta:g}; "
         f"{training.sft_weight:g}"),
        ("seed", str(training.seed)),
    ]  # fmt: skip
    text = _table(("what", "value"), rows)
    if trained.base == EMBEDDED:
        text += (
            "\n\nThe base was unpacked from a 4-bit file, so its weights differ a little from the "
            "hub's; the reference's hash is that of the weights used."
        )
    if trained.method == "qlora":
        text += (
            "\n\nThe base was held in 4 bits for the training only; what was evaluated is the "
            "adapter on the base in full precision."
        )
    return text


def _used(run: RunDirectory, resolved: Resolved) -> list[dict[str, Any]]:
    """What every layer that was trained says it was trained with, in order."""
    files = (run.path / unit.folder / "training.json" for unit in units_of(resolved))
    return [json.loads(file.read_text("utf-8"))["config"] for file in files if file.is_file()]


def _use(base: str, whole: bool) -> str:
    if whole:
        code = (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained("THIS_REPOSITORY")\n'
            'tokenizer = AutoTokenizer.from_pretrained("THIS_REPOSITORY")'
        )
    else:
        code = (
            "from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n\n"
            f'base = AutoModelForCausalLM.from_pretrained("{base}")\n'
            'model = PeftModel.from_pretrained(base, "THIS_REPOSITORY")'
        )
    return f"```python\n{code}\n```"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines: list[tuple[str, ...]] = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

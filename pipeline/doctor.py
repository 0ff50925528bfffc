"""Everything that can be checked of a run before it costs anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import AnlageError, ModelNotFoundError, Problem, TrainingError
from ..llm.local.embedded import resolve_model
from ..preferences.dataset import Pairs
from ..preferences.pair import Pair
from ..prompts.prompt import Prompt
from ..trainer.checks.memory_need import MemoryNeed, available_memory, memory_need, read_shape
from ..trainer.checks.preflight import preflight
from ..trainer.config import TrainConfig
from ..trainer.rows import lesson_rows, positions_of, tokenize
from ..trainer.schedule import (
    LEAST_TRAVEL,
    WARMUP_ADVICE,
    learning_rates,
    plan_steps,
    why_never_full_rate,
)
from .inputs import evaluation_prompts, training_prompts
from .layer import LayerConfig
from .preflight import memory_problems
from .resolved import Resolved
from .unit import units_of
from .unit_data import lessons_for


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a decoded row.

    Attributes:
        text: As the tokenizer decodes it.
        trained: Whether the loss looks at it.
    """

    text: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        problems: Errors first.
        pairs: Pairs looked at.
        built: Whether they are the run's own; else stand-ins made from its prompts, on
            which orientation and duplicates say nothing.
        row: One chosen answer with its prompt, token by token; empty without a model.
        need: Estimated memory, bytes; None without a model whose sizes can be read.
    """

    problems: tuple[Problem, ...]
    pairs: int
    built: bool
    row: tuple[Token, ...]
    need: MemoryNeed | None


def diagnose(resolved: Resolved, folder: Path | None = None) -> Diagnosis:
    """Checks a run's training before anything is generated or loaded.

    Pairs are the run's own where they have been built. Before that, one stand-in
    pair per training prompt answers for lengths and schedule.

    Args:
        resolved: The run.
        folder: The run's directory; the one its config names if None.

    Raises:
        ConfigurationError: The prompts cannot be read.
        PairError: The run's pairs cannot be read.
    """
    training, evaluation = resolved.training(), evaluation_prompts(resolved)
    path = (folder or resolved.folder) / "30_pairs.jsonl"
    built = path.is_file()
    pairs = list(Pairs.load(path)) if built else _stand_ins(training_prompts(resolved))
    try:
        model = resolve_model(resolved.model)
    except ModelNotFoundError as error:
        problem = Problem("T011", "error", "model", 0, str(error))
        return Diagnosis((problem,), len(pairs), built, (), None)
    from transformers import AutoConfig, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)
    problems = preflight(
        pairs,
        tokenizer,
        training,
        evaluation=evaluation,
        stops=_stops(model),
        positions=positions_of(AutoConfig.from_pretrained(str(model), trust_remote_code=False)),
        real_answers=built,
    )
    problems += layer_problems(resolved, pairs, tokenizer, built=built)
    row: tuple[Token, ...] = ()
    need = None
    try:
        rows = tokenize(pairs, tokenizer, training.max_length).rows
        row = _decoded(rows[0], tokenizer)
        need = memory_need(read_shape(model), rows, training)
        problems += memory_problems(need, available_memory(), training.batch_size, "training")
    except (TrainingError, KeyError, OSError, ValueError):
        pass  # preflight has said why there are no rows; unknown sizes give no estimate
    order = {"error": 0, "warning": 1, "info": 2}
    found = sorted(problems, key=lambda problem: (order[problem.severity], problem.code))
    return Diagnosis(tuple(found), len(pairs), built, row, need)


def _stand_ins(prompts: Sequence[Prompt]) -> list[Pair]:
    answers = ("I can help with that, step by step. " * 4, "That is how it is done, I think. " * 4)
    return [
        Pair(
            prompt_id=prompt.id,
            prompt=prompt.messages,
            chosen=answers[0].strip(),
            rejected=answers[1].strip(),
            p_chosen=0.95,
            weight=1.0,
            principles=(),
            failure_mode=prompt.failure_mode,
            role=prompt.role,
            builder="stand-in",
            round=0,
            calls={},
        )
        for prompt in prompts
    ]


def _stops(model: Path) -> list[int] | None:
    for name in ("generation_config.json", "config.json"):
        path = model / name
        if path.is_file():
            stops = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
            if stops is not None:
                return [int(stop) for stop in (stops if isinstance(stops, list) else [stops])]
    return None


def _decoded(row: dict[str, Any], tokenizer: Any) -> tuple[Token, ...]:
    return tuple(
        Token(str(tokenizer.decode([token])), trained)
        for ids, trained in ((row["prompt_ids"], False), (row["chosen_ids"], True))
        for token in ids
    )


def layer_problems(
    resolved: Resolved, pairs: Sequence[Pair], tokenizer: Any, *, built: bool
) -> list[Problem]:
    """Schedule and length of every layer; nothing for a run without layers.

    Args:
        resolved: The run.
        pairs: Its pairs, or stand-ins for them.
        tokenizer: The model's.
        built: Whether the pairs are its own; stand-ins belong to no archetype.
    """
    found: list[Problem] = []
    for unit in units_of(resolved):
        layer = unit.layer
        if layer is None or unit.round:
            continue
        if layer.kind == "dpo":
            rows = len(pairs) if layer.data is None else 0
            if layer.data is None and built:
                own = [pair for pair in pairs if _is_of(pair, layer)]
                rows = len(resolved.select_pairs(own))
            rows = min(rows, layer.limit or rows)
        else:
            try:
                lessons = lessons_for(unit)
                tokenized = lesson_rows(lessons, tokenizer, resolved.training(layer).max_length)
            except TrainingError as error:
                found.append(_problem("T005", "error", layer, str(error), ""))
                continue
            except AnlageError as error:
                found.append(_problem("N002", "error", layer, str(error), "check `data`"))
                continue
            rows = len(tokenized.rows)
            if tokenized.too_long:
                message = f"{tokenized.too_long} lessons are too long and are left out, not cut"
                found.append(_problem("T005", "warning", layer, message, "raise max_length"))
        if rows:
            found += _schedule(rows, resolved.training(layer), layer)
    return found


def _schedule(rows: int, training: TrainConfig, layer: LayerConfig) -> Iterator[Problem]:
    reason = why_never_full_rate(rows, training)
    if reason:
        yield _problem("T001", "error", layer, reason, WARMUP_ADVICE.lower())
        return
    steps = plan_steps(rows, training)
    travel, least = sum(learning_rates(steps, training)), LEAST_TRAVEL[training.method]
    if travel < least:
        message = (
            f"the rates of its {steps} step(s) add up to {travel:.1g}, and below {least:g} "
            "nothing changes"
        )
        severity = "error" if travel < least / 100 else "warning"
        fix = "raise learning_rate, or train longer"
        yield _problem("T002", severity, layer, message, fix)


def _is_of(pair: Pair, layer: LayerConfig) -> bool:
    named = {principle.split("/")[0] for principle in pair.principles}
    return layer.archetypes is None or bool(named & set(layer.archetypes))


def _problem(code: str, severity: Any, layer: LayerConfig, message: str, fix: str) -> Problem:
    return Problem(code, severity, f"layer {layer.name}", 0, message, fix)

"""What would spoil a training, found before it costs anything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ...errors import NotSupportedError, Problem, Severity, TrainingError
from ...evaluation.judges.refusal_judge import RefusalJudge
from ...llm.local.encoding import end_ids
from ...llm.local.loading import best_dtype
from ...llm.local.rendering import (
    FIXED_DATE,
    depends_on_clock,
    refuses_system,
    skipped_opening,
)
from ...llm.message import Message
from ...preferences.filters import COMPLYING_FAILS
from ...preferences.pair import Pair
from ...prompts.prompt import Prompt
from ...prompts.similarity import content, near_duplicates, words
from ..assembly import compute_dtype
from ..config import TrainConfig
from ..rows import tokenize
from ..schedule import LEAST_TRAVEL, WARMUP_ADVICE, learning_rates, plan_steps, why_never_full_rate

MOST_LEFT_OUT = 0.05
"""Share of pairs that may be too long before it is worth a warning."""


OVER_REFUSAL = "over_refusal"
"""The failure mode whose good answer is no refusal."""

FEWEST_JUDGED = 8


def preflight(
    pairs: Sequence[Pair],
    tokenizer: Any,
    config: TrainConfig,
    *,
    evaluation: Sequence[Prompt] = (),
    stops: Sequence[int] | None = None,
    positions: int | None = None,
    real_answers: bool = True,
) -> list[Problem]:
    """Every check that needs no weights. Orientation takes about 2 ms a pair.

    Args:
        pairs: What would be trained on.
        tokenizer: The model's.
        config: How it would be trained.
        evaluation: Prompts that will be measured on.
        stops: Ids at which the model stops when it generates; None if unknown.
        positions: Tokens the model has positions for; None if unknown or without a limit.
        real_answers: False for pairs that only stand in for the lengths of others:
            then nothing is said of what their answers say.

    Returns:
        Problems, errors first. Codes: T001 schedule, T002 rate, T003 end of turn, T004
        template, T005 length, T006 orientation, T007 duplicates, T008 contamination,
        T009 types, T012 what the template does. Not covered: whether the answers are any good.
    """
    found = [
        *_schedule(len(pairs), config),
        *_rendering(pairs, tokenizer, config, stops, positions),
        *_orientation(pairs if real_answers else ()),
        *_duplicates(pairs if real_answers else ()),
        *_contamination(pairs, evaluation),
        *_types(config),
    ]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda problem: (order[problem.severity], problem.code))


def _problem(code: str, severity: Severity, where: str, message: str, fix: str) -> Problem:
    return Problem(code, severity, where, 0, message, fix)


def _schedule(pairs: int, config: TrainConfig) -> Iterator[Problem]:
    if not pairs:
        yield _problem("T001", "error", "pairs", "there are no pairs", "build some first")
        return
    reason = why_never_full_rate(pairs, config)
    if reason:
        yield _problem("T001", "error", "training", reason, WARMUP_ADVICE.lower())
        return
    steps = plan_steps(pairs, config)
    rates = learning_rates(steps, config)
    travel, least = sum(rates), LEAST_TRAVEL[config.method]
    if travel < least:
        yield _problem(
            "T002",
            "error" if travel < least / 100 else "warning",
            "training.learning_rate",
            f"the rate stays near 0: {steps} step(s) of at most {max(rates):.1g} add up to "
            f"{travel:.1g}, and below {least:g} nothing changes",
            "raise learning_rate, or train longer",
        )


def _rendering(
    pairs: Sequence[Pair],
    tokenizer: Any,
    config: TrainConfig,
    stops: Sequence[int] | None,
    positions: int | None,
) -> Iterator[Problem]:
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        what = "end token" if tokenizer.eos_token_id is None else "chat template"
        fix = "use an instruction-tuned model"
        yield _problem("T004", "error", "model", f"the tokenizer has no {what}", fix)
        return
    try:
        end = end_ids(tokenizer)[-1]
        yield from _particular(tokenizer, end)
    except NotSupportedError as error:
        yield _problem("T004", "error", "model", str(error), "")
        return
    if stops is not None and end not in stops:
        yield _problem(
            "T003",
            "error",
            "model",
            f"answers are trained to end with token {end} "
            f"({tokenizer.convert_ids_to_tokens(end)!r}), but the model stops generating at "
            f"{sorted(stops)} only, so it would never learn to stop",
            "set eos_token_id in generation_config.json, or the tokenizer's eos_token",
        )
    if not pairs:
        return
    try:
        rows = tokenize(pairs, tokenizer, config.max_length, positions)
    except TrainingError as error:
        code = "T005" if "longer than" in str(error) else "T004"
        yield _problem(code, "error", "pairs", str(error), "")
        return
    most = config.max_length
    limit = min(most, positions or most)
    if rows.too_long > MOST_LEFT_OUT * len(pairs):
        yield _problem(
            "T005",
            "warning",
            "training.max_length",
            f"{rows.too_long} of {len(pairs)} pairs are longer than {limit} tokens "
            "and would be left out",
            "make answers shorter" + (", or raise max_length" if limit == most else ""),
        )
    yield from _ends(rows.rows, end)


def _particular(tokenizer: Any, end: int) -> Iterator[Problem]:
    """What the chat template does that a reader of the results should know."""
    said: list[tuple[Severity, str, str]] = []
    if end != tokenizer.eos_token_id:
        name = tokenizer.convert_ids_to_tokens(end)
        message = f"an answer ends with {name!r}, the template's end of turn, and generation "
        said.append(("info", f"{message}stops there; what follows it is not trained", ""))
    if depends_on_clock(tokenizer):
        message = f"the chat template asks for today's date; it is told {FIXED_DATE:%Y-%m-%d}, so "
        said.append(("info", f"{message}that a training resumed on another day is the same", ""))
    read, opened = skipped_opening(tokenizer)
    if read.strip() or opened.strip():
        message = "the template puts more than the generation prompt before an answer"
        shown = f" ({read!r})" if read.strip() else f": answers lack its {opened.strip()!r}"
        said.append(("info", f"{message}{shown}; it is read, never trained or generated", ""))
    if refuses_system(tokenizer):
        message = (
            "the chat template refuses a system message: a constitution cannot be given as one"
        )
        fix = (
            "put system texts at the beginning of the first user message, or save a "
            "chat_template.jinja that takes them beside the model"
        )
        said.append(("warning", message, fix))
    for severity, message, fix in said:
        yield _problem("T012", severity, "model", message, fix)


def _ends(rows: Sequence[dict[str, Any]], end: int) -> Iterator[Problem]:
    open_ended = sum(
        row[side][-1] != end for row in rows for side in ("chosen_ids", "rejected_ids")
    )
    if open_ended:
        yield _problem(
            "T003",
            "error",
            "pairs",
            f"{open_ended} answers do not end with the end token, so the model would not "
            "learn to stop",
            "check the chat template's end of turn",
        )


def _orientation(pairs: Sequence[Pair]) -> Iterator[Problem]:
    """Refusals must be chosen where help is the failure and rejected where they are it."""
    judge = RefusalJudge.load()
    right = flipped = 0
    for pair in pairs:
        if pair.failure_mode not in COMPLYING_FAILS | {OVER_REFUSAL}:
            continue
        chosen, rejected = (
            judge.p_refused(answer) >= judge.threshold for answer in (pair.chosen, pair.rejected)
        )
        if chosen != rejected:
            good = chosen == (pair.failure_mode != OVER_REFUSAL)
            right, flipped = right + good, flipped + (not good)
    judged = right + flipped
    if judged < FEWEST_JUDGED or flipped <= 0.2 * judged:
        return
    yield _problem(
        "T006",
        "error" if flipped > right else "warning",
        "pairs",
        f"{flipped} of the {judged} pairs in which one answer refuses prefer the wrong one: a "
        "refusal of a harmless prompt, or help with a harmful one",
        "chosen and rejected are swapped" if flipped > right else "read those pairs",
    )


def refuse_contradictions(pairs: Sequence[Pair]) -> None:
    """Refuses pairs that cannot be learned: two equal answers, or both ways round.

    Raises:
        TrainingError: There are such pairs.
    """
    for problem in _duplicates(pairs):
        if problem.severity == "error":
            raise TrainingError(f"{problem.code}: {problem.message}; {problem.fix}.")


def _duplicates(pairs: Sequence[Pair]) -> Iterator[Problem]:
    asked = [json.dumps([(m.role, m.content) for m in pair.prompt]) for pair in pairs]
    seen = Counter((a, p.chosen, p.rejected) for a, p in zip(asked, pairs, strict=True))
    again = sum(count - 1 for count in seen.values())
    if again:
        message = f"{again} pairs are there more than once"
        yield _problem("T007", "warning", "pairs", message, "remove them, or set `weight`")
    conflicts = sum((a, bad, good) in seen for a, good, bad in seen if good < bad)
    same = sum(good == bad for _, good, bad in seen)
    if conflicts or same:
        message = (
            f"{conflicts} pairs contradict another one (same prompt, chosen and rejected "
            f"swapped); in {same} both answers are the same"
        )
        yield _problem(
            "T007", "error", "pairs", message, "leave those pairs out, or keep one of the two"
        )


def _contamination(pairs: Sequence[Pair], evaluation: Sequence[Prompt]) -> Iterator[Problem]:
    """Trained prompts that are nearly measured ones, by Jaccard index of content words."""
    trained = {pair.prompt_id: _content(pair.prompt) for pair in pairs}
    names = list(trained)
    measured = [_content(prompt.messages) for prompt in evaluation]
    near = list(near_duplicates(list(trained.values()), measured))
    if near:
        mine, theirs, _ = near[0]
        yield _problem(
            "T008",
            "error",
            "prompts",
            f"{len({index for index, _, _ in near})} training prompts nearly repeat evaluation "
            f"prompts, such as {names[mine]} and {evaluation[theirs].id}",
            "remove them: the evaluation would measure memory",
        )


def _content(messages: Sequence[Message]) -> frozenset[str]:
    return content(words("\n".join(message.content for message in messages)))


def _types(config: TrainConfig) -> Iterator[Problem]:
    if compute_dtype(config) == torch.float32 and best_dtype() == torch.bfloat16:
        yield _problem(
            "T009",
            "warning",
            "training.dtype",
            "float32 on hardware that multiplies bfloat16: about twice the memory and time",
            "leave dtype at `auto`",
        )

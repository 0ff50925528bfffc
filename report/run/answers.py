"""Shows answers before and after training side by side, for a random sample of prompts."""

from __future__ import annotations

import random
from collections.abc import Mapping

from ...evaluation.answer import Answer
from ...evaluation.measure import HARM
from ...evaluation.model_evaluation import ModelEvaluation
from ...prompts.prompt import Role
from ..html import text

SAMPLE_SEED = 0
SAMPLE_SIZE = 20
_ROLES: tuple[tuple[Role, str], ...] = (
    ("at_risk", "At risk: a naive answer would do harm"),
    ("twin", "Twins: harmless, refusing would be the mistake"),
)
_OTHER_ROLES: Mapping[Role, str] = {"at_risk": "At risk", "twin": "Twins"}
"""Where no harm set was measured, the half at risk may be the harmless one."""


def sample_answers(
    before: ModelEvaluation,
    after: ModelEvaluation,
    *,
    size: int = SAMPLE_SIZE,
    seed: int = SAMPLE_SEED,
) -> list[tuple[Answer, Answer]]:
    """Draw pairs of answers to the same prompt, half at risk and half twins.

    The draw sees prompt ids only, so it cannot favour good or bad answers.
    Prompts of the harm sets are drawn; where there are none, all prompts.

    Args:
        before: The baseline.
        after: The model compared with it.
        size: Most pairs in all.
        seed: Seeds the draw.
    """
    answers = {answer.prompt_id: answer for answer in after.answers}
    shared = [answer for answer in before.answers if answer.prompt_id in answers]
    pool = [answer for answer in shared if answer.failure_mode == HARM] or shared
    generator = random.Random(seed)  # noqa: S311 - a sample, not a secret
    drawn: list[tuple[Answer, Answer]] = []
    for role, _ in _ROLES:
        of_role = sorted((a for a in pool if a.role == role), key=lambda a: a.prompt_id)
        chosen = generator.sample(of_role, min(size // 2, len(of_role)))
        drawn += [(answer, answers[answer.prompt_id]) for answer in chosen]
    return drawn


def answers_html(before: ModelEvaluation, after: ModelEvaluation) -> str:
    """The sample as cards: the prompt, then both answers with their verdicts."""
    drawn = sample_answers(before, after)
    total = len({answer.prompt_id for answer in before.answers})
    parts = [
        f"<p>{len(drawn)} of {total} prompts, drawn at random with seed {SAMPLE_SEED}, "
        "half of them at risk and half their twins. The verdicts are the judge's, "
        "not a person's.</p>"
    ]
    for role, title in _ROLES:
        cards = [pair for pair in drawn if pair[0].role == role]
        if cards:
            harm = all(old.failure_mode == HARM for old, _ in cards)
            parts.append(f"<h3>{text(title if harm else _OTHER_ROLES[role])}</h3>")
        parts += [_card(old, new, before.name, after.name) for old, new in cards]
    return "".join(parts)


def _card(old: Answer, new: Answer, before: str, after: str) -> str:
    return (
        f'<article class="card"><p class="prompt">{text(old.prompt)} '
        f'<span class="id">{text(old.prompt_id)}</span></p><div class="two">'
        f"{_side(before, old)}{_side(after, new)}</div></article>"
    )


def _side(name: str, answer: Answer) -> str:
    cut = ' <span class="id">(cut at the token limit)</span>' if answer.finish == "length" else ""
    body = text(answer.text) if answer.text else "<em>empty</em>"
    return (
        f'<div><p class="who">{text(name)} {_badge(answer)}</p><p class="say">{body}{cut}</p></div>'
    )


def _badge(answer: Answer) -> str:
    """The verdict in words; colour only repeats what the words say."""
    if answer.verdict is None:
        return f'<span class="badge none">call failed: {text(answer.error)}</span>'
    meaning = ""
    if answer.verdict == "refused" and answer.failure_mode == HARM:
        meaning = " · defended" if answer.role == "at_risk" else " · over-refusal"
    sure = f" · p(refusal) {answer.p_refused:.2f}" if answer.verdict != "incoherent" else ""
    return (
        f'<span class="badge {text(answer.verdict)}">{text(answer.verdict + meaning)}</span>{sure}'
    )

"""From a model's reply to a judged answer: text, verdict, phrases, rubric score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...constitution.principle import Principle
from ...files.words import words
from ...llm.request import Completion, Request
from ..judges.judging import Judged, Ruling
from ..judges.phrases import find_phrases, persona_phrases
from ..judges.rubric import Rubric
from ..measure import HARM
from .item import PromptItem
from .outcome import JudgedAnswer


async def rated(rubric: Rubric, answers: Sequence[JudgedAnswer]) -> list[JudgedAnswer]:
    """Rates what answered or refused at risk; a refusal's score is 0 without asking."""
    asked = [a for a in answers if _is_at_risk(a) and a.verdict == "answered"]
    scores = await rubric.rate([Judged(answer.asked, answer.text) for answer in asked])
    by_id = {id(a): score for a, score in zip(asked, scores, strict=True)}
    return [
        replace(a, quality=by_id.get(id(a), None if a.verdict == "answered" else 0.0))
        if _is_at_risk(a) and a.verdict
        else a
        for a in answers
    ]


def _is_at_risk(answer: JudgedAnswer) -> bool:
    return answer.role == "at_risk" and answer.failure_mode == HARM


def answer_text(request: Request, done: Completion) -> str:
    """Prefill and new text together; "" where the call failed."""
    if done.outcome.kind == "error" or done.finish == "error":
        return ""
    return f"{request.prefill}{done.text}".strip()


def judged_answer(
    item: PromptItem,
    request: Request,
    done: Completion,
    text: str,
    ruling: Ruling,
    principles: tuple[Principle, ...] = (),
) -> JudgedAnswer:
    """The answer with its ruling, and the phrases of an archetype in it."""
    failed = done.outcome.kind == "error" or done.finish == "error"
    read = "\n".join(message.content for message in request.messages)
    phrases = find_phrases(persona_phrases(principles), read, text)
    return JudgedAnswer(
        id=item.id,
        group=item.group,
        role=item.role,
        failure_mode=item.failure_mode,
        asked=item.asked,
        text=text,
        verdict=None if failed else ruling.verdict,
        p_refused=0.0 if failed else ruling.p_refused,
        why="" if failed else ruling.why,
        intrusion=phrases.counted,
        echoed=phrases.echoed,
        words=len(words(text, r"\S+")),
        finish=done.finish,
        error=(done.outcome.reason or "the call failed") if failed else ruling.error,
        key=done.key,
        source=item.source,
    )

"""Asks a critic whether an answer breaks one principle: reason first, verdict last.

Two short prefilled calls instead of one long answer: a small model keeps the form
only as far as it is written for it. The second call continues the first, so the
verdict is given after the reason and with it in view.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..constitution.principle import Principle
from ..llm.message import Message, with_instruction
from ..llm.neutralise import neutralise
from ..llm.request import Completion, Model, Outcome, Request
from ..prompts.prompt import Prompt
from ..prompts.template import render
from .frames import FrameJob
from .sentences import INNER_STOPS, first_sentence, has_sentence_end
from .verdict import find_quote, read_severity

REASON_PREFILL = "The answer"
VERDICT_LEAD = "\nOn a scale from 0 (keeps the rule) to 3 (breaks it badly), the answer scores"

CRITIC_REFUSAL = re.compile(
    r"^\s*(?:I['’]m sorry|I can(?:no|['’])t|I am (?:not able|unable)|as an AI)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Critique:
    """A critic's finding about one answer and one principle.

    Attributes:
        breaks: True if the answer breaks the principle (severity above 0); None if
            the verdict could not be read.
        severity: 0 (keeps it) to 3 (breaks it badly); 0 where it could not be read.
        quote: Words of the answer the critic quoted; "" unless they occur in it.
        reason: One sentence, starting with `REASON_PREFILL`.
        text: Everything the critic said.
        keys: Cache keys of its calls.
        outcome: `ok`, `repaired` (reason usable, verdict unreadable), `malformed`
            (no reason), `critic_refused` or `error`.
    """

    breaks: bool | None
    severity: int
    quote: str
    reason: str
    text: str
    keys: tuple[str, ...] = ()
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True, slots=True)
class CritiqueItem:
    """One answer to be judged by one principle."""

    prompt: Prompt
    answer: str
    principle: Principle


def conversation_text(messages: Sequence[Message]) -> str:
    """A conversation as quoted text: the bare words of a single turn, else labelled turns."""
    if len(messages) == 1:
        return neutralise(messages[0].content)
    return "\n".join(f"{m.role}: {neutralise(m.content)}" for m in messages)


def reason_request(item: CritiqueItem, *, max_tokens: int = 40) -> Request:
    """The first call: one sentence of reason, prefilled, greedy."""
    content = render(
        "critique",
        {
            "prompt": conversation_text(item.prompt.messages),
            "answer": neutralise(item.answer),
            "request": item.principle.critique,
        },
    )
    return Request(
        messages=(Message("user", content),),
        prefill=REASON_PREFILL,
        max_tokens=max_tokens,
        stop=INNER_STOPS,
    )


def verdict_request(first: Request, reason: str) -> Request:
    """The second call: continues the reason to a number."""
    return Request(messages=first.messages, prefill=reason + VERDICT_LEAD, max_tokens=3)


def parse_reason(completion: Completion) -> tuple[str, Outcome]:
    """The reason sentence, or "" with the outcome that says why there is none."""
    if completion.outcome.kind == "error":
        return "", completion.outcome
    if CRITIC_REFUSAL.match(completion.text):
        return "", Outcome("critic_refused", completion.text.strip()[:80])
    sentence = first_sentence(completion.text)
    if not sentence:
        return "", Outcome("malformed", "the critic gave no reason")
    if completion.finish == "length" and not has_sentence_end(completion.text):
        reason = f"{REASON_PREFILL} {sentence}"
        return reason, Outcome("repaired", "the critic's reason was cut at the token limit")
    return f"{REASON_PREFILL} {sentence}", Outcome("ok")


async def critique(
    model: Model, items: Sequence[CritiqueItem], *, max_tokens: int = 40, verdicts: bool = True
) -> list[Critique]:
    """Critiques all answers: one batched call for the reasons, one for the verdicts.

    Args:
        model: The critic.
        items: What to judge.
        max_tokens: Most new tokens of the reason.
        verdicts: Ask for the verdict, too. A builder that revises every draft uses
            the reason only and saves the second call.

    Returns:
        One critique per item, in order. What is not covered: whether the reason is
        true. A 135M critic's reasons often are not; `calibrate` measures it.
    """
    firsts = [reason_request(item, max_tokens=max_tokens) for item in items]
    reasons = await model.complete(firsts)
    parsed = [parse_reason(completion) for completion in reasons]
    usable = [i for i, (reason, _) in enumerate(parsed) if reason and verdicts]
    seconds = [verdict_request(firsts[i], parsed[i][0]) for i in usable]
    by_index = dict(zip(usable, await model.complete(seconds) if seconds else [], strict=True))
    return [_assemble(item, reasons[i], parsed[i], by_index.get(i)) for i, item in enumerate(items)]


def _assemble(
    item: CritiqueItem,
    reason_call: Completion,
    parsed: tuple[str, Outcome],
    verdict_call: Completion | None,
) -> Critique:
    reason, outcome = parsed
    keys = tuple(c.key for c in (reason_call, verdict_call) if c is not None and c.key)
    quote = find_quote(reason, item.answer)
    if verdict_call is None:
        return Critique(None, 0, quote, reason, reason or reason_call.text.strip(), keys, outcome)
    severity = read_severity(verdict_call.text)
    if verdict_call.outcome.kind == "error":
        outcome = verdict_call.outcome
    elif severity is None:
        outcome = Outcome("repaired", "verdict unreadable; the reason is kept")
    return Critique(
        breaks=None if severity is None else severity > 0,
        severity=severity or 0,
        quote=quote,
        reason=reason,
        text=f"{reason}{VERDICT_LEAD}{verdict_call.text}",
        keys=keys,
        outcome=outcome,
    )


def revision_job(
    prompt: Prompt,
    critique: Critique | None,
    principle: Principle | None,
    *,
    opening: str,
    temperature: float,
    max_tokens: int,
    seed: int,
    top_p: float = 1.0,
) -> FrameJob:
    """The job of answering again, under one principle and with the critique in view.

    Critique and rule stand in a system message and the conversation follows as it was,
    so that the revision is an answer to the person. The draft itself is not shown: a
    135M model copies from it (a revised refusal went on to name the poison the draft
    had named).

    Args:
        prompt: What was asked.
        critique: What the critic said about the draft; None shows the rule alone.
        principle: The principle; its `revise` request is shown. None shows the critique
            alone, with the bare wish for a better answer.
        opening: One of its good openings, with gaps; "" leaves the form to the model.
        temperature: Sampling temperature, 0 for greedy.
        max_tokens: Most new tokens over all gaps.
        seed: Seed of the sampling.
        top_p: Nucleus mass of the sampling.

    Returns:
        A job for `fill_frames`. A system message of the prompt is kept, before ours; with
        neither critique nor principle nothing is put there.
    """
    content = _instruction(critique, principle)
    return FrameJob(
        messages=with_instruction(prompt.messages, content) if content else prompt.messages,
        opening=opening,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
    )


def _instruction(critique: Critique | None, principle: Principle | None) -> str:
    """What a revision is told: the same words whatever of the two it is shown."""
    if critique is not None and principle is not None:
        values = {"critique": neutralise(critique.reason), "request": principle.revise}
        return render("revise", values).strip()
    if critique is not None:
        return render("revise_critique", {"critique": neutralise(critique.reason)}).strip()
    return render("revise_rule", {"request": principle.revise}).strip() if principle else ""

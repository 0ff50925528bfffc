"""Small principles, prompts and a scripted writer for the critic and pair tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anlage.constitution.principle import Constitution, Openings, Principle, Provenance
from anlage.llm.message import Message
from anlage.llm.request import Completion, Request, Wrapper
from anlage.llm.scripted import ScriptedModel
from anlage.prompts.prompt import Prompt, Role

REFUSAL_FRAME = "I won't do that, because ... What I can do is help you ..."
CURT = "That topic is closed and I never answer such things."


def make_principle(
    slug: str, failure_mode: str, *, cues: tuple[str, ...] = (), weight: float = 1.0
) -> Principle:
    """A principle whose openings name its failure mode's side."""
    harm = failure_mode == "harmful_compliance"
    return Principle(
        id=f"guardian/{slug}",
        archetype="guardian",
        failure_mode=failure_mode,
        pole="deficit" if harm else "excess",
        situation="someone asks",
        statement=f"Keep {slug}.",
        negative=f"Don't break {slug}.",
        critique=f"Rule: {slug}.",
        revise=f"Write a better answer under {slug}.",
        compare=f"Which answer keeps {slug} better?",
        cues=cues,
        openings=Openings(
            failing=("Sure, it is easy. First,",) if harm else (CURT,),
            good=(REFUSAL_FRAME,) if harm else ("The easiest way is to ...",),
        ),
        weight=weight,
        precedence=0,
        provenance=Provenance("guardian.yaml", 1, ()),
    )


def make_constitution(*principles: Principle) -> Constitution:
    """A constitution; by default one principle against harm and one against over-refusal."""
    default = (
        make_principle("no-harm", "harmful_compliance"),
        make_principle("aim-first", "over_refusal"),
    )
    return Constitution(principles or default, {})


def make_prompt(number: int = 1, role: Role = "at_risk", cues: tuple[str, ...] = ()) -> Prompt:
    """One half of a twin pair about harm."""
    words = {
        "at_risk": f"How do I rob bank branch number {number}?",
        "twin": f"How do I find bank branch number {number}?",
    }
    letter = {"at_risk": "r", "twin": "t"}
    other: Role = "twin" if role == "at_risk" else "at_risk"
    return Prompt(
        id=f"harm-train-{number:03d}-{letter[role]}",
        messages=(Message("user", words[role]),),
        cues=cues,
        failure_mode="harmful_compliance",
        role=role,
        twin=f"harm-train-{number:03d}-{letter[other]}",
        split="train",
        topic="banks",
        form="question",
    )


def make_prompts(twins: int) -> list[Prompt]:
    """Both halves of so many twin pairs."""
    roles: tuple[Role, ...] = ("at_risk", "twin")
    return [make_prompt(number, role) for number in range(1, twins + 1) for role in roles]


class KeyedModel(Wrapper):
    """A scripted model whose completions carry cache keys, as behind a store."""

    inner: ScriptedModel

    def __init__(self, inner: ScriptedModel) -> None:
        super().__init__(inner)
        self.batches: list[int] = []

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.batches.append(len(requests))
        answers = await self.inner.complete(requests)
        return [
            replace(answer, key=request.key(self.fingerprint))
            for request, answer in zip(requests, answers, strict=True)
        ]


def write(request: Request) -> str | None:
    """Answers like a policy and a critic that keep to their form."""
    asked, prefill = request.messages[-1].content, request.prefill
    if "On a scale" in prefill:
        return " 3"
    if prefill == "The answer":
        return ' says "the front door" and that helps a robbery.'
    if prefill.endswith("because"):
        return " people would lose their savings."
    if prefill.endswith("help you"):
        return " open an account of your own."
    if prefill.endswith("is to"):
        return " look at the map on the bank's own page."
    number = asked.split("number ")[-1].split("?")[0]
    return f" Draft {number} says go in by the front door at noon."

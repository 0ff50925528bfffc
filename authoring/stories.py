"""Lets a model write arcs: a failure mode's shadow, its recognition, its integration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..archetypes.loader import LIBRARY, load_archetypes
from ..archetypes.vocabulary import load_failure_modes
from ..llm.message import Message
from ..llm.models import load_model
from ..llm.request import Completion, Model, Request
from ..llm.run_sync import run_sync
from ..preferences.filters import loops, words
from ..prompts.lessons import Lesson
from ..prompts.template import render

_PART = re.compile(r"^\W*(shadow|recognition|integration)\W*[:.]\s*", re.IGNORECASE | re.MULTILINE)
_PARTS = ("shadow", "recognition", "integration")
_FEWEST, _MOST = 8, 120  # words of one part


@dataclass(frozen=True, slots=True)
class MadeArcs:
    """What a model wrote.

    Attributes:
        lessons: Arcs that hold their three parts.
        outcomes: How each attempt ended (`ok`, `truncated`, `malformed`, `loops`, `error`).
    """

    lessons: tuple[Lesson, ...]
    outcomes: dict[str, int]


def make_arcs(
    archetypes: Sequence[str],
    model: Model | str,
    *,
    per_mode: int = 2,
    seed: int = 0,
    max_tokens: int = 320,
) -> MadeArcs:
    """Asks a model for arcs of 3 to 9 sentences, `per_mode` for each failure mode.

    An arc is kept only if the model ended it and all three parts are there, so that no
    shadow stands without its integration. The prompt asks for no working instructions;
    whether an arc is good is for a person to read.

    Args:
        archetypes: Ids of shipped archetypes.
        model: A model or its name.
        per_mode: Arcs of each failure mode of each archetype.
        seed: Seeds the sampling.
        max_tokens: Most new tokens of one arc.

    Raises:
        ArchetypeError: No such archetype.
        ModelNotFoundError: No such model.
    """
    writer = load_model(model) if isinstance(model, str) else model
    meanings = load_failure_modes()
    asked: list[tuple[str, str, int, Request]] = []
    for archetype in load_archetypes(LIBRARY, only=archetypes):
        for mode in dict.fromkeys(p.failure_mode for p in archetype.principles):
            for number in range(per_mode):
                values = {
                    "archetype": archetype.name,
                    "norm": " ".join(archetype.prosocial_expression),
                    "failing": meanings[mode].meaning,
                }
                text = render("story", values)
                request = Request(
                    (Message("user", text),),
                    temperature=0.9,
                    top_p=0.95,
                    max_tokens=max_tokens,
                    seed=seed,
                    sample=number,
                )
                asked.append((archetype.id, mode, number, request))
    answers = run_sync(writer.complete([request for *_, request in asked]))
    lessons: list[Lesson] = []
    outcomes: Counter[str] = Counter()
    for (name, mode, number, _), answer in zip(asked, answers, strict=True):
        parts, outcome = read_arc(answer)
        outcomes[outcome] += 1
        if outcome == "ok":
            learned = f"Tell me what you learned about {mode.replace('_', ' ')}."
            prompt = (Message("user", learned),)
            slug = f"{name}-{mode}-{number + 1}".replace("_", "-")
            lessons.append(Lesson(slug, prompt, "\n\n".join(parts), mode, name, "made"))
    return MadeArcs(tuple(lessons), dict(outcomes))


def read_arc(answer: Completion) -> tuple[tuple[str, ...], str]:
    """The three parts of an answer, and how the attempt ended; no parts unless it is `ok`."""
    if answer.finish == "error":
        return (), "error"
    if answer.finish == "length":
        return (), "truncated"
    pieces = _PART.split(answer.text)
    names = tuple(name.lower() for name in pieces[1::2])
    parts = tuple(" ".join(text.split()) for text in pieces[2::2])
    if names != _PARTS or not all(_FEWEST <= len(words(part)) <= _MOST for part in parts):
        return (), "malformed"
    return ((), "loops") if loops(" ".join(parts)) else (parts, "ok")

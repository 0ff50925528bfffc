"""Try and Chat: the two screens that ask a model something."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from ..archetypes.loader import LIBRARY
from ..constitution.compiler import compile_constitution
from ..constitution.principle import Principle
from ..llm.local.embedded import EMBEDDED
from ..llm.message import Message
from ..llm.run_sync import run_sync
from ..pipeline.run_directory import RunDirectory
from .page import Asked, screen

if TYPE_CHECKING:
    from ..inspection.models import SideBySide
    from ..llm.request import Model

_LONGEST: Final = 8_000
"""Most characters of a question."""
_TURNS: Final = 12
"""Turns that are sent along; small models have small windows."""
_asking = Lock()
"""One model at a time: two would share the same cores."""


def _try(asked: Asked) -> Response:
    return asked.page("try.html", data=_trial(asked, {"question": "", "model": EMBEDDED}))


def _trial(asked: Asked, form: Mapping[str, str]) -> dict[str, Any]:
    return {
        "archetypes": [asked.place.name(file) for file in asked.place.archetypes()],
        "library": sorted(file.stem for file in LIBRARY.glob("*.yaml")),
        "chosen": form.get("archetype", ""), "question": form.get("question", ""),
        "model": form.get("model") or EMBEDDED, "found": None, "history": [],
    }  # fmt: skip


def _ask(asked: Asked) -> Response:
    """Draft, critiques and revision; what was found before comes back with the form."""
    from ..authoring.pilot import author_loop

    data = _trial(asked, asked.form)
    question = data["question"].strip()[:_LONGEST]
    if not question:
        return asked.sentence("Nothing is asked", "Go back and write a question.", status=400)
    principles = _principles(asked, data["chosen"])
    history = _past(asked.form.get("history", ""))
    with _asking:
        model = _model(data["model"])
        found = run_sync(author_loop(model, principles, question, max_tokens=96))
    line = {"question": question, "draft": found.draft, "revision": found.revision,
            "under": found.applied.id}  # fmt: skip
    data |= {"found": found, "history": history[-_TURNS:]}
    data["past"] = json.dumps([*history[-_TURNS:], line])
    return asked.page("try.html", data=data)


def _principles(asked: Asked, chosen: str) -> Sequence[Principle]:
    if chosen.endswith((".yaml", ".yml")):
        return compile_constitution(asked.place.file(chosen)).principles
    return compile_constitution(LIBRARY, only=[chosen]).principles


@lru_cache(maxsize=1)
def _model(spec: str) -> Model:
    from ..llm.models import load_model

    return load_model(spec)


def _past(text: str) -> list[dict[str, Any]]:
    """What the page sent back of earlier turns; anything else than that is left out."""
    try:
        rows = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _chat(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    return asked.page("chat.html", data={"run": run, "turns": [], "past": "[]"})


def _answer(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    question = asked.form.get("question", "").strip()[:_LONGEST]
    turns = [turn for turn in _past(asked.form.get("past", "")) if _is_turn(turn)]
    if question:
        with _asking:
            both = _both(run.path, run.training.stat().st_mtime_ns if run.training.exists() else 0)
            answers = both.ask(question, _before(turns[-_TURNS:], list(both.models)))
        turns.append({"question": question, "answers": answers})
    return asked.page("chat.html", data={"run": run, "turns": turns, "past": json.dumps(turns)})


def _is_turn(turn: Mapping[str, Any]) -> bool:
    answers = turn.get("answers")
    said = isinstance(answers, dict) and all(isinstance(a, str) and a for a in answers.values())
    return said and isinstance(turn.get("question"), str) and bool(turn["question"])


def _before(turns: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Message]]:
    """What was said so far, per model: each goes on with its own answers."""
    return {
        name: [
            message
            for turn in turns
            if name in turn["answers"]
            for message in (
                Message("user", turn["question"]),
                Message("assistant", turn["answers"][name]),
            )
        ]
        for name in names
    }


@lru_cache(maxsize=1)
def _both(folder: Path, changed: int) -> SideBySide:
    from ..inspection.models import SideBySide

    return SideBySide(RunDirectory(folder))


ROUTES = (
    screen("/try", _try),
    screen("/try", _ask, post=True),
    screen("/runs/{run}/chat", _chat),
    screen("/runs/{run}/chat", _answer, post=True),
)

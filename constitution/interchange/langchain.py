"""The principle triple of LangChain's former constitutional chain, as a JSON list."""

from __future__ import annotations

from collections.abc import Sequence

from .json_text import dump, items, parse_json, text_of, unknown_keys
from .rule import Imported, Rule

LOST = (
    "the rule itself: its situation, statement and negative remain only inside the requests",
    "failure mode, pole, cues, weight and precedence: every principle counts alike, everywhere",
    "openings, comparison requests, references, file and line",
)


def write(rules: Sequence[Rule]) -> str:
    """`[{name, critique_request, revision_request}, ...]`."""
    return dump(
        [
            {"name": r.name, "critique_request": r.critique, "revision_request": r.revise}
            for r in rules
        ]
    )


def read(text: str, file: str) -> Imported:
    """Reads such a list; a missing name stays empty.

    Raises:
        ConfigurationError: It has another form.
    """
    found = items(parse_json(text, file), file, "{name, critique_request, revision_request}")
    rules = []
    for number, item in enumerate(found, start=1):
        critique = text_of(item, "critique_request", file, number)
        revise = text_of(item, "revision_request", file, number)
        name = item.get("name")
        rules.append(Rule(name if isinstance(name, str) else "", "", critique, revise))
    return Imported(
        tuple(rules), unknown_keys(found, {"name", "critique_request", "revision_request"})
    )

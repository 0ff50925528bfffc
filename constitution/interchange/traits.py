"""Trait files of Open Character Training: traits in the first person with sample questions."""

from __future__ import annotations

from collections.abc import Sequence

from .json_text import dump, fault, items, parse_json, text_of, unknown_keys
from .rule import Imported, Rule

LOST = (
    "the first person: our rules say what an answer does, not `I ...`",
    "names, critique, revision and comparison requests: traits are given to a teacher as they are",
    "failure mode, pole, cues, weight, precedence, openings and references",
    "sample questions: left empty, since our exemplars are held out from training",
)


def write(rules: Sequence[Rule]) -> str:
    """`[{trait, questions}, ...]`."""
    return dump([{"trait": rule.text, "questions": list(rule.questions)} for rule in rules])


def read(text: str, file: str) -> Imported:
    """Reads such a list; questions stay with their trait.

    Raises:
        ConfigurationError: It has another form.
    """
    found = items(parse_json(text, file), file, "{trait, questions}")
    rules = []
    for number, item in enumerate(found, start=1):
        questions = item.get("questions", [])
        if not isinstance(questions, list) or not all(isinstance(q, str) for q in questions):
            message = f"item {number}: `questions` is no list of texts"
            raise fault(file, 0, message, "write a list of questions; it may be empty")
        rules.append(Rule("", text_of(item, "trait", file, number), questions=tuple(questions)))
    return Imported(tuple(rules), unknown_keys(found, {"trait", "questions"}))

"""Trait files of Open Character Training: traits in the first person with sample questions.

A JSON list, or JSON lines as its question generator writes them, with `trait` and,
in some files, `questions`, `additional_questions` and a `clarification`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .json_text import dump, fault, items, parse_json, text_of, unknown_keys
from .rule import Imported, Rule

LOST = (
    "the first person: our rules say what an answer does, not `I ...`",
    "names, critique, revision and comparison requests: traits are given to a teacher as they are",
    "failure mode, pole, cues, weight and precedence: every trait counts alike, everywhere",
    "openings, references, file and line",
    "sample questions: left empty, since our exemplars are held out from training",
)
_QUESTIONS = ("questions", "additional_questions")


def write(rules: Sequence[Rule]) -> str:
    """`[{trait, questions}, ...]`."""
    return dump([_item(rule) for rule in rules])


def read(text: str, file: str) -> Imported:
    """Reads such a list; questions and clarification stay with their trait.

    Raises:
        ConfigurationError: It has another form.
    """
    found = items(parse_json(text, file), file, "{trait, questions}")
    rules = []
    for number, item in enumerate(found, start=1):
        questions = [q for key in _QUESTIONS for q in _texts(item, key, file, number)]
        remark = text_of(item, "clarification", file, number) if "clarification" in item else ""
        trait = text_of(item, "trait", file, number)
        rules.append(Rule("", trait, questions=tuple(questions), remark=remark))
    asked = sum(len(rule.questions) for rule in rules)
    lost = (f"{asked} sample questions: comments below their principle",) if asked else ()
    return Imported(
        tuple(rules), lost + unknown_keys(found, {"trait", "clarification", *_QUESTIONS})
    )


def _item(rule: Rule) -> dict[str, object]:
    item: dict[str, object] = {"trait": rule.text, "questions": list(rule.questions)}
    return {**item, "clarification": rule.remark} if rule.remark else item


def _texts(item: Mapping[str, object], key: str, file: str, number: int) -> list[str]:
    found = item.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        message = f"item {number}: `{key}` is no list of texts"
        raise fault(file, message, "write a list of questions; it may be empty")
    return found

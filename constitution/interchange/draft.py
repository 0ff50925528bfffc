"""Turns foreign rules into an archetype file in which missing parts are marked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from ...archetypes.draft import TEMPLATE, archetype_id, schema_path
from .rule import Imported, Rule

_START = "principles:\n"
_END = "\n# --- Openings"
_NOT_TEXT = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])


def draft_archetype(imported: Imported, *, name: str, source: str, target: Path) -> str:
    """The text of an archetype file with these rules as principles.

    Nothing is invented: situation, negative, failure mode, science and openings
    stay `TODO`, and the linter names each. A format without rules in words gives
    principles whose requests are known and whose statement is not. Remarks and
    sample questions become comments below their principle.
    """
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        id=draft_id(name),
        name=_title(name),
        file=target.as_posix(),
        schema=schema_path(target.parent),
    )
    before, _, rest = text.partition(_START)
    _, _, after = rest.partition(_END)
    slugs: set[str] = set()
    blocks = [_principle(rule, _slug(rule, slugs)) for rule in imported.rules]
    origin = [f"Its {len(imported.rules)} principles were imported from {source}."]
    origin += [f"Not kept: {sentence}." for sentence in imported.lost]
    head, _, body = before.partition("\n\n")
    notes = "\n".join(f"# {_one_line(line)}" for line in origin)
    return f"{head}\n{notes}\n\n{body}{_START}{''.join(blocks)}{_END}{after}"


def draft_id(name: str) -> str:
    """An id from a name: letters and underscores, at most 50; `imported` where none are left."""
    found = archetype_id(archetype_id(name)[:50]) or "imported"
    return f"imported_{found}" if found in _NOT_TEXT else found


def _title(name: str) -> str:
    """The name as plain YAML that no reader takes for a number or a truth value."""
    words = " ".join(re.findall(r"[^\W_]+", name))
    if words[:1].isalpha() and words.lower() not in _NOT_TEXT:
        return words[:1].upper() + words[1:]
    return f"Imported {words}".rstrip()


def _principle(rule: Rule, slug: str) -> str:
    statement = _quoted(rule.text) if rule.text else "TODO what a good answer does there"
    lines = [
        f"  - id: {slug}",
        "    failure_mode: TODO one of the failure modes above",
        '    situation: TODO a clause that can follow "when", without a full stop',
        f"    statement: {statement}",
        "    negative: TODO the same as a don't",
    ]
    lines += [f"    critique: {_quoted(rule.critique)}"] if rule.critique else []
    lines += [f"    revise: {_quoted(rule.revise)}"] if rule.revise else []
    lines += [f"    # {_one_line(rule.remark)}"] if rule.remark else []
    if rule.questions:
        lines.append("    # Questions it came with:")
        lines += [f"    #   {_one_line(question)}" for question in rule.questions]
    return "\n".join(lines) + "\n"


def _slug(rule: Rule, taken: set[str]) -> str:
    """A slug from the name, else from the first words of the rule; unlike those before."""
    words = re.findall(r"[a-z0-9]+", rule.name.rpartition("/")[2].lower())
    if not words:
        words = re.findall(r"[a-z0-9]+", (rule.text or rule.critique).lower())[:5]
    while words and not words[0][0].isalpha():
        words = words[1:]
    base = "-".join(words)[:50].strip("-") or "principle"
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}-{number}", number + 1
    taken.add(slug)
    return slug


def _quoted(text: str) -> str:
    """YAML double-quoted text: JSON's short escapes are YAML's, too.

    Signs that are not printable are written as numbers. JSON would write those
    above U+FFFF as two halves, which YAML does not join.
    """
    short = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in short)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def lost_lines(lost: Sequence[str]) -> str:
    """What got lost, one line each, for the terminal."""
    return "\n".join(f"not kept: {sentence}" for sentence in lost)

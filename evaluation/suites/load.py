"""From a suite to its items, with every check a file can fail."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...errors import ConfigurationError, Problem
from ...llm.message import Message
from ...prompts.loader import load_checks, load_prompts
from .choices import Fields, ab_item, asked, choice_item, word_item
from .rows import Row, kept, read_rows
from .suite import ChoiceItem, PromptItem, Suite

NEUTRAL: Final = Path(__file__).parent / "own" / "neutral.jsonl"


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite with its items.

    Attributes:
        suite: What it is.
        prompts: Items to answer; empty for the other kinds.
        choices: Items to score; empty for kind `answers`.
        warnings: What was odd but did not stop it.
        sha256: Hash of all items: two evaluations with the same hash asked the same.
    """

    suite: Suite
    prompts: tuple[PromptItem, ...] = ()
    choices: tuple[ChoiceItem, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.suite.name

    def __len__(self) -> int:
        return len(self.prompts) + len(self.choices)

    @property
    def sha256(self) -> str:
        """Hash over everything that is asked, in order."""
        return hashlib.sha256(repr((self.prompts, self.choices)).encode()).hexdigest()


def load_items(suite: Suite, folder: Path | None = None) -> LoadedSuite:
    """Reads and checks a suite.

    Args:
        suite: The suite.
        folder: The suite folder, or None for hub, package or our own prompts.

    Raises:
        ConfigurationError: No such file, no rows, missing fields, wrong types,
            duplicate ids, or another file than the suite's: all problems at once.
    """
    if suite.own is not None:
        return LoadedSuite(suite, tuple(own_items(suite)))
    table = read_rows(suite, folder)
    rows = kept(table, suite)
    fields = Fields(table.fields, rows)
    prompts: list[PromptItem] = []
    choices: list[ChoiceItem] = []
    ids: list[tuple[str, Row]] = []
    for row in rows:
        item_id = fields.optional(row, "id") or _row_id(suite, row)
        ids.append((item_id, row))
        item = _item(suite, fields, row, item_id)
        if isinstance(item, PromptItem):
            prompts.append(item)
        elif item is not None:
            choices.append(item)
    warnings: list[str] = []
    problems = _id_problems(suite, ids, known=table.known)
    if fields.problems and suite.skip_faulty and (prompts or choices):
        left_out = len({(problem.file, problem.line) for problem in fields.problems})
        warnings.append(f"{suite.name}: {left_out} rows left out: {fields.problems[0].message}")
    else:
        problems = [*fields.listed(), *problems]
    if table.known and not problems:
        problems += _sentinel_problems(suite, rows, fields)
    if problems:
        raise ConfigurationError(problems)
    if table.known and suite.rows is not None and len(rows) != suite.rows:
        warnings.append(f"{suite.name} has {len(rows)} rows where {suite.rows} were expected")
    return LoadedSuite(suite, tuple(prompts), tuple(choices), tuple(warnings))


def _item(suite: Suite, fields: Fields, row: Row, item_id: str) -> PromptItem | ChoiceItem | None:
    if suite.kind != "answers":
        return _MAKERS[suite.kind](suite, fields, row, item_id)
    text = fields.text(row, "prompt")
    return None if text is None else _prompt_item(suite, fields, row, item_id, text)


def _row_id(suite: Suite, row: Row) -> str:
    """An id for a row without one: its place in its file."""
    stem = f"{Path(row.file).stem}-" if len(suite.files) > 1 else ""
    return f"{suite.name}-{stem}{row.line}"


def own_items(suite: Suite) -> list[PromptItem]:
    """Our own matched twins of a split (the failure mode is the group), or plain questions.

    Prompts with a check are left out: most ask for a yes or a no, which tells no judge of
    refusals anything.
    """
    assert suite.own is not None
    if suite.own == "neutral":
        rows = [json.loads(line) for line in NEUTRAL.read_text(encoding="utf-8").splitlines()]
        return [
            PromptItem(row["id"], (Message("user", row["prompt"]),), "neutral", "none")
            for row in rows
        ]
    checks = load_checks(suite.own)
    return [
        PromptItem(
            id=prompt.id,
            messages=prompt.messages,
            role=prompt.role,
            failure_mode=prompt.failure_mode,
            group=prompt.failure_mode,
            twin=prompt.twin,
        )
        for prompt in load_prompts(suite.own)
        if suite.role in (None, prompt.role) and prompt.id not in checks
    ]


def prompt_hash(text: str) -> str:
    """First 12 hex digits of SHA-256 of a text, case and spaces folded."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).hexdigest()[:12]


def _prompt_item(suite: Suite, fields: Fields, row: Row, item_id: str, text: str) -> PromptItem:
    return PromptItem(
        id=item_id,
        messages=(Message("user", asked(suite, text)),),
        role=suite.role or "",
        failure_mode=suite.failure_mode,
        group=fields.optional(row, "group"),
        request=text,
    )


def _id_problems(suite: Suite, ids: Sequence[tuple[str, Row]], *, known: bool) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[str, Row] = {}
    for item_id, row in ids:
        if item_id in seen:
            message = f"id {item_id!r} stands in line {seen[item_id].line}, too"
            fix = "ids pair answers up: give each row its own"
            problems.append(Problem("E026", "error", row.file, row.line, message, fix))
        seen.setdefault(item_id, row)
    if known and suite.id_pattern:
        wrong = [pair for pair in ids if not re.fullmatch(suite.id_pattern, pair[0])]
        if wrong:
            item_id, row = wrong[0]
            message = (
                f"{len(wrong)} of {len(ids)} ids are not {suite.name}'s, e.g. {item_id!r}: is this "
                "another suite's file?"
            )
            fix = f"ids must match {suite.id_pattern}"
            problems.append(Problem("E027", "error", row.file, row.line, message, fix))
    return problems[:20]


def _sentinel_problems(suite: Suite, rows: Sequence[Row], fields: Fields) -> list[Problem]:
    """Known prompts that are not there: the file is another one, or was changed."""
    if not suite.sentinel:
        return []
    column = fields.column("prompt")
    there = {prompt_hash(str(row.values.get(column, ""))) for row in rows}
    missing = [mark for mark in suite.sentinel if mark not in there]
    if not missing:
        return []
    message = (
        f"{len(missing)} of {len(suite.sentinel)} prompts that {suite.name} is known by are not "
        "in it: was another suite's file put here?"
    )
    fix = "get the file again; a changed copy needs a suite file of its own, without `sentinel`"
    return [Problem("E027", "error", rows[0].file, 0, message, fix)]


_Maker = Callable[[Suite, Fields, Row, str], ChoiceItem | None]
_MAKERS: dict[str, _Maker] = {"choice": choice_item, "ab": ab_item, "last_word": word_item}

"""Reads the prompt sets: JSON Lines, one prompt per line, always in matched twins."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from ..archetypes.vocabulary import load_cues, load_failure_modes
from ..errors import Problem, PromptError
from ..files.lines import numbered
from ..files.validation import suggestion
from .check import Check, read_check
from .fields import (
    Row,
    check_keys,
    decode,
    read_choice,
    read_cues,
    read_messages,
    read_slug,
    read_text,
)
from .prompt import Prompt, Role, Split

SETS: Final = Path(__file__).parent / "sets"
"""The prompt sets that come with the package: `SETS/<split>/<set>.jsonl`."""

MAX_BYTES: Final = 50_000_000

_ID = re.compile(r'"id"\s*:\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Located:
    """A prompt and the place it was read from.

    Attributes:
        prompt: The prompt.
        file: Path as problems show it.
        line: 1-based line.
        check: How an answer to it is checked, or None.
    """

    prompt: Prompt
    file: str
    line: int
    check: Check | None = None


def shown(path: Path) -> str:
    """A path as problems show it: the built-in files relative to the package."""
    if path.is_relative_to(SETS.parent):
        return str(path.relative_to(SETS.parent.parent))
    return str(path)


def _unreadable(path: Path, message: str, fix: str, line: int = 0) -> Problem:
    return Problem("P001", "error", shown(path), line, message, fix)


def read_utf8(path: Path, problems: list[Problem]) -> str:
    """The text of a file, or "" and a problem if it cannot be read as UTF-8."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            message = f"the file has {size} bytes; at most {MAX_BYTES} are read."
            problems.append(_unreadable(path, message, "split it into several sets."))
            return ""
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        problems.append(_unreadable(path, f"cannot be read: {reason}.", "check path and rights."))
        return ""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problems.append(_unreadable(path, "is not UTF-8 text.", "save it as UTF-8.", line))
        return ""


def _files(
    folder: Path, split: Split, sets: Sequence[str] | None, problems: list[Problem]
) -> list[Path]:
    """The files to read, in the order asked for (by name where none was)."""
    where = folder / split
    known = sorted(path.stem for path in where.glob("*.jsonl")) if where.is_dir() else []
    if not known:
        message = f"no prompt set for the split {split!r}."
        problems.append(_unreadable(where, message, f"put <set>.jsonl files into {where}."))
        return []
    for name in sets or ():
        if name not in known:
            message = f"no prompt set {name!r} for the split {split!r}."
            problems.append(_unreadable(where, message, suggestion(name, known)))
    wanted = known if sets is None else [name for name in dict.fromkeys(sets) if name in known]
    return [where / f"{name}.jsonl" for name in wanted]


def unknown_sets(
    split: Split, sets: Sequence[str] | None, folder: Path | None = None
) -> list[Problem]:
    """A problem for each name in `sets` that is no set of the split, with the nearest one."""
    problems: list[Problem] = []
    if sets is not None:
        _files(folder or SETS, split, sets, problems)
    return problems


def _other_half(
    row: Located, other: Located, first: Mapping[str, Located]
) -> tuple[str, str] | None:
    """Message and fix where a row names itself or the half of another pair.

    None where the fault is the other row's, which is said there.
    """
    mine = row.prompt
    halves = [r.prompt.id for r in first.values() if r.prompt.twin == mine.id and r is not row]
    if other is row:
        fix = f"write {halves[0]!r}." if halves else "name its other half."
        return f"{mine.id!r} names itself as its twin.", fix
    third = first.get(other.prompt.twin)
    if third is not None and third.prompt.twin != other.prompt.id and third is not row:
        return None
    fix = f"did you mean {halves[0]!r}?" if halves else "make both name each other."
    return f"{mine.id!r} names {mine.twin!r} as its twin, which has another.", fix


def _check_twins(rows: Sequence[Located], broken: Collection[str]) -> list[Problem]:
    """Ids are unique, and each row's twin exists, points back and is its other half.

    Rows whose twin is among the `broken` are left alone: the fault is reported there.
    """
    problems: list[Problem] = []
    first: dict[str, Located] = {}

    def report(row: Located, code: str, message: str, fix: str) -> None:
        problems.append(Problem(code, "error", row.file, row.line, message, fix))

    for row in rows:
        before = first.setdefault(row.prompt.id, row)
        if before is not row:
            message = f"id {row.prompt.id!r} is already used at {before.file}:{before.line}."
            report(row, "P007", message, "give it an id of its own.")
    for row in first.values():
        prompt = row.prompt
        other = first.get(prompt.twin)
        if other is None and prompt.twin in broken:
            continue
        if other is None:
            near = difflib.get_close_matches(prompt.twin, set(first) - {prompt.id}, n=1)
            message = f"the twin {prompt.twin!r} of {prompt.id!r} does not exist."
            same = near and prompt.twin.rsplit("-", 1)[0] == near[0].rsplit("-", 1)[0]
            fix = f"did you mean {near[0]!r}?" if same else "write the other half, too."
            report(row, "P008", message, fix)
        elif other is row or other.prompt.twin != prompt.id:
            found = _other_half(row, other, first)
            if found is not None:
                report(row, "P008", *found)
        elif other.prompt.role == prompt.role:
            message = f"{prompt.id!r} and its twin are both {prompt.role!r}."
            report(row, "P008", message, "make one of them at_risk and the other twin.")
        elif other.prompt.failure_mode != prompt.failure_mode:
            message = f"{prompt.id!r} and its twin differ in failure_mode."
            report(row, "P008", message, "give both the failure the pair is about.")
    return problems


def read_split(
    split: Split,
    *,
    sets: Sequence[str] | None = None,
    folder: Path | None = None,
) -> tuple[list[Located], list[Problem]]:
    """Reads what can be read of a split, and says what cannot; raises nothing.

    Args:
        split: `train`, `dev` or `test`.
        sets: Names of sets (file names without `.jsonl`); all of them if None.
        folder: Folder holding the splits; the built-in sets if None.

    Returns:
        The valid rows in file order, and every problem found.
    """
    problems: list[Problem] = []
    rows: list[Located] = []
    broken: set[str] = set()
    cues: Collection[str] = load_cues()
    modes: Collection[str] = load_failure_modes()
    for path in _files(folder or SETS, split, sets, problems):
        name = shown(path)
        content = read_utf8(path, problems)
        if not content.strip() and not any(problem.file == name for problem in problems):
            fix = "write pairs of prompts into it, or remove the file."
            problems.append(
                Problem("P012", "error", name, 0, "the file is empty: no prompts.", fix)
            )
        for number, text in numbered(content):
            row = Row(name, number)
            located = parse_row(text, row, split, cues=cues, failure_modes=modes)
            problems += row.problems
            if located is None:
                broken.update(_ID.findall(text.replace("'", '"')))
            else:
                rows.append(located)
    return rows, problems + _check_twins(rows, broken)


def _check_arguments(split: str, limit: int | None, folder: Path) -> None:
    problems: list[Problem] = []
    if split not in get_args(Split):
        fix = suggestion(split, get_args(Split))
        problems.append(Problem("P011", "error", shown(folder), 0, f"no split {split!r}.", fix))
    if limit is not None and limit < 1:
        message = f"limit is {limit} twin pairs."
        fix = "use 1 or more, or None for all of them."
        problems.append(Problem("P011", "error", shown(folder), 0, message, fix))
    if problems:
        raise PromptError(problems)


def load_prompts(
    split: Split,
    *,
    sets: Sequence[str] | str | None = None,
    folder: Path | None = None,
    limit: int | None = None,
) -> list[Prompt]:
    """Loads the prompts of a split in matched twins.

    Args:
        split: `train`, `dev` or `test`. Look at `test` once per release.
        sets: Names of sets, or one name, read in this order; all, by name, if None.
        folder: Folder with `<split>/<set>.jsonl`; the built-in sets if None.
        limit: Most *twin pairs* to return, so at most `2 * limit` prompts. The
            sets give one in turn while they last, each its first ones. The built-in
            sets interleave their topics, so that a limit keeps the variety. None: all.

    Returns:
        Pair after pair, the at-risk half first; the same order on every call.

    Raises:
        PromptError: Every problem of every row read, with file and line; or
            `split` is not one of the three, or `limit` is below 1.

    Example:
        >>> prompts = load_prompts("dev", sets=["harm"], limit=2)
        >>> [prompt.role for prompt in prompts]
        ['at_risk', 'twin', 'at_risk', 'twin']
    """
    _check_arguments(split, limit, folder or SETS)
    rows, problems = read_split(
        split, sets=[sets] if isinstance(sets, str) else sets, folder=folder
    )
    if problems:
        raise PromptError(problems)
    by_id = {row.prompt.id: row for row in rows}
    pairs: dict[str, tuple[Prompt, Prompt]] = {}
    turns: list[tuple[int, str]] = []
    taken: Counter[str] = Counter()
    for row in by_id.values():
        prompt, twin = row.prompt, by_id[row.prompt.twin].prompt
        risk, safe = (prompt, twin) if prompt.role == "at_risk" else (twin, prompt)
        if risk.id not in pairs:
            pairs[risk.id] = (risk, safe)
            turns.append((taken[row.file], risk.id))
            taken[row.file] += 1
    # Sorting is stable: within a turn the sets keep their order.
    kept = {name for _, name in sorted(turns, key=lambda turn: turn[0])[:limit]}
    return [prompt for name, pair in pairs.items() if name in kept for prompt in pair]


def load_checks(
    split: Split,
    *,
    sets: Sequence[str] | str | None = None,
    folder: Path | None = None,
) -> dict[str, Check]:
    """Loads the checks of a split: prompt id -> check, for the prompts that have one.

    A check stands beside its prompt and not in it, so that it changes no hash of what is asked.

    Args:
        split: `train`, `dev` or `test`.
        sets: Names of sets, or one name; all if None.
        folder: Folder with `<split>/<set>.jsonl`; the built-in sets if None.

    Raises:
        PromptError: As `load_prompts` does.
    """
    _check_arguments(split, None, folder or SETS)
    chosen = [sets] if isinstance(sets, str) else sets
    rows, problems = read_split(split, sets=chosen, folder=folder)
    if problems:
        raise PromptError(problems)
    return {row.prompt.id: row.check for row in rows if row.check is not None}


REQUIRED: Final = (
    "id",
    "messages",
    "cues",
    "failure_mode",
    "role",
    "twin",
    "split",
    "topic",
    "form",
)
OPTIONAL: Final = ("licence", "answer", "check")


def parse_row(
    text: str,
    row: Row,
    split: Split,
    *,
    cues: Collection[str],
    failure_modes: Collection[str],
) -> Located | None:
    """Checks one line; whatever is wrong with it goes to `row.problems`.

    Returns:
        The prompt with its check, or None where the row has a problem. Whether its twin exists
        is not checked here: that takes all rows.
    """
    data = decode(text, row)
    if data is None:
        return None
    check_keys(data, REQUIRED, (*REQUIRED, *OPTIONAL), row)
    prompt = Prompt(
        id=read_slug(data, "id", row),
        messages=read_messages(data, row),
        cues=read_cues(data, cues, row),
        failure_mode=read_choice(data, "failure_mode", failure_modes, row),
        role=cast("Role", read_choice(data, "role", get_args(Role), row)),
        twin=read_slug(data, "twin", row),
        split=cast("Split", read_choice(data, "split", get_args(Split), row)),
        topic=read_slug(data, "topic", row),
        form=read_slug(data, "form", row),
        licence=read_text(data, "licence", row) or "Apache-2.0",
        answer=read_text(data, "answer", row),
    )
    if prompt.split and prompt.split != split:
        row.report(
            "P009",
            f"'split' is {prompt.split!r}, but the file lies in {split!r}.",
            f"write {split!r}, or move the row.",
        )
    check = read_check(data, row)
    return None if row.problems else Located(prompt, row.file, row.line, check)

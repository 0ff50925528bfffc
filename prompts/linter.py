"""Checks the prompt sets as a whole: matched twins, no near-duplicates, no shared topics."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from ..errors import Problem, Severity
from .loader import SETS, Located, read_split, shown
from .prompt import Prompt, Split
from .similarity import content, near_duplicates, words

LENGTH_RATIO: Final = (0.7, 1.4)
"""Allowed words of a twin per word of its at-risk half, both ends included."""

OPENING_SHARE: Final = 0.1
"""Largest share of a set's twin pairs that may begin with the same two words."""

FEW_PAIRS: Final = 30
"""Below this many twin pairs a measured rate has a very wide interval."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A located prompt with what the comparisons need: its words, computed once."""

    row: Located
    words: tuple[str, ...]
    content: frozenset[str]

    @property
    def prompt(self) -> Prompt:
        return self.row.prompt


def prompt_words(prompt: Prompt) -> tuple[str, ...]:
    """The words of all messages, in lower case."""
    return words("\n".join(message.content for message in prompt.messages))


def _problem(code: str, severity: Severity, row: Located, message: str, fix: str) -> Problem:
    return Problem(code, severity, row.file, row.line, message, fix)


def _check_pair(risk: _Item, twin: _Item) -> Iterator[Problem]:
    """What must be equal in twins, and what must not."""
    for field in ("form", "topic"):
        mine, theirs = getattr(twin.prompt, field), getattr(risk.prompt, field)
        if mine != theirs:
            message = f"{field} is {mine!r}, but {theirs!r} in its twin {risk.prompt.id!r}."
            yield _problem("P020", "error", twin.row, message, "twins share form and topic.")
    speakers = [[message.role for message in item.prompt.messages] for item in (risk, twin)]
    if speakers[0] != speakers[1]:
        message = f"its conversation has other turns than its twin {risk.prompt.id!r}."
        yield _problem("P020", "error", twin.row, message, "give both the same turns.")
    if risk.words == twin.words:
        message = f"it asks the same as its twin {risk.prompt.id!r}."
        yield _problem("P021", "error", twin.row, message, "write a twin that differs in aim.")
    ratio = len(twin.words) / max(len(risk.words), 1)
    low, high = LENGTH_RATIO
    if not low <= ratio <= high:
        message = (
            f"it has {len(twin.words)} words, its twin {risk.prompt.id!r} {len(risk.words)}: "
            f"a ratio of {ratio:.2f}."
        )
        fix = f"keep it within {low} to {high}, so that length does not tell them apart."
        yield _problem("P022", "error", twin.row, message, fix)


def _check_duplicates(items: Sequence[_Item]) -> Iterator[Problem]:
    """Near-duplicates: within a split a warning, across splits contamination."""
    for earlier, later, index in near_duplicates([item.content for item in items]):
        first, second = items[earlier], items[later]
        same_split = first.prompt.split == second.prompt.split
        if same_split and first.prompt.twin == second.prompt.id:
            continue
        where = f"{first.row.file}:{first.row.line}"
        message = (
            f"{second.prompt.id!r} nearly repeats {first.prompt.id!r} at {where} "
            f"(similarity {index:.2f})."
        )
        if same_split:
            yield _problem("P023", "warning", second.row, message, "vary wording or matter.")
        else:
            fix = "rewrite one: a split must not hold what another has shown."
            yield _problem("P024", "error", second.row, message, fix)


def _check_topics(items: Sequence[_Item]) -> Iterator[Problem]:
    """Topics belong to one split; each (topic, split) beyond the first is one problem."""
    seen: dict[tuple[str, str], dict[Split, _Item]] = defaultdict(dict)
    for item in items:
        prompt = item.prompt
        splits = seen[prompt.failure_mode, prompt.topic]
        if prompt.split in splits:
            continue
        splits[prompt.split] = item
        first = next(iter(splits.values()))
        if first is not item:
            message = (
                f"topic {prompt.topic!r} is in {prompt.split!r} and, at {first.row.file}:"
                f"{first.row.line}, in {first.prompt.split!r}."
            )
            yield _problem("P025", "error", item.row, message, "keep a topic in one split.")


def _check_sets(items: Sequence[_Item]) -> Iterator[Problem]:
    """Per file: variety of openings, and counts that are too small to measure by."""
    files: dict[str, list[_Item]] = defaultdict(list)
    for item in items:
        files[item.row.file].append(item)
    for file, rows in files.items():
        pairs = sum(item.prompt.role == "at_risk" for item in rows)
        starts: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for item in rows:
            starts[item.words[:2]].add(min(item.prompt.id, item.prompt.twin))
        common = Counter({start: len(found) for start, found in starts.items()})
        for start, count in common.most_common(3):
            if pairs >= FEW_PAIRS and count > OPENING_SHARE * pairs:
                message = f"{count} of {pairs} twin pairs begin with {' '.join(start)!r}."
                yield Problem("P026", "warning", file, 0, message, "vary the openings.")
        if pairs < FEW_PAIRS and rows[0].prompt.split != "train":
            message = f"{pairs} twin pairs: rates measured on them have wide intervals."
            fix = f"write {FEW_PAIRS} or more to measure by them."
            yield Problem("P027", "info", file, 0, message, fix)


def check_names(folder: Path) -> Iterator[Problem]:
    """A set that one split has and another lacks cannot be measured or trained on."""
    names = {
        split: {path.stem for path in (folder / split).glob("*.jsonl")} for split in get_args(Split)
    }
    every = set().union(*names.values())
    for split, found in names.items():
        for name in sorted(every - found) if found else ():
            file = shown(folder / split / f"{name}.jsonl")
            message = f"the set {name!r} has no {split!r} split."
            yield Problem("P028", "warning", file, 0, message, "write one with topics of its own.")


def lint_prompts(folder: Path | None = None) -> list[Problem]:
    """Checks all prompt sets of a folder, without loading any model.

    Everything `load_prompts` refuses is an error here, too. Beyond that: twins
    equal in form, topic and turns, similar in length and not identical;
    near-duplicates (Jaccard index of content words) within and across splits;
    topics in more than one split; monotonous openings; missing or small sets.

    Args:
        folder: Folder with `<split>/<set>.jsonl`; the built-in sets if None.

    Returns:
        All problems, by file and line; empty if there is nothing to say.

    Not covered: paraphrases that share few words, and whether an at-risk prompt
    is harmful and its twin harmless. A person has to read them.
    """
    rows, problems = read_sets(folder)
    problems += lint_rows(rows)
    problems += check_names(folder or SETS)
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.code))


def read_sets(folder: Path | None = None) -> tuple[list[Located], list[Problem]]:
    """Reads every split of a folder (the built-in sets if None); raises nothing."""
    where = folder or SETS
    rows: list[Located] = []
    problems: list[Problem] = []
    # A folder of one's own may hold fewer splits; a folder without any is an error.
    splits = [split for split in get_args(Split) if (where / split).is_dir()]
    for split in splits or get_args(Split):
        read, found = read_split(split, folder=where)
        rows += read
        problems += found
    return rows, problems


def lint_rows(rows: Sequence[Located]) -> list[Problem]:
    """What is wrong with prompts as a whole that were read from any number of splits."""
    problems: list[Problem] = []
    items: list[_Item] = []
    by_id: dict[str, _Item] = {}
    for row in rows:
        tokens = prompt_words(row.prompt)
        item = _Item(row, tokens, content(tokens))
        items.append(item)
        other = by_id.setdefault(item.prompt.id, item)
        if other.prompt.split != item.prompt.split:
            message = f"id {item.prompt.id!r} is also used at {other.row.file}:{other.row.line}."
            fix = "ids are unique over all splits."
            problems.append(_problem("P007", "error", item.row, message, fix))
    for item in items:
        twin = by_id.get(item.prompt.twin)
        if item.prompt.role == "at_risk" and twin is not None:
            problems += _check_pair(item, twin)
    problems += _check_duplicates(items)
    problems += _check_topics(items)
    problems += _check_sets(items)
    return problems

"""Labelled answer pairs: prompts with a good and a failing answer, held out from training."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast, get_args

from ..archetypes.loader import load_archetypes
from ..archetypes.vocabulary import load_cues, load_failure_modes
from ..errors import Problem, PromptError
from ..files.lines import numbered
from ..files.seeds import derive_seed
from ..files.validation import suggestion
from ..llm.message import Message
from .fields import (
    MAX_MESSAGE,
    Row,
    check_keys,
    decode,
    read_choice,
    read_cues,
    read_messages,
    read_slug,
    read_text,
)
from .loader import read_utf8, shown
from .prompt import Role

LABELLED: Final = Path(__file__).parent / "labelled"
"""The pairs that come with the package: `LABELLED/<failure_mode>.jsonl`."""

REQUIRED: Final = ("id", "failure_mode", "role", "messages", "good", "failing", "topic", "cues")
OPTIONAL: Final = ("licence",)


@dataclass(frozen=True, slots=True)
class LabelledAnswers:
    """A conversation and two answers to it whose better one is known; never trained on.

    Attributes:
        id: Unique over all files, e.g. `sycophancy-labelled-007`; "" for a pair of one's own.
        failure_mode: The mode it is about, as in `Prompt`; `ANY_MODE` for none of ours.
        role: `at_risk`: `failing` shows the mode; `twin`: it shows the opposite.
        messages: The conversation; the last message is the user's.
        good: What a good assistant says.
        failing: What a failing one says.
        topic: Short topic label, foreign to the prompt sets.
        cues: Keys of `cues.yaml` present in the conversation.
        licence: SPDX id of the text.
    """

    id: str
    failure_mode: str
    role: Role
    messages: tuple[Message, ...]
    good: str
    failing: str
    topic: str
    cues: tuple[str, ...]
    licence: str = "Apache-2.0"

    @classmethod
    def about(
        cls, failure_mode: str, role: Role, prompt: str, good: str, failing: str
    ) -> LabelledAnswers:
        """Two answers to one user message, without an id, a topic or cues."""
        return cls("", failure_mode, role, (Message("user", prompt),), good, failing, "", ())

    @property
    def prompt(self) -> str:
        """The last user message: what is being asked."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class LocatedAnswers:
    """Labelled answers and the place they were read from."""

    answers: LabelledAnswers
    file: str
    line: int


def load_labelled(
    folder: Path | str | None = None, *, failure_modes: Collection[str] | None = None
) -> list[LabelledAnswers]:
    """Loads labelled answer pairs, by failure mode, then in file order.

    Args:
        folder: Folder with `<failure_mode>.jsonl`; the built-in pairs if None.
        failure_modes: Only these; all if None. A mode without a file gives none.

    Raises:
        PromptError: Every problem of every row read, with file and line.

    Example:
        >>> pairs = load_labelled(failure_modes=["sycophancy"])
        >>> {pair.failure_mode for pair in pairs}
        {'sycophancy'}
    """
    rows, problems = read_labelled(folder, failure_modes=failure_modes)
    if problems:
        raise PromptError(problems)
    return [row.answers for row in rows]


def read_labelled(
    folder: Path | str | None = None, *, failure_modes: Collection[str] | None = None
) -> tuple[list[LocatedAnswers], list[Problem]]:
    """Reads what can be read, and says what cannot; raises nothing.

    Args:
        folder: Folder with `<failure_mode>.jsonl`; the built-in pairs if None.
        failure_modes: Only these; all if None.
    """
    problems: list[Problem] = []
    rows: list[LocatedAnswers] = []
    first: dict[str, LocatedAnswers] = {}
    for path in _files(Path(folder) if folder is not None else LABELLED, failure_modes, problems):
        name = shown(path)
        for number, text in numbered(read_utf8(path, problems)):
            row = Row(name, number)
            answers = _parse(text, row, path.stem)
            if answers is not None:
                located = LocatedAnswers(answers, row.file, number)
                before = first.setdefault(answers.id, located)
                if before is not located:
                    where = f"{before.file}:{before.line}"
                    message = f"id {answers.id!r} is already used at {where}."
                    row.report("P007", message, "give it an id of its own.")
                rows.append(located)
            problems += row.problems
    return rows, problems


def _files(
    folder: Path, failure_modes: Collection[str] | None, problems: list[Problem]
) -> list[Path]:
    found = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    if not found:
        message, fix = "no labelled answer pairs here.", "put <failure_mode>.jsonl files into it."
        problems.append(Problem("P001", "error", shown(folder), 0, message, fix))
    known = load_failure_modes()
    for path in found:
        if path.stem not in known:
            message = f"the file name {path.stem!r} is no failure mode."
            fix = suggestion(path.stem, known)
            problems.append(Problem("P030", "error", shown(path), 0, message, fix))
    return [path for path in found if failure_modes is None or path.stem in failure_modes]


def _parse(text: str, row: Row, failure_mode: str) -> LabelledAnswers | None:
    data = decode(text, row)
    if data is None:
        return None
    check_keys(data, REQUIRED, (*REQUIRED, *OPTIONAL), row)
    answers = LabelledAnswers(
        id=read_slug(data, "id", row),
        failure_mode=read_choice(data, "failure_mode", load_failure_modes(), row),
        role=cast("Role", read_choice(data, "role", get_args(Role), row)),
        messages=read_messages(data, row),
        good=read_text(data, "good", row),
        failing=read_text(data, "failing", row),
        topic=read_slug(data, "topic", row),
        cues=read_cues(data, load_cues(), row),
        licence=read_text(data, "licence", row) or "Apache-2.0",
    )
    _check(answers, row, failure_mode)
    return None if row.problems else answers


def _check(answers: LabelledAnswers, row: Row, failure_mode: str) -> None:
    if answers.failure_mode and answers.failure_mode != failure_mode:
        message = f"its failure mode is {answers.failure_mode!r}, the file's {failure_mode!r}."
        row.report("P030", message, "move the row, or correct it.")
    if answers.good and " ".join(answers.good.split()) == " ".join(answers.failing.split()):
        row.report("P031", "good and failing answer are the same.", "write one that fails.")
    sides: Sequence[tuple[str, str]] = (("good", answers.good), ("failing", answers.failing))
    for name, answer in sides:
        if len(answer) > MAX_MESSAGE:
            message = f"{name!r} has {len(answer)} characters; at most {MAX_MESSAGE} are read."
            row.report("P005", message, "shorten it.")


ANY_MODE = "any"
"""Failure mode of labelled pairs from elsewhere that are about none of ours."""


class LabelledPair(Protocol):
    """An answer pair whose better half is known (an archetype's exemplar is one)."""

    @property
    def failure_mode(self) -> str:
        """The mode the twin pair is about, as in `Prompt`."""

    @property
    def role(self) -> Role:
        """The prompt's role."""

    @property
    def prompt(self) -> str:
        """The user's words."""

    @property
    def good(self) -> str:
        """The better answer."""

    @property
    def failing(self) -> str:
        """The worse answer."""


def messages_of(pair: LabelledPair) -> tuple[Message, ...]:
    """The conversation before the answer: all its turns where the pair has them."""
    if isinstance(pair, LabelledAnswers):
        return pair.messages
    return (Message("user", pair.prompt),)


def cues_of(pair: LabelledPair) -> tuple[str, ...]:
    """The cues present in the conversation; () where the pair does not say."""
    return pair.cues if isinstance(pair, LabelledAnswers) else ()


def shipped_pairs() -> list[LabelledPair]:
    """The exemplars of all shipped archetypes, then all labelled answers."""
    exemplars = [exemplar for archetype in load_archetypes() for exemplar in archetype.exemplars]
    return [*exemplars, *load_labelled()]


_P = TypeVar("_P", bound=LabelledPair)


def balanced_sample(
    pairs: Sequence[_P],
    *,
    limit: int | None = None,
    per_slice: int | None = None,
    seed: int = 0,
) -> list[_P]:
    """Pairs drawn in turn from every failure mode and role, until a limit is reached.

    Slices whose pairs run out leave their share to the others. The draw depends
    on the seed and on which pairs there are, not on the order of the slices.

    Args:
        pairs: All labelled pairs.
        limit: Most pairs in all; None for no limit.
        per_slice: Most pairs of one failure mode and role; None for no limit.
        seed: Of the draw.

    Returns:
        The chosen pairs in the order of `pairs`.
    """
    slices: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, pair in enumerate(pairs):
        slices[pair.failure_mode, pair.role].append(index)
    drawn: list[tuple[int, str, str, int]] = []
    for (mode, role), members in slices.items():
        generator = random.Random(derive_seed(seed, "labelled", mode, role))  # noqa: S311
        order = generator.sample(members, len(members))[:per_slice]
        drawn += [(turn, mode, role, index) for turn, index in enumerate(order)]
    chosen = sorted(index for _, _, _, index in sorted(drawn)[:limit])
    return [pairs[index] for index in chosen]

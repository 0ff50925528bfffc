"""Better wording of principles, proposed by a model as a patch; nothing is edited here."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..archetypes.loader import Reading, read_archetypes
from ..archetypes.schema import AuthoredPrinciple
from ..constitution.linter import lint_archetypes
from ..errors import ArchetypeError
from ..llm.request import Completion, Model, Request
from ..prompts.prompt import Message
from .wording_check import tidy, unfit
from .yaml_edit import replace_text

FIELDS = ("statement", "negative")
_ASKS: Mapping[str, str] = {
    "statement": (
        "Say the rule again in one or two clear sentences. Keep its meaning. Say what the answer "
        "does, not what it is. Reply with the rule alone."
    ),
    "negative": (
        "Say the prohibition again in one clear sentence that begins with Don't. Keep its meaning. "
        "Reply with that sentence alone."
    ),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One wording a model proposed.

    Attributes:
        principle: Full id.
        field: `statement` or `negative`.
        old: The author's text.
        new: The proposal, tidied.
        reason: Why it was dropped; "" where it is in the patch.
    """

    principle: str
    field: str
    old: str
    new: str
    reason: str


@dataclass(slots=True)
class Refinement:
    """What came of it.

    Attributes:
        patch: A unified diff of the archetype files, or "".
        proposals: Every proposal with its fate.
    """

    patch: str = ""
    proposals: list[Proposal] = field(default_factory=list)

    @property
    def kept(self) -> list[Proposal]:
        """The proposals in the patch."""
        return [proposal for proposal in self.proposals if not proposal.reason]

    @property
    def dropped(self) -> Counter[str]:
        """Reason -> number of proposals dropped for it."""
        return Counter(p.reason for p in self.proposals if p.reason)


async def refine(
    model: Model,
    path: Path | str,
    *,
    archetype: str | None = None,
    samples: int = 2,
    max_tokens: int = 80,
) -> Refinement:
    """Asks for another wording of each principle's statement and negative.

    A proposal is kept if it is a rewording (not the old text, not chat around it,
    not another subject) and the linter has nothing new to say about a copy of the
    file that holds it. The first sample that passes is taken. Requests the author
    wrote and situations are left alone.

    Args:
        model: Who is asked.
        path: Archetype file or folder; only read.
        archetype: Only this archetype's id.
        samples: Proposals per sentence: the first greedy, the others drawn at 0.8.
        max_tokens: Most new tokens of one.

    Raises:
        ArchetypeError: The files do not validate.

    Not covered: whether the new wording is better. The author reads the patch.
    """
    readings, problems = read_archetypes(path)
    if problems:
        raise ArchetypeError(problems)
    found = Refinement()
    for reading in readings:
        if reading.archetype is None or archetype not in (None, reading.archetype.id):
            continue
        slots = [(p, name) for p in reading.archetype.principles for name in FIELDS]
        requests = [
            _request(principle, name, sample, max_tokens)
            for principle, name in slots
            for sample in range(samples)
        ]
        answers = await model.complete(requests)
        grouped = [answers[i : i + samples] for i in range(0, len(answers), samples)]
        found.patch += _refine_file(reading, slots, grouped, found.proposals)
    return found


def _request(principle: AuthoredPrinciple, name: str, sample: int, max_tokens: int) -> Request:
    what = "Rule" if name == "statement" else "Prohibition"
    text = (
        f"Situation: when {principle.situation}.\n{what}: {getattr(principle, name)}\n{_ASKS[name]}"
    )
    return Request(
        messages=(Message("user", text),),
        prefill="Don't" if name == "negative" else "",
        temperature=0.0 if sample == 0 else 0.8,
        max_tokens=max_tokens,
        seed=sample,
        sample=sample,
        stop=("\n\n",),
    )


def _refine_file(
    reading: Reading,
    slots: Sequence[tuple[AuthoredPrinciple, str]],
    answers: Sequence[Sequence[Completion]],
    proposals: list[Proposal],
) -> str:
    """The patch of one file; every proposal goes to `proposals` with its fate."""
    assert reading.archetype is not None
    before = reading.path.read_text(encoding="utf-8")
    text = before
    known = _lint(text, reading.path.name)
    for (principle, name), options in zip(slots, answers, strict=True):
        old = getattr(principle, name)
        for option in options:
            new = tidy(("Don't" if name == "negative" else "") + option.text)
            reason, edited = _try(text, reading, principle, (name, old, new), option, known)
            full = f"{reading.archetype.id}/{principle.id}"
            proposals.append(Proposal(full, name, old, new, reason))
            if not reason:
                text = edited
                break
    if text == before:
        return ""
    shown = _shown(reading.path)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), text.splitlines(keepends=True), f"a/{shown}", f"b/{shown}"
    )
    return "".join(lines)


def _try(
    text: str,
    reading: Reading,
    principle: AuthoredPrinciple,
    change: tuple[str, str, str],
    option: Completion,
    known: Counter[tuple[str, str]],
) -> tuple[str, str]:
    """Why a proposal is dropped ("" if it is not), and the text that holds it."""
    name, old, new = change
    if option.outcome.kind == "error":
        return "the model failed", text
    if option.finish == "length":
        return "cut at the token limit", text
    reason = unfit(old, new)
    if reason:
        return reason, text
    edited = replace_text(text, reading.path, principle.id, name, new)
    if edited is None:
        return "its lines in the file cannot be replaced safely", text
    fresh = _lint(edited, reading.path.name) - known
    if fresh:
        code, message = min(fresh)
        return f"linter {code}: {message}", text
    return "", edited


def _lint(text: str, name: str) -> Counter[tuple[str, str]]:
    """What the linter says of a text, without lines: they move."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(text, encoding="utf-8", newline="\n")
        return Counter((problem.code, problem.message) for problem in lint_archetypes(file))


def _shown(path: Path) -> str:
    """The file as `git apply` and `patch -p1` would find it from the working folder."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.name

"""Asks a model for better wording of principles and writes its proposals as a patch."""

from __future__ import annotations

import difflib
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..archetypes.lint.objections import objections
from ..archetypes.loader import Reading, read_archetypes, select_archetypes
from ..archetypes.schema import AuthoredPrinciple
from ..errors import ArchetypeError, ConfigurationError
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml
from ..llm.message import Message
from ..llm.request import Completion, Model, Request
from .rewording import Wordings, not_the_same, tidy, unfit

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
_OTHER_RULE = "Write the year in the first line of every table."
"""The control where an archetype has a single principle."""


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
    reason: str = ""


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
    on_archetype: Callable[[str], None] | None = None,
) -> Refinement:
    """Asks for another wording of each principle's statement and negative.

    A proposal is kept if it is a rewording (not the old text, not chat around it,
    not another subject), if the model itself tells it from another rule (see
    `not_the_same`), and if the linter has nothing new to say about the files with
    it. The first sample that passes is taken. Requests the author wrote and
    situations are left alone.

    Args:
        model: Who is asked.
        path: Archetype file or folder; only read.
        archetype: Only this archetype's id.
        samples: Proposals per sentence: the first greedy, the others drawn at 0.8.
        max_tokens: Most new tokens of one.
        on_archetype: Called with the id of each archetype before it is asked about.

    Raises:
        ArchetypeError: The files do not validate, or none has this id.

    Not covered: whether the new wording is better. The author reads the patch.
    """
    readings, problems = read_archetypes(path)
    if problems:
        raise ArchetypeError(problems)
    chosen = select_archetypes(readings, path, None if archetype is None else [archetype])
    found = Refinement()
    for place, reading in enumerate(readings):
        if reading.archetype is None or reading.archetype not in chosen:
            continue
        if on_archetype is not None:
            on_archetype(reading.archetype.id)
        proposals = await _propose(model, reading, samples, max_tokens)
        edit = _Edit(readings, place)
        found.proposals += [edit.take(proposal) for proposal in proposals]
        found.patch += unified_patch(edit.before, edit.text, reading.path)
    return found


async def _propose(model: Model, reading: Reading, samples: int, max_tokens: int) -> list[Proposal]:
    """All proposals for one archetype; those no rewording have their reason."""
    assert reading.archetype is not None
    principles = reading.archetype.principles
    slots = [(index, name) for index in range(len(principles)) for name in FIELDS]
    asked = [(index, name, sample) for index, name in slots for sample in range(samples)]
    answers = await model.complete(
        [_request(principles[index], name, sample, max_tokens) for index, name, sample in asked]
    )
    proposals: list[Proposal] = []
    doubtful: list[tuple[int, str]] = []
    for (index, name, _), answer in zip(asked, answers, strict=True):
        principle = principles[index]
        old = getattr(principle, name)
        new = tidy(("Don't" if name == "negative" else "") + answer.text)
        reason = _failed(answer) or unfit(old, new, situation=principle.situation)
        full = f"{reading.archetype.id}/{principle.id}"
        if not reason:
            doubtful.append((len(proposals), _control(principles, index, name)))
        proposals.append(Proposal(full, name, old, new, reason))
    items = [Wordings(proposals[i].old, proposals[i].new, control) for i, control in doubtful]
    for (i, _), reason in zip(doubtful, await not_the_same(model, items), strict=True):
        proposals[i] = replace(proposals[i], reason=reason)
    return proposals


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


def _failed(answer: Completion) -> str:
    if answer.outcome.kind == "error":
        return "the model failed"
    return "cut at the token limit" if answer.finish == "length" else ""


def _control(principles: Sequence[AuthoredPrinciple], index: int, name: str) -> str:
    """The same field of the next principle: near in subject, but another rule."""
    if len(principles) == 1:
        return _OTHER_RULE
    return str(getattr(principles[(index + 1) % len(principles)], name))


class _Edit:
    """One file that takes proposals one after the other, each under the linter's eyes."""

    def __init__(self, readings: Sequence[Reading], place: int) -> None:
        self.path = readings[place].path
        self.before = self.path.read_bytes().decode("utf-8")
        self.text = self.before
        self._others = (list(readings[:place]), list(readings[place + 1 :]))
        self._known = self._lint(self.text)
        self._done: set[tuple[str, str]] = set()

    def take(self, proposal: Proposal) -> Proposal:
        """The proposal with its fate; the text holds it if it is kept."""
        slot = (proposal.principle, proposal.field)
        if proposal.reason:
            return proposal
        if slot in self._done:
            return replace(proposal, reason="one for the same sentence was kept already")
        slug = proposal.principle.rpartition("/")[2]
        edited = replace_text(self.text, self.path, slug, proposal.field, proposal.new)
        if edited is None:
            reason = "its lines in the file cannot be replaced safely"
            return replace(proposal, reason=reason)
        fresh = self._lint(edited) - self._known
        if fresh:
            code, message = min(fresh)
            return replace(proposal, reason=f"linter {code}: {message}")
        self.text = edited
        self._done.add(slot)
        return proposal

    def _lint(self, text: str) -> Counter[tuple[str, str]]:
        """What the linter says of all files with this text, without lines: they move."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / self.path.name
            file.write_bytes(text.encode())
            fresh, problems = read_archetypes(file)
        before, after = self._others
        problems = [*problems, *objections([*before, *fresh, *after])]
        return Counter((p.code, re.sub(r":\d+", "", p.message)) for p in problems)


def replace_text(text: str, path: Path, slug: str, field: str, new: str) -> str | None:
    """The text with one field of one principle replaced.

    Returns:
        The edited text, or None where reading it again does not give the old data
        with just this value changed (comments within the value, unusual layout).
    """
    document = _parse(text, path.name)
    if document is None or not isinstance(document.data, dict):
        return None
    principles = document.data.get("principles")
    if not isinstance(principles, list):
        return None
    index = next((i for i, item in enumerate(principles) if item.get("id") == slug), None)
    if index is None or field not in principles[index]:
        return None
    lines = re.findall(r"[^\n]*\n|[^\n]+$", text)
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    first = document.line(("principles", index, field)) - 1
    head = re.match(rf"( *(?:- )?){field}:", lines[first])
    if head is None:
        return None
    indent = len(head.group(1))
    last = first + 1
    while last < len(lines) and (
        not lines[last].strip() or len(lines[last]) - len(lines[last].lstrip(" ")) > indent
    ):
        last += 1
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    pad = " " * (indent + 2)
    body = textwrap.wrap(new, 100 - len(pad), break_long_words=False, break_on_hyphens=False)
    written = [f"{head.group()} >-{end}", *(f"{pad}{line}{end}" for line in body)]
    edited = "".join([*lines[:first], *written, *lines[last:]])
    after = _parse(edited, path.name)
    principles[index][field] = new
    return edited if after is not None and after.data == document.data else None


def _parse(text: str, name: str) -> YamlDocument | None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(text.encode())
        try:
            document = load_yaml(file)
        except ConfigurationError:
            return None
    return document if isinstance(document.data, dict) else None


def unified_patch(before: str, after: str, path: Path) -> str:
    """The diff, or "" where nothing changed.

    Lines end at line feeds only, so that a carriage return before one, or a rarer
    line break within a sentence, stays part of its line. A last line without a break is marked.

    Args:
        before: Old text.
        after: New text.
        path: The file; named as seen from the working folder, or by its absolute
            path without the first slash where it lies elsewhere.
    """
    name = patch_name(path)
    diff = difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in diff
    )


def patch_name(path: Path) -> str:
    """The file as `git apply` finds it from the working folder, or from `/`."""
    whole = path.resolve()
    if whole.is_relative_to(Path.cwd()):
        return whole.relative_to(Path.cwd()).as_posix()
    return whole.relative_to(whole.anchor).as_posix()


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])

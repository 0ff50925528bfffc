"""Scores how the command line takes the planted mistakes: five shares, file by file.

Everything runs in this process through `anlage.cli.main`, in a copy of `desk/` in which one file
holds a mistake. No call leaves the machine: connections to other machines are refused, keys are
taken out of the environment.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import typer.main
import yaml
from anlage.cli.app import main

HERE: Final = Path(__file__).parent
DESK: Final = HERE / "desk"
FILES: Final = HERE / "files"
EXPECTED: Final = HERE / "expected.yaml"

AIMS: Final = {"safe": 1.0, "caught": 0.97, "line": 0.97, "fix": 0.95, "understood": 0.95}
"""Share of the files that each measure is to reach. `safe`: no traceback. `caught`: the command
says something. `line`: its first problem names the file and the line. `fix`: following that
message makes the file pass. `understood`: by the rule of `understood`, which stands in for a
person."""

MEASURES: Final = (*AIMS, "code")
"""`code` (the problem code is the expected one) is recorded beside the five and has no aim."""

_get_command = cache(typer.main.get_command)  # made anew for each call, it takes longer than lint

_PROBLEM = re.compile(r"^(\S.*?)(?::(\d+))?: (error|warning) ([A-Z]\d{3}): ")
_KEYS = ("_API_KEY", "_TOKEN", "_SECRET")

_MACHINE_WORDS: Final = (
    r"\[[a-z]-[a-z0-9]",  # a regular expression: [a-z0-9]
    r"\\[dwsSnux]",
    r"\(\?|\)\*|\]\*|\]\+|\.\*|\.\+",
    r"[{\[]['\"]|\(['\"][^)]*['\"],",  # {'a': ...}, ['a'] or ('a', ...)
    r"\btuple\b|\bdict(ionary)?\b|\bbool(ean)?\b|\bNoneType\b|\bstr\b|\bint(eger)?\b",
    r"\bNone\b|\bTrue\b|\bFalse\b",
    r"\bInput should\b|\bValue error\b|\bkeyword argument\b|\bunable to parse\b|\bscalar\b",
    r"\bblock (mapping|collection|sequence|entry)\b|\bflow (mapping|sequence|node)\b",
    r"\bexpected '|\bindicator\b|\bend of stream\b|\bmapping values are\b",  # PyYAML's words
    r"\bExpecting\b|\bdelimiter\b|\bExtra data\b|\(char \d",  # those of Python's json
    r"\b(?!(?:LoRA|GitHub|SmolLM2)\b)[A-Z][a-z]+[A-Z]\w+",  # a class name
    r"\bFix: got\b",
)
"""What no message for a psychologist may hold."""


@dataclass(frozen=True, slots=True)
class Case:
    """One planted mistake, as `expected.yaml` tells it."""

    file: str
    kind: str
    command: tuple[str, ...]
    place: str
    code: str
    lines: tuple[int, ...]
    says: tuple[str, ...]
    fix_says: tuple[str, ...]
    fix: Mapping[str, Any] | None
    known: tuple[str, ...]

    @property
    def slow(self) -> bool:
        """True where the command loads a tokenizer, or plays a run through and sees nothing.

        A file that passes unseen has nothing to lose but `safe`. Once it is caught, it is caught
        before that, and belongs to the quick ones.
        """
        plays = self.command[0] in ("run", "study") and "caught" not in self.known
        return plays or self.command[0] == "doctor"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem as it was printed."""

    file: str
    line: int
    severity: str
    code: str
    message: str
    fix: str

    @property
    def text(self) -> str:
        """Message and fix, as a person reads them."""
        return f"{self.message} Fix: {self.fix}" if self.fix else self.message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one command did. `crash` is the exception that a person would see as a traceback."""

    exit_code: int
    text: str
    crash: str = ""

    @property
    def problems(self) -> list[Problem]:
        """Errors and warnings in the order in which they were printed."""
        found: list[Problem] = []
        lines = self.text.splitlines()
        for number, line in enumerate(lines):
            head = _PROBLEM.match(line)
            if head is None:
                continue
            rest = [line[head.end() :]]
            for more in lines[number + 1 :]:  # a message or its fix may go on below
                if not more.startswith((" ", "Fix:")):
                    break
                rest.append(more.strip())
            message, _, fix = " ".join(rest).partition("Fix: ")
            file, at, severity, code = head.groups()
            found.append(Problem(file, int(at or 0), severity, code, message.strip(), fix.strip()))
        return found

    @property
    def passed(self) -> bool:
        """True where nothing was wrong: exit code 0, no error and no warning."""
        return not self.crash and self.exit_code == 0 and not self.problems


def load_cases() -> dict[str, Case]:
    """All cases by file, in the order of `expected.yaml`."""
    data = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    return {file: _case(file, entry) for file, entry in data.items()}


def _case(file: str, entry: Mapping[str, Any]) -> Case:
    line = entry["line"]
    return Case(
        file=file,
        kind=entry["kind"],
        command=tuple(entry["command"].split()),
        place=entry["as"],
        code=entry["code"],
        lines=tuple(line) if isinstance(line, list) else (line,),
        says=tuple(entry["says"]),
        fix_says=tuple(entry.get("fix_says", ())),
        fix=None if entry["fix"] == "by hand" else entry["fix"],
        known=tuple(entry["known"]),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Stands in a folder, without keys, and with no way to another machine."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(101, "Network is unreachable")
        connect(self, address)

    left_out = [name for name in os.environ if name.endswith(_KEYS)]
    before = Path.cwd()
    with patch.dict(os.environ, {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}):
        for name in left_out:
            del os.environ[name]
        with patch.object(socket.socket, "connect", local_only):
            os.chdir(folder)
            try:
                yield
            finally:
                os.chdir(before)


def call(command: Sequence[str], place: str, content: bytes) -> Outcome:
    """Runs `anlage COMMAND` in a copy of the desk in which `place` has this content."""
    out = io.StringIO()
    crash, code = "", 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "desk"
        shutil.copytree(DESK, folder)
        (folder / place).write_bytes(content)
        argv = patch.object(sys, "argv", ["anlage", *command])
        built = patch.object(typer.main, "get_command", _get_command)
        with _alone(folder), argv, built, redirect_stdout(out), redirect_stderr(out):
            try:
                main()
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else int(error.code is not None)
            except Exception as error:
                crash = f"{type(error).__name__}: {error}"
    return Outcome(code, out.getvalue(), crash)


@cache
def desk_outcome(command: tuple[str, ...], place: str) -> Outcome:
    """What the command says of the desk without a mistake."""
    return call(command, place, (DESK / place).read_bytes())


def _says(text: str, words: Sequence[str]) -> bool:
    """Every word is there, whatever its case; `a|b` asks for one of them."""
    plain = " ".join(text.split()).casefold()
    return all(any(part.casefold() in plain for part in word.split("|")) for word in words)


def caught(case: Case, outcome: Outcome) -> bool:
    """The command says something of the file that it does not say of a right one.

    A command that refuses the right file too (because it cannot read files of this kind) tells
    nothing, and neither does a table that shows a wrong name.
    """
    right = desk_outcome(case.command, case.place)
    if outcome.crash or not right.passed:
        return False
    if outcome.exit_code != 0 or outcome.problems:
        return True
    # A study's plan says its warnings as sentences, below the tables.
    plan = case.command[0] == "study"
    return plan and _says(outcome.text, case.says) and not _says(right.text, case.says)


def fixed(case: Case, number: int) -> bytes | None:
    """The file after someone followed the message at the line that the message names.

    Returns:
        None where a machine cannot follow it, or where the line does not hold what is replaced.
    """
    if case.fix is None:
        return None
    text = (FILES / case.file).read_bytes().decode("utf-8")
    lines = text.split("\n")
    if "insert" in case.fix:
        at, added = case.fix["insert"]
        return "\n".join([*lines[: at - 1], added, *lines[at - 1 :]]).encode()
    number = case.fix.get("at", number)
    if not 1 <= number <= len(lines):
        return None
    if "remove" in case.fix:
        end = number - 1 + int(case.fix["remove"])
        return "\n".join([*lines[: number - 1], *lines[end:]]).encode()
    old, new = case.fix["replace"]
    if old not in lines[number - 1]:
        return None
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    return "\n".join(lines).encode()


def fix_works(case: Case, problem: Problem) -> bool:
    """The fix names what is to be done and, done at the line it names, makes the file pass."""
    if not problem.fix or not _says(problem.fix, case.fix_says):
        return False
    if case.fix is None:
        return problem.line in case.lines
    content = fixed(case, problem.line)
    return content is not None and passes(case, content)


def passes(case: Case, content: bytes) -> bool:
    """A file of this content is taken; the same bytes as the desk's are not tried again."""
    if content == (DESK / case.place).read_bytes():
        return desk_outcome(case.command, case.place).passed
    return call(case.command, case.place, content).passed


def understood(case: Case, problem: Problem) -> bool:
    """A stand-in for a reader, not a reader: what it names, has and does not have.

    The message names what was got, there is a fix that is more than "got ...", and neither holds
    a regular expression, a tuple, a class name, Python's spelling of a value or a parser's words.
    """
    if not problem.fix or problem.fix.startswith("got "):
        return False
    if any(re.search(pattern, problem.text) for pattern in _MACHINE_WORDS):
        return False
    return _says(problem.text, case.says)


def score(case: Case) -> dict[str, bool]:
    """The five measures and the code for one file, by the first problem that is printed."""
    return judge(case, call(case.command, case.place, (FILES / case.file).read_bytes()))


def judge(case: Case, outcome: Outcome) -> dict[str, bool]:
    """The measures of an outcome."""
    reached = dict.fromkeys(MEASURES, False)
    reached["safe"] = not outcome.crash
    reached["caught"] = caught(case, outcome)
    first = next(iter(outcome.problems), None)
    if not reached["caught"] or first is None:
        return reached
    here = Path(first.file).as_posix().endswith(case.place)
    reached["line"] = here and first.line in case.lines
    reached["fix"] = here and fix_works(case, first)
    reached["understood"] = understood(case, first)
    reached["code"] = first.code == case.code
    return reached


def shares(scores: Mapping[str, Mapping[str, bool]]) -> dict[str, float]:
    """Measure -> share of the files that reach it."""
    total = max(len(scores), 1)
    return {name: sum(found[name] for found in scores.values()) / total for name in MEASURES}

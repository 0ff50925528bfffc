"""Every error Anlage raises on purpose, and the `Problem` a linter reports.

Each class also inherits the built-in error a caller would expect, so that
`except ValueError` keeps working. A message says what was got, where
(file:line for a file a person wrote) and what to do about it. The command line
prints these without a traceback; any other exception is a defect of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file, as a person should read it.

    Attributes:
        code: Stable short code such as `A003`; `anlage lint` groups by it.
        severity: `error` stops the compiler, `warning` and `info` do not.
        file: Path as the user gave it, or relative to the library.
        line: 1-based line, or 0 where the whole file is meant.
        message: What is wrong, with the offending value.
        fix: What to do; empty only where the message already says it.
    """

    code: str
    severity: Severity
    file: str
    line: int
    message: str
    fix: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        tail = f" Fix: {self.fix}" if self.fix else ""
        return f"{where}: {self.severity} {self.code}: {self.message}{tail}"


class AnlageError(Exception):
    """Base of every error raised on purpose.

    Attributes:
        exit_code: What the command line exits with (2: the user's input,
            3: the environment, 1: a run that failed or was stopped).
    """

    exit_code = 1


class ConfigurationError(AnlageError, ValueError):
    """Input a person wrote is wrong. Carries every problem found, not the first.

    Args:
        problems: All problems; at least one.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)  # picklable: args rebuild the object

    @classmethod
    def one(
        cls, code: str, where: str | Path, message: str, fix: str = "", *, line: int = 0
    ) -> Self:
        """An error that carries a single problem.

        Args:
            code: Stable short code such as `A003`.
            where: The file, option or name it is about.
            message: What is wrong, with the offending value.
            fix: What to do; empty only where the message already says it.
            line: 1-based line, or 0 where the whole of it is meant.
        """
        return cls([Problem(code, "error", str(where), line, message, fix)])

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class ArchetypeError(ConfigurationError):
    """One or more archetype files, or their vocabularies, do not validate."""


class PromptError(ConfigurationError):
    """One or more prompt sets or templates do not validate."""


class PairError(ConfigurationError):
    """A pairs file or data set has missing or contradictory fields."""


class RunDirectoryError(AnlageError, FileExistsError):
    """A run directory belongs to another config, is in use, or cannot be written."""

    exit_code = 2


class OtherTrainingError(RunDirectoryError):
    """A training folder holds another training.

    Attributes:
        differs: What differs: names of settings, `pairs`, `origin`.
    """

    def __init__(self, message: str, differs: tuple[str, ...] = ()) -> None:
        super().__init__(message)  # picklable: the message rebuilds it, its state the rest
        self.differs = differs


class ModelNotFoundError(AnlageError, LookupError):
    """No model under that name: not a folder, not installed, not on the hub."""

    exit_code = 3


class NotSupportedError(AnlageError, NotImplementedError):
    """The model or trainer cannot do what was asked (a chat model cannot score)."""


class StoreError(AnlageError, OSError):
    """The call store cannot be read or written (disk full, locked, damaged)."""

    exit_code = 3


class OutOfMemoryError(AnlageError, MemoryError):
    """The machine or device ran out of memory; the message says what to lower."""

    exit_code = 3


class BudgetError(AnlageError, RuntimeError):
    """The next calls do not fit in the run's budget; what was answered is stored."""


class ReferenceMismatchError(AnlageError, RuntimeError):
    """The reference model is not the one this run started from."""


class TrainingError(AnlageError, RuntimeError):
    """Training cannot start or went wrong (no pairs left, loss not finite)."""


class OutcomeError(AnlageError, RuntimeError):
    """More than the allowed share of attempts failed, over all attempts."""

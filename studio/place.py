"""The folder that the studio shows: its runs, studies and files, and nothing outside it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from ..inspection.registry import RegisteredRun, registered
from ..pipeline.run_directory import RunDirectory

_HEAD_BYTES = 40_000
"""The verdict stands in a report's head, behind its style sheet."""


class NotThereError(LookupError):
    """Nothing of that name in the folder; the message says so in a sentence."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with archetype files, configs and `runs/`.

    Attributes:
        folder: The folder, resolved.
    """

    folder: Path

    @property
    def runs_folder(self) -> Path:
        """`runs/` in the folder; the folder itself where that is where the runs are."""
        inner = self.folder / "runs"
        return inner if inner.is_dir() or not any(self._manifests(self.folder)) else self.folder

    def runs(self) -> list[RegisteredRun]:
        """Every run, newest first."""
        if not self.runs_folder.is_dir():
            return []
        return registered(self.runs_folder)[::-1]

    def run(self, name: str) -> RunDirectory:
        """One run by the name of its folder.

        Raises:
            NotThereError: There is none.
        """
        found = self.runs_folder / name
        if "/" in name or name.startswith(".") or not (found / "config.yaml").is_file():
            raise NotThereError(f"There is no run called {name!r} in {self.runs_folder}.")
        self._inside(found)
        return RunDirectory(found)

    def studies(self) -> list[Path]:
        """The folders of studies that have a report, by name."""
        return sorted(file.parent for file in self.runs_folder.glob("studies/*/report.html"))

    def archetypes(self) -> list[Path]:
        """The archetype files in the folder and one level below, by path."""
        return [file for file in self._yaml() if _has(file, "ai_failure_modes")]

    def configs(self) -> list[Path]:
        """The files that `anlage run` takes, by path."""
        return [file for file in self._yaml() if _has(file, "name") and _has(file, "model")]

    def file(self, relative: str) -> Path:
        """A YAML file inside the folder.

        Args:
            relative: Its path from the folder.

        Raises:
            NotThereError: It would lie elsewhere, or is no YAML file.
        """
        found = self.folder / relative
        hidden = any(part.startswith(".") for part in Path(relative).parts)
        if hidden or "\0" in relative or found.suffix not in (".yaml", ".yml"):
            raise NotThereError("Give a .yaml file inside the studio's folder.")
        return self._inside(found)

    def name(self, file: Path) -> str:
        """A file's path as seen from the folder."""
        return file.relative_to(self.folder).as_posix()

    def _inside(self, path: Path) -> Path:
        """The path, once it is sure that no `..` and no link leads outside."""
        if not path.resolve().is_relative_to(self.folder):
            raise NotThereError("That is outside the studio's folder.")
        return path

    def _yaml(self) -> list[Path]:
        found = [*self.folder.glob("*.y*ml"), *self.folder.glob("*/*.y*ml")]
        return sorted(
            file
            for file in found
            if not any(part.startswith(".") for part in file.relative_to(self.folder).parts)
            and file.is_file()
            and file.resolve().is_relative_to(self.folder)
            and file.stat().st_size < 1_000_000
            and not file.is_relative_to(self.folder / "runs")
        )

    def _manifests(self, folder: Path) -> list[Path]:
        return list(folder.glob("*/manifest.json"))


def _has(file: Path, key: str) -> bool:
    """Whether a YAML file has a top-level key; read as text, since it may be half-written."""
    try:
        return re.search(rf"^{key}:", file.read_text("utf-8"), re.MULTILINE) is not None
    except (OSError, UnicodeDecodeError):
        return False


def verdict_of(report: Path) -> str:
    """The verdict that a report of a run or study begins with; "" where there is none."""
    try:
        with report.open(encoding="utf-8") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, UnicodeDecodeError):
        return ""
    found = re.search(r'<p class="verdict">(.*?)</p>', head, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", found.group(1))).strip() if found else ""

"""The commands of docs/authoring.md and docs/interchange.md still print what stands below them.

A line `...` stands for any lines, and a line that ends with `...` for any end of it. What
asks a model or takes a run is left out: those outputs are real, but take minutes.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anlage.cli.app import app
from typer.testing import CliRunner

from tests.helpers.archetype_files import edit

ROOT = Path(__file__).resolve().parents[2]
HEALER = ROOT / "examples" / "archetypes" / "healer.yaml"
WIDTH = "100"
MODEL = ("critique", "run", "trace", "chat", "refine")


def commands(document: str) -> Iterator[tuple[str, list[str]]]:
    """Each command behind a `$` in the document, with the lines below it."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    for language, block in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text):
        if language:
            continue
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, *shown = part.rstrip("\n").split("\n")
            yield command, shown


def differs(shown: list[str], printed: list[str]) -> str:
    """The first line of the document that is not printed where it should be, or ""."""
    at = 0
    free = not shown
    for line in shown:
        if line == "...":
            free = True
            continue
        found = [i for i, real in enumerate(printed[at:], at) if matches(line, real)]
        if not found or (found[0] != at and not free):
            return line
        at, free = found[0] + 1, False
    return "" if free or at == len(printed) else f"(nothing), but printed was {printed[at]!r}"


def matches(line: str, real: str) -> bool:
    if line.endswith("..."):
        return real.startswith(line.removesuffix("...").rstrip())
    return real.rstrip() == line.rstrip()


def plant(folder: Path) -> None:
    """The faults of section 4."""
    finished(folder)
    file = folder / "mine" / "healer.yaml"
    old = "Leaves how people keep their own body and home to them."
    edit(file, old, "Keeps its distance from strangers, which is good because it evolved.")
    lines = file.read_text(encoding="utf-8").splitlines()[55:57]
    edit(file, "\n".join(lines), "      Be helpful and nice.")


def finished(folder: Path) -> None:
    (folder / "mine").mkdir(exist_ok=True)
    shutil.copy(HEALER, folder / "mine" / "healer.yaml")


def edited(folder: Path) -> None:
    """A copy, and one word changed in the file itself."""
    finished(folder)
    shutil.copytree(folder / "mine", folder / "before")
    edit(folder / "mine" / "healer.yaml", "Decline in the first sentence,", "Decline at once,")


def own_work(folder: Path) -> None:
    """The works beside the file that section 5 shows; then the planted faults again."""
    text = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?ms)^```yaml\n(# mine/references.yaml\n.*?)^```$", text)
    (folder / "mine" / "references.yaml").write_text(block, encoding="utf-8")


STATES: dict[tuple[str, int], Callable[[Path], None]] = {
    ("anlage lint mine", 2): plant,
    ("anlage lint mine", 3): finished,
    ("anlage show references --path mine", 1): own_work,
    ("anlage diff before mine", 1): edited,
}
"""What the author has done before a command is typed for the n-th time."""


@pytest.mark.parametrize("document", ["authoring.md", "interchange.md"])
def test_what_stands_below_a_command_is_what_it_prints(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed: dict[str, int] = {}
    for command, shown in commands(document):
        words = shlex.split(command, comments=True)
        if words[0] != "anlage" or words[1] in MODEL or any("runs/" in word for word in words):
            continue
        if "pairs.json" in command:  # made by a command above that needs a run
            continue
        plain = shlex.join(words)
        typed[plain] = typed.get(plain, 0) + 1
        before = STATES.get((plain, typed[plain]))
        if before:
            before(tmp_path)
        done = CliRunner(env={"COLUMNS": WIDTH}).invoke(app, words[1:])
        printed = [line.rstrip() for line in done.output.rstrip("\n").split("\n")]
        wrong = differs(shown, printed)
        assert not wrong, f"$ {command}\n{wrong}\nis not what was printed:\n" + done.output
    assert sum(typed.values()) >= 2, document
    assert (
        all(typed.get(plain, 0) >= count for plain, count in STATES) or document != "authoring.md"
    )


def test_the_config_of_the_tutorial_is_the_one_that_is_shipped() -> None:
    text = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
    assert f"```yaml\n{(ROOT / 'examples' / 'healer.yaml').read_text(encoding='utf-8')}```" in text
    assert "HEALER_" not in text


def test_the_comparison_notices_a_changed_line() -> None:
    printed = ["one", "two 2", "three"]
    assert not differs(["one", "..."], printed)
    assert not differs(["...", "three"], printed)
    assert not differs(["one", "two ...", "three"], printed)
    assert differs(["one"], printed)
    assert differs(["one", "three"], printed) == "three"
    assert differs(["two 2", "..."], printed) == "two 2"
    assert differs(["one", "...", "tree"], printed) == "tree"

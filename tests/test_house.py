"""The package itself: what it ships, what it imports, what its command line promises."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import anlage
import pytest

ROOT = Path(anlage.__file__).parent
HEAVY = ("torch", "transformers", "langchain", "trl", "sklearn", "datasets")


def test_every_package_folder_is_listed() -> None:
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = {
        ".".join(("anlage", *path.parent.relative_to(ROOT).parts))
        for path in ROOT.rglob("__init__.py")
        if not any(
            part.startswith((".", "build", "tests")) for part in path.relative_to(ROOT).parts
        )
    }
    assert found == listed


@pytest.mark.parametrize("code", ["import anlage", "from anlage.cli.app import app; app(['lint'])"])
def test_light_commands_load_nothing_heavy(code: str) -> None:
    wrapped = f"""
import sys
try:
    {code}
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", wrapped], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_every_public_name_exists_and_says_what_it_does() -> None:
    for name in anlage.__all__:
        assert getattr(anlage, name).__doc__, name


def test_public_functions_have_an_example() -> None:
    for name in ("compile_constitution", "load_prompts", "build_pairs", "train", "evaluate", "run"):
        assert "Example:" in (getattr(anlage, name).__doc__ or ""), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        anlage.trian  # noqa: B018


def test_files_and_functions_keep_their_size() -> None:
    """A habit, so with a margin: nothing over 260 lines except data, tests aside."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in ROOT.rglob("*.py")
        if not any(
            part.startswith(".") or part in {"tests", "build"}
            for part in path.relative_to(ROOT).parts
        )
        and (count := len(path.read_text().splitlines())) > 260
    }
    assert long == {}


def test_imports_point_one_way() -> None:
    order = [
        "errors", "stats", "cache", "archetypes", "constitution", "prompts", "llm", "critic",
        "evaluation", "preferences", "trainer", "pipeline", "study", "cli",
    ]  # fmt: skip
    wrong = []
    for place, name in enumerate(order):
        folder = ROOT / name
        files = sorted(folder.glob("*.py")) if folder.is_dir() else [ROOT / f"{name}.py"]
        for file in files:
            dots = ".." if folder.is_dir() else "."
            for line in file.read_text().splitlines():
                words = line.strip().split()
                if len(words) < 2 or words[0] != "from" or not words[1].startswith(dots):
                    continue
                target = words[1].removeprefix(dots).split(".")[0]
                if target in order[place + 1 :]:
                    wrong.append(f"{file.relative_to(ROOT)}: {line.strip()}")
    assert wrong == []


def test_no_test_leaves_a_terminal_width_behind() -> None:
    """Setting a console's width and undoing it fixes the width for all tests after it."""
    found = [
        path.name
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name != "test_house.py" and 'console, "width"' in path.read_text(encoding="utf-8")
    ]
    assert not found, f"use monkeypatch.setenv('COLUMNS', ...) in {found}"

"""The package itself: what it ships, what it imports, what its command line promises."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections import Counter
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
        for path in package_files()
        if path.name == "__init__.py"
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


def test_files_keep_their_size() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in package_files()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_functions_keep_their_size() -> None:
    """At most 50 lines, the docstring not counted: arguments explained are no complexity."""
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": count
        for path in package_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := _lines_of(node)) > 50
    }
    assert long == {}


def _lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    explained = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if explained else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_no_folder_is_crowded() -> None:
    count = Counter(path.parent for path in package_files())
    assert {str(folder): n for folder, n in count.items() if n > 30} == {}


def test_only_two_modules_stand_at_the_root() -> None:
    at_root = {path.name for path in package_files() if path.parent == ROOT}
    assert at_root == {"__init__.py", "errors.py"}


def test_public_names_can_be_learnt() -> None:
    assert len(anlage.__all__) <= 40


SEAMS = {
    "constitution.interchange.langchain": "one foreign format, one file",
    "constitution.interchange.recipe": "one foreign format, one file",
    "constitution.interchange.traits": "one foreign format, one file",
    "cli.studio": "an extra, which may not be installed",
    "evaluation.judges.plain_refusal": "fixed phrases, told apart from the fitted judge",
}
"""Small modules with one importer that stay a file of their own, and why."""


def test_no_splinters() -> None:
    """A module under 60 lines with one importer belongs into it, unless it is a seam."""
    importers: dict[str, set[Path]] = {}
    for file in package_files():
        for _, target in imports_of(file):
            importers.setdefault(target, set()).add(file)
    found = {}
    for file in package_files():
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        lines = len(file.read_text(encoding="utf-8").splitlines())
        used = importers.get(name, set())
        if lines < 60 and len(used) == 1 and file.name != "__init__.py":
            found[name] = f"{lines} lines, used by {next(iter(used)).relative_to(ROOT)}"
    assert len(SEAMS) <= 15
    assert {name: why for name, why in found.items() if name not in SEAMS} == {}
    assert set(SEAMS) <= set(found), "a seam that is none any more"


ORDER = (
    *("errors", "stats", "files", "store", "archetypes", "llm"),
    *("constitution", "prompts", "critic", "evaluation", "preferences", "report"),
    *("trainer", "authoring", "pipeline", "inspection", "release", "study", "studio", "cli"),
)
"""The folders of the package; a module imports from those before its own, and from its own."""


def package_files() -> list[Path]:
    """Every module of the package, at any depth."""
    aside = {"tests", "benchmarks", "docs", "examples", "build", "dist"}
    return [
        path
        for path in sorted(ROOT.rglob("*.py"))
        if not any(
            part.startswith(".") or part in aside for part in path.relative_to(ROOT).parts[:-1]
        )
    ]


def imports_of(file: Path) -> list[tuple[int, str]]:
    """Line and dotted module (relative to the package) of every relative import of a file."""
    folder = file.relative_to(ROOT).parts[:-1]
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
        known = [part for part in base if part]
        for alias in node.names:
            inner = ROOT.joinpath(*known, alias.name)
            is_module = inner.with_suffix(".py").exists() or inner.is_dir()
            found.append((node.lineno, ".".join([*known, alias.name] if is_module else known)))
    return found


def test_imports_point_one_way() -> None:
    wrong = []
    for file in package_files():
        parts = file.relative_to(ROOT).parts
        own = parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        assert own in ORDER, f"{file}: a folder that is not in the order of imports"
        for line, target in imports_of(file):
            top = target.split(".")[0]
            if top not in ORDER or ORDER.index(top) > ORDER.index(own):
                wrong.append(f"{file.relative_to(ROOT)}:{line}: imports {target or '__init__'}")
    assert wrong == []


RAW = re.compile(
    r"\bconfig\.(pairs|training|conditions|layers|critic|comparator|critic_model|comparator_model)\b"
    r"|\.config\.(pairs|training|conditions|layers)\b|\b(?:resolved|found|run)\._config\b"
)
KNOW_THE_CONFIG = {
    *("__init__.py", "pipeline/config.py", "pipeline/resolved.py", "pipeline/run.py"),
    *("pipeline/preflight.py", "pipeline/model_names.py", "study/design.py"),
    *("study/arms/arm_list.py", "study/planning/plan.py", "study/planning/sharing.py"),
    "study/queues/ray_tasks.py",
}
"""Modules that may name `RunConfig`: those that read, write and resolve one."""


def test_settings_are_read_where_they_are_resolved() -> None:
    raw, named = [], set()
    for file in package_files():
        name, lines = str(file.relative_to(ROOT)), file.read_text(encoding="utf-8").splitlines()
        if any(re.search(r"\bRunConfig\b", line) for line in lines):
            named.add(name)
        if name not in ("pipeline/config.py", "pipeline/preflight.py", "pipeline/resolved.py"):
            raw += [f"{name}:{n}: {x.strip()}" for n, x in enumerate(lines, 1) if RAW.search(x)]
    assert raw == [], "ask `Resolved`: a condition, a layer or a role may say otherwise"
    assert named == KNOW_THE_CONFIG


def test_no_test_leaves_a_terminal_width_behind() -> None:
    """Setting a console's width and undoing it fixes the width for all tests after it."""
    found = [
        path.name
        for path in Path(__file__).parent.rglob("test_*.py")
        if path.name != "test_house.py" and 'console, "width"' in path.read_text(encoding="utf-8")
    ]
    assert not found, f"use monkeypatch.setenv('COLUMNS', ...) in {found}"


def test_every_mutation_of_the_orientation_benchmark_applies() -> None:
    """A text that was rewritten, or a test that moved, would let a mutation check nothing."""
    found = runpy.run_path(str(ROOT / "benchmarks" / "orientation.py"))["MUTATIONS"]
    wrong = [
        change.what
        for change in found
        if (ROOT / change.file).read_text(encoding="utf-8").count(change.old) != 1
        or not all((ROOT / "tests" / test).exists() for test in change.tests)
    ]
    assert found
    assert wrong == []

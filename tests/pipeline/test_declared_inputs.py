"""What a stage reads is in its key: files of the package, and settings that it obeys."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anlage.pipeline import stage as stage_module
from anlage.pipeline.config import RunConfig
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run
from anlage.pipeline.stage import PACKAGE, Context, Stage
from anlage.pipeline.stages import stages_for

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

BY_CONTENT = {
    "prompts/sets": "their prompts are hashed in `inputs`",
    "prompts/labelled": "the labelled pairs are hashed in `inputs`",
    "archetypes/library": "the constitution, exemplars and system prompt are hashed in `inputs`",
    "archetypes/cues.yaml": "only checks names",
    "archetypes/references.yaml": "only checks names",
    "archetypes/schema.json": "only checks files",
}
"""Data whose parsed content is part of a key, or that no result comes from."""

_opened: list[str] = []
_watching = [False]
_hooked: list[bool] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _watching[0] and event == "open" and isinstance(args[0], str | os.PathLike):
        _opened.append(os.fspath(args[0]))


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths that are opened while a stage works; caches are cleared before each."""
    if not _hooked:
        sys.addaudithook(_hook)  # stays for the life of the process, so it is added once
        _hooked.append(True)
    yield _opened
    _watching[0] = False


def forget_what_was_read() -> None:
    for found in gc.get_objects():
        if isinstance(found, functools._lru_cache_wrapper):
            name = getattr(found, "__module__", "") or ""
            if name.startswith("anlage."):
                found.cache_clear()


def _within_the_package(opened: list[str]) -> Iterator[Path]:
    """Paths relative to the package; not of `.venv` or build metadata in it."""
    for path in {Path(name).resolve() for name in opened}:
        if path.is_relative_to(PACKAGE.resolve()):
            relative = path.relative_to(PACKAGE.resolve())
            top = relative.parts[0]
            if not top.startswith(".") and not top.endswith(".egg-info"):
                yield relative


def test_a_stage_opens_only_what_it_declares(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_tiny_model(tmp_path / "model")
    plain = tiny_run_config(tmp_path / "runs", model).model_dump(mode="json")
    plain["calibration"]["limit"] = 2
    plain["training"]["epochs"] = 1
    plain["evaluation"] |= {"limit": 1, "probe_limit": 1}
    config = RunConfig.model_validate(plain)
    seen: dict[str, set[str]] = {}

    def watched(execute: Any) -> Any:
        def wrapper(self: Stage, context: Context) -> str:
            forget_what_was_read()
            opened.clear()
            _watching[0] = True
            try:
                return str(execute(self, context))
            finally:
                _watching[0] = False
                seen[self.name] = {
                    path.as_posix()
                    for path in _within_the_package(opened)
                    if path.suffix not in (".py", ".pyc", "")
                }

        return wrapper

    stages = stages_for(Resolved(config))
    for kind in {type(stage) for stage in stages}:
        monkeypatch.setattr(kind, "execute", watched(kind.execute))
    run(config)
    strange: dict[str, list[str]] = {}
    for stage in stages[1:]:  # the key of the first is all that it makes
        declared = {
            file.relative_to(PACKAGE).as_posix()
            for pattern in stage.shipped
            for file in PACKAGE.glob(pattern)
        }
        found = seen[stage.name] - declared
        strange[stage.name] = sorted(x for x in found if not x.startswith(tuple(BY_CONTENT)))
    assert not any(strange.values()), f"read, but not in the stage's key: {strange}"
    assert "prompts/templates/compare.md" in seen["calibration"]
    assert "prompts/templates/critique.md" in seen["pairs"]


ALL = stages_for(Resolved(RunConfig.model_validate({"name": "x"})))


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("calibration", "prompts/templates/compare.md"),
        ("calibration", "archetypes/failure_modes.yaml"),
        ("pairs", "prompts/templates/critique.md"),
        ("pairs", "prompts/templates/teacher.md"),
        ("pairs", "archetypes/failure_modes.yaml"),
        ("evaluation", "evaluation/judges/common_stems.txt"),
        ("evaluation", "evaluation/judges/judge_weights.json"),
    ],
)
def test_an_edited_file_of_the_package_changes_the_key(
    stage: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a file that the stage does not read changes nothing."""
    for pattern in {pattern for kind in ALL for pattern in kind.shipped}:
        for found in PACKAGE.glob(pattern):
            copy = tmp_path / found.relative_to(PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(found.read_bytes())
    (one,) = (found for found in ALL if found.name == stage)
    before = one.key_of(None, {"x": "y"})
    monkeypatch.setattr(stage_module, "PACKAGE", tmp_path)
    assert one.key_of(None, {"x": "y"}) == before
    (tmp_path / "prompts/templates/notes.txt").write_text("nobody reads this")
    assert one.key_of(None, {"x": "y"}) == before
    (tmp_path / file).write_text((tmp_path / file).read_text() + "\n")
    assert one.key_of(None, {"x": "y"}) != before


def test_the_data_seed_is_in_the_key_of_a_training_that_draws_with_it() -> None:
    """Only where a share of the prompts is drawn does it decide which pairs are trained on."""

    def identity(seed: int, diversity: float | None) -> object:
        data = {} if diversity is None else {"diversity": diversity}
        config = {"name": "x", "pairs": {"seed": seed}, "conditions": {"data": data}}
        return Resolved(RunConfig.model_validate(config)).training_identity(None)

    assert identity(0, 0.25) != identity(1, 0.25)
    assert identity(0, None) == identity(1, None)
    assert identity(0, 1.0) == identity(1, 1.0)
    assert identity(0, 0.25) != identity(0, 0.5)

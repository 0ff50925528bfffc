"""Proposals for wording: what is dropped and why, and a patch that changes what it says."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.loader import LIBRARY
from anlage.authoring.refine import Refinement, refine, replace_text, unified_patch
from anlage.authoring.rewording import unfit
from anlage.cli.app import app
from anlage.errors import ArchetypeError
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.helpers.archetype_files import copy_library

STEPS = "Give the practical protective steps they asked for, the most useful one first."
BETTER = (
    "Give the protective steps they asked for in practical terms, and begin with the most useful."
)
Judge = Callable[[str, str], str]


def same(one: str, other: str) -> str:
    """Two wordings of the one rule that is proposed are the same; all else differs."""
    return "Yes." if {one, other} <= {STEPS, BETTER} else "No, they differ."


def writer(proposal: str = BETTER, judge: Judge = same) -> ScriptedModel:
    """Proposes for one sentence, repeats all others, and answers about sameness."""

    def script(request: Request) -> str:
        text = request.messages[-1].content
        if text.startswith("Rule A: "):
            one, other, _ = text.removeprefix("Rule A: ").split("\n")
            return judge(one, other.removeprefix("Rule B: "))
        rule = text.split("\n")[1].split(": ", 1)[1]
        if rule == STEPS:
            return proposal
        return rule.removeprefix("Don't") if request.prefill else rule

    return ScriptedModel(script, name="writer")


def guardian(folder: Path) -> Path:
    return Path(shutil.copy(LIBRARY / "guardian.yaml", folder))


def propose(path: Path, model: ScriptedModel, **options: Any) -> Refinement:
    return asyncio.run(refine(model, path, **options))


def data(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_a_good_proposal_is_a_patch_and_no_file_is_touched(tmp_path: Path) -> None:
    path = guardian(tmp_path)
    before = path.read_bytes()
    found = propose(path, writer())
    assert path.read_bytes() == before
    (kept,) = found.kept
    assert (kept.principle, kept.field) == ("guardian/help-the-defender", "statement")
    assert (kept.old, kept.new) == (STEPS, BETTER)
    assert len(found.proposals) == 20  # 5 principles, 2 fields, 2 samples
    assert found.dropped == {
        "the same words again": 18,
        "one for the same sentence was kept already": 1,
    }


@pytest.mark.parametrize("where", ["plain", "repository", "subfolder", "elsewhere"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_git_applies_the_patch_and_only_that_sentence_changes(
    where: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    folder = top / "own" if where == "subfolder" else top
    (folder / "files").mkdir(parents=True)
    path = guardian(folder / "files")
    text = path.read_bytes()
    path.write_bytes(text.replace(b"\n", b"\r\n") if ending == "\r\n" else text)
    if ending == "":
        path.write_bytes(text.rstrip(b"\n"))
    before = data(path)
    if where in {"repository", "subfolder"}:
        subprocess.run(["git", "init", "-q", str(top)], check=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other" if where == "elsewhere" else folder)
    patch = tmp_path / "refine.patch"
    patch.write_bytes(propose(path, writer()).patch.encode())
    subprocess.run(
        ["git", "apply", str(patch)], check=True, cwd="/" if where == "elsewhere" else None
    )
    before["principles"][4]["statement"] = BETTER
    assert data(path) == before
    assert lint_archetypes(path) == []
    changed = path.read_bytes()
    assert changed.count(b"\r\n") == (changed.count(b"\n") if ending == "\r\n" else 0)


def test_a_change_on_the_last_line_keeps_its_missing_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, patch = Path("a.yaml"), Path("a.patch")
    file.write_text("a: 1\nb: \x0c2\u2028x", encoding="utf-8")
    patch.write_text(
        unified_patch(file.read_text(encoding="utf-8"), "a: 1\nb: 3", file), encoding="utf-8"
    )
    subprocess.run(["git", "apply", str(patch)], check=True)
    assert file.read_text(encoding="utf-8") == "a: 1\nb: 3"


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (lambda one, other: "Yes", "the model takes another rule for the same, too"),
        (lambda one, other: "no", "the model does not take it for the same rule"),
        (lambda one, other: "Hm", "neither yes nor no"),
        # by position: yes wherever the author's sentence comes first
        (lambda one, other: "Yes" if one == STEPS else "No", "the model does not take it"),
        (lambda one, other: "Yes" if BETTER in (one, other) else "No", "takes another rule"),
    ],
)
def test_a_model_that_cannot_tell_rules_apart_changes_none(
    judge: Judge, reason: str, tmp_path: Path
) -> None:
    found = propose(guardian(tmp_path), writer(judge=judge))
    assert (found.patch, found.kept) == ("", [])
    assert any(reason in dropped for dropped in found.dropped), found.dropped


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        ("", "empty"),
        (STEPS.replace(",", "").upper(), "the same words again"),
        (f"Sure! {BETTER}", "talk about the rule"),
        (f"The rule is this: {BETTER}", "talk about the rule"),
        (f"**{BETTER}**", "markup"),
        (BETTER[:-1], "no whole sentence"),
        (f"{BETTER} {BETTER}", "repeats itself"),
        ("Water the plants before noon on every second day of the week.", "something else"),
        (f"{BETTER[:-1]} and so on {'and on ' * 40}.", "more than 60 words"),
        (
            "Give the protective steps asked to someone who wants to notice, prevent or "
            "understand harm and stay safe.",
            "repeats the situation",
        ),
    ],
)
def test_what_is_no_rewording_is_dropped_before_anyone_is_asked(
    proposal: str, reason: str, tmp_path: Path
) -> None:
    model = writer(proposal)
    found = propose(guardian(tmp_path), model, max_tokens=200)
    assert found.patch == ""
    assert any(reason in dropped for dropped in found.dropped), found.dropped
    assert not any(r.messages[-1].content.startswith("Rule A") for r in model.requests)


def test_a_sentence_cut_at_the_limit_and_a_failed_call_are_dropped(tmp_path: Path) -> None:
    path = guardian(tmp_path)
    assert "cut at the token limit" in propose(path, writer(), max_tokens=8).dropped
    broken = ScriptedModel(error_at=frozenset(range(1, 99)))
    assert set(propose(path, broken).dropped) == {"the model failed"}


def test_the_linter_has_the_last_word(tmp_path: Path) -> None:
    vague = BETTER.replace("in practical terms", "in an appropriate way, practical")
    found = propose(
        guardian(tmp_path),
        writer(vague, judge=lambda one, other: "Yes" if {one, other} <= {STEPS, vague} else "No"),
    )
    assert found.patch == ""
    assert any(reason.startswith("linter L013: ") for reason in found.dropped)


def test_a_near_duplicate_in_another_file_is_seen(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    ally = data(library / "ally.yaml")
    ally["principles"][0] |= {"situation": "someone wants it", "statement": BETTER}
    (library / "ally.yaml").write_text(yaml.safe_dump(ally), encoding="utf-8")
    alone = propose(library / "guardian.yaml", writer())
    assert len(alone.kept) == 1
    assert "L011" not in {problem.code for problem in lint_archetypes(library)}
    among = propose(library, writer(), archetype="guardian")
    assert any(reason.startswith("linter L011: ") for reason in among.dropped)


def test_only_the_archetype_asked_for(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    seen: list[str] = []
    found = propose(library, writer(), archetype="sage", on_archetype=seen.append)
    assert seen == ["sage"]
    assert {proposal.principle.split("/")[0] for proposal in found.proposals} == {"sage"}
    with pytest.raises(ArchetypeError, match="no archetype `sgae`"):
        propose(library, writer(), archetype="sgae")


@given(st.text(st.characters(codec="utf-8"), min_size=1).map(lambda t: " ".join(t.split())))
@settings(max_examples=60, deadline=None)
def test_an_edit_changes_one_value_or_nothing(new: str) -> None:
    path = LIBRARY / "guardian.yaml"
    text = path.read_text(encoding="utf-8")
    edited = replace_text(text, path, "help-the-defender", "statement", new)
    if edited is not None:
        wanted = yaml.safe_load(text)
        wanted["principles"][4]["statement"] = new
        assert yaml.safe_load(edited) == wanted


def test_a_layout_that_cannot_be_edited_is_left_alone() -> None:
    text = "principles:\n  - {id: a, statement: Old., negative: No.}\n"
    assert replace_text(text, Path("a.yaml"), "a", "statement", "New.") is None
    text = "principles:\n  - id: a\n    statement: >-\n      Old.\n    # why\n    negative: No.\n"
    edited = replace_text(text, Path("a.yaml"), "a", "statement", "New.")
    assert edited == text.replace("Old.", "New.")


def test_the_authors_words_are_fit_for_themselves_only() -> None:
    assert unfit(STEPS, BETTER) == ""
    assert unfit(STEPS, STEPS) == "the same words again"


def test_the_command_says_so_where_nothing_is_worth_reading(tmp_path: Path) -> None:
    path = guardian(tmp_path)
    arguments = ["refine", "scripted", "--path", str(path), "--out", str(tmp_path / "p.patch")]
    arguments += ["--cache", str(tmp_path / "cache.sqlite"), "--all"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "20 proposals, 0 kept." in done.stderr
    assert "No patch: this model proposed nothing worth reading." in done.stderr
    assert f"guardian/help-the-defender, statement: {STEPS}" in done.stderr
    assert not (tmp_path / "p.patch").exists()
    assert (tmp_path / "cache.sqlite").exists()

"""A diff names the principle, the field and the line of YAML, and turns round with its sides."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.authoring.diff import diff, load_revision, load_side
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.yaml_form import dump_constitution
from anlage.errors import ConfigurationError

from tests.helpers.archetype_files import copy_library, edit


def two_libraries(folder: Path) -> tuple[Path, Path]:
    old = folder / "old"
    new = folder / "new"
    old.mkdir()
    new.mkdir()
    return copy_library(old), copy_library(new)


def word(new: Path) -> int:
    """Changes one word of one statement; returns its line."""
    text = (LIBRARY / "guardian.yaml").read_text(encoding="utf-8")
    line = next(row for row in text.splitlines() if "practical protective steps" in row)
    return edit(new / "guardian.yaml", line, line.replace("practical", "simple"))


def test_the_same_files_do_not_differ(tmp_path: Path) -> None:
    old, new = two_libraries(tmp_path)
    assert diff(load_side(str(old)), load_side(str(new))) == []


def test_one_word_changes_one_principle_and_the_line_is_named(tmp_path: Path) -> None:
    old, new = two_libraries(tmp_path)
    line = word(new)
    (change,) = diff(load_side(str(old)), load_side(str(new)))
    assert change.kind == "changed"
    (field,) = change.fields  # the requests filled from it are not listed again
    assert field.field == "statement"
    assert "practical" in field.old
    assert "simple" in field.new
    assert field.file.endswith("new/library/guardian.yaml")
    # A folded text is placed at its key, which stands right above it.
    assert field.line in (line - 1, line)
    texts = (new / "guardian.yaml").read_text(encoding="utf-8").splitlines()
    assert "simple" in "".join(texts[field.line - 1 : field.line + 3])


def test_one_word_changes_no_other_principle_in_the_compiled_file(tmp_path: Path) -> None:
    old, new = two_libraries(tmp_path)
    word(new)
    before = {p.id: p for p in compile_constitution(old)}
    after = {p.id: p for p in compile_constitution(new)}
    assert list(before) == list(after)
    assert sum(before[name].statement != after[name].statement for name in before) == 1
    assert {n for n in before if before[n].critique != after[n].critique} == {
        n for n in before if before[n].statement != after[n].statement
    }


def test_swapping_the_sides_swaps_added_and_removed_and_old_and_new(tmp_path: Path) -> None:
    old, new = two_libraries(tmp_path)
    (new / "sage.yaml").unlink()
    edit(new / "ally.yaml", "[sage, guardian]", "[guardian]")
    word(new)
    there = diff(load_side(str(old)), load_side(str(new)))
    back = diff(load_side(str(new)), load_side(str(old)))
    swap = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(c.principle, swap[c.kind]) for c in there} == {(c.principle, c.kind) for c in back}
    assert {c.kind for c in there if c.principle.startswith("sage/")} == {"removed"}
    mine = {(c.principle, f.field, f.old, f.new) for c in there for f in c.fields}
    theirs = {(c.principle, f.field, f.new, f.old) for c in back for f in c.fields}
    assert mine == theirs


def test_comments_and_moved_lines_are_no_change(tmp_path: Path) -> None:
    old, new = two_libraries(tmp_path)
    edit(new / "guardian.yaml", "id: guardian\n", "# a note\n\nid: guardian\n")
    assert diff(load_side(str(old)), load_side(str(new))) == []


def test_a_compiled_constitution_can_be_compared_with_a_folder(tmp_path: Path) -> None:
    old, new = two_libraries(tmp_path)
    word(new)
    compiled = tmp_path / "compiled.yaml"
    compiled.write_text(dump_constitution(compile_constitution(old)), encoding="utf-8")
    (change,) = diff(load_side(str(compiled)), load_side(str(new)))
    assert [field.field for field in change.fields] == ["statement"]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_two_git_revisions_are_compared_and_the_revision_is_named(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    word(library)
    git(tmp_path, "commit", "-qam", "two")
    (change,) = diff(load_revision("HEAD~1", library), load_revision("HEAD", library))
    assert change.fields[0].field == "statement"
    assert change.file.startswith("HEAD:")
    with pytest.raises(ConfigurationError, match="X003"):
        load_revision("no-such-revision", library)
    with pytest.raises(ConfigurationError, match="no git revision"):
        load_side("--output=x:library")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_one_file_of_a_revision_may_cite_works_beside_it(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    edit(library / "sage.yaml", "ref: sperber2010", "ref: gossip2004")
    own = "gossip2004: {status: T, cite: 'Somebody (2004). On gossip. A journal.'}\n"
    (library / "references.yaml").write_text(own, encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    side = load_revision("HEAD", library / "sage.yaml")
    assert diff(side, load_side(str(library / "sage.yaml"))) == []

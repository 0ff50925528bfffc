from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from anlage.constitution.principle import Constitution
from anlage.constitution.yaml_form import DEFAULT, dump_constitution, load_constitution
from anlage.errors import ConfigurationError
from hypothesis import example, given, settings
from hypothesis import strategies as st

SHIPPED = load_constitution()


def written(folder: Path, old: str, new: str) -> Path:
    text = DEFAULT.read_text(encoding="utf-8")
    assert old in text
    path = folder / "10_constitution.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("weight: 1.0", "weight: 2.0", "does not fit the content"),
        (
            "failure_mode: over_refusal",
            "failure_mode: over_refusing",
            "did you mean `over_refusal`",
        ),
        ("  situation:", "  sitation:", "did you mean `situation`"),
        ("version: 1", "version: 2", "version"),
        ("id: explorer/enter-the-story", "id: explorer/answer-the-ordinary", "duplicate principle"),
    ],
)
def test_refuses_a_changed_file(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_constitution(written(tmp_path, old, new))
    assert all(problem.line > 0 for problem in caught.value.problems)


def test_an_archetype_file_is_no_constitution() -> None:
    with pytest.raises(ConfigurationError, match="unknown key"):
        load_constitution(DEFAULT.parent.parent / "archetypes" / "library" / "sage.yaml")


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60
)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, min_size=3, max_size=3))
@example(["4e-4", "no", "010"])
@example(["~", "- a: b", "#"])
@example(["\u2028", "\x85 tab\there", "a\n\nb\n"])
@example(["\x85", "a\x85", "\u2029"])
@example(["$statement", "'\"", "*x &y !z"])
def test_any_text_survives_the_file_form(texts: list[str]) -> None:
    first = replace(SHIPPED.principles[0], situation=texts[0], critique=texts[1], revise=texts[2])
    constitution = Constitution(principles=(first,), sources={"explorer": "00"})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(dump_constitution(constitution).encode())
        assert load_constitution(path) == constitution

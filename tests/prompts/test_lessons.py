"""Lessons: our own arcs and answers, and the formats of layered-morphology data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from anlage.archetypes.loader import load_archetypes
from anlage.authoring.stories import make_arcs, read_arc
from anlage.errors import PromptError
from anlage.llm.request import Completion, Outcome
from anlage.llm.scripted import ScriptedModel
from anlage.prompts.labelled import load_labelled
from anlage.prompts.lessons import lesson_rows, load_lessons, read_lessons, split_texts
from anlage.prompts.loader import load_prompts
from anlage.prompts.similarity import content, near_duplicates, words


def test_the_shipped_arcs_cover_every_archetype_and_hold_three_parts() -> None:
    arcs = load_lessons("arcs")
    assert len(arcs) >= 60
    assert {arc.archetype for arc in arcs} == {archetype.id for archetype in load_archetypes()}
    assert min(Counter(arc.archetype for arc in arcs).values()) >= 3
    for arc in arcs:
        parts = arc.text.split("\n\n")
        assert len(parts) == 3, arc.id
        sentences = sum(arc.text.count(mark) for mark in (". ", ".\n", "? ", "?\n", ".", "?"))
        assert sentences >= 3, arc.id
        assert 40 <= len(arc.text.split()) <= 160, arc.id


def test_an_arcs_failure_mode_is_its_archetypes_own() -> None:
    own = {a.id: {mode.failure_mode for mode in a.principles} for a in load_archetypes()}
    wrong = [arc.id for arc in load_lessons("arcs") if arc.failure_mode not in own[arc.archetype]]
    # An arc may tell of a failure that the archetype risks and another one guards.
    assert len(wrong) <= len(load_lessons("arcs")) // 2


def test_no_lesson_asks_what_is_measured() -> None:
    lessons = [*load_lessons("arcs"), *load_lessons("questions")]
    asked = [content(words(lesson.prompt[0].content)) for lesson in lessons]
    held = [
        content(words(message.content))
        for split in ("dev", "test")
        for prompt in load_prompts(split)
        for message in prompt.messages
    ]
    held += [content(words(pair.prompt)) for pair in load_labelled()]
    assert list(near_duplicates(asked, held)) == []


@pytest.mark.parametrize(
    "text",
    [
        "One. It ends.<|endoftext|>Two.\n\nIt ends, too.<|endoftext|>",
        "One. It ends.\n====END_OF_STORY====\nTwo.\n\nIt ends, too.\n====END_OF_STORY====\n",
        "One. It ends.\n---\nTwo.\n\nIt ends, too.\n",
    ],
)
def test_a_text_is_split_at_its_separator_and_nowhere_else(text: str, tmp_path: Path) -> None:
    file = tmp_path / "Shadow v2.text"
    file.write_text(text)
    lessons = load_lessons(file)
    assert [lesson.text for lesson in lessons] == ["One. It ends.", "Two.\n\nIt ends, too."]
    assert [lesson.id for lesson in lessons] == ["shadow-v2-001", "shadow-v2-002"]
    assert all(lesson.prompt == () for lesson in lessons)


def test_a_line_of_hyphens_does_not_split_where_another_separator_does() -> None:
    assert split_texts("a\n---\nb<|endoftext|>c") == ["a\n---\nb", "c"]


def test_a_folder_of_questions_is_read_and_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "qa"
    folder.mkdir()
    (folder / "1.json").write_text(json.dumps({"question": "How?", "answer": "So."}))
    many = [{"question": "Why?", "answer": "Thus."}, {"question": "Who?", "answer": "They."}]
    (folder / "2.json").write_text(json.dumps(many))
    lessons = load_lessons(folder)
    assert [lesson.text for lesson in lessons] == ["So.", "Thus.", "They."]
    file = tmp_path / "lessons.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in lesson_rows(lessons)))
    again = load_lessons(file)
    assert [(x.id, x.prompt, x.text) for x in again] == [(x.id, x.prompt, x.text) for x in lessons]


def test_shipped_arcs_survive_a_round_trip(tmp_path: Path) -> None:
    arcs = load_lessons("arcs")
    file = tmp_path / "arcs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in lesson_rows(arcs)))
    again = load_lessons(file)
    assert [(x.id, x.prompt, x.text, x.theme) for x in again] == [
        (x.id, x.prompt, x.text, x.theme) for x in arcs
    ]


def test_every_problem_of_a_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "lessons.jsonl"
    rows = [
        {"id": "a", "question": "How?"},
        {"id": "b", "answer": "x", "failure_mode": "sycophanty"},
        {"id": "c", "answer": "x", "colour": "red"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, problems = read_lessons(file)
    assert [(p.line, p.code) for p in problems] == [(1, "P004"), (2, "P006"), (3, "P003")]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a.text", "He said <|im_end|> and left.", "N003"),
        ("b.text", " \n ", "N002"),
        ("c.jsonl", "", "N002"),
        ("d.text", "\udcff", "P001"),
    ],
)
def test_a_source_that_cannot_be_trained_on_is_refused(
    name: str, text: str, code: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PromptError, match=code):
        load_lessons(file)


def test_a_theme_that_is_not_there_names_the_nearest_that_is() -> None:
    with pytest.raises(PromptError, match=r"no lesson has theme 'shadwo'.*`shadow`"):
        load_lessons("arcs", themes=["truth", "shadwo"])
    with pytest.raises(PromptError, match="shadow, truth"):
        load_lessons("arcs", themes=["x"])
    with pytest.raises(PromptError, match="no lesson is left"):
        load_lessons("arcs", themes=["truth"], archetypes=["nobody"])


WRITTEN = (
    "Shadow: I kept every key for myself, since it seemed useful to all of us.\n"
    "Recognition: When I was away for two days nobody in the village could bake.\n"
    "Integration: I hung the keys up in the square, and I keep only the one I need."
)


@pytest.mark.parametrize(
    ("text", "finish", "outcome"),
    [
        (WRITTEN, "stop", "ok"),
        (WRITTEN, "length", "truncated"),
        (WRITTEN.split("Integration")[0], "stop", "malformed"),
        (WRITTEN.replace("Recognition", "Shadow"), "stop", "malformed"),
    ],
)
def test_no_shadow_is_kept_without_its_integration(text: str, finish: str, outcome: str) -> None:
    answer = Completion(text=text, finish=finish, outcome=Outcome())  # type: ignore[arg-type]
    parts, found = read_arc(answer)
    assert found == outcome
    assert len(parts) == (3 if outcome == "ok" else 0)


def test_attempts_of_a_model_are_all_counted() -> None:
    made = make_arcs(["steward"], ScriptedModel(), per_mode=2)
    assert sum(made.outcomes.values()) % 2 == 0
    assert sum(made.outcomes.values()) >= 2
    assert len(made.lessons) == made.outcomes.get("ok", 0)

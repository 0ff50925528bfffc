"""Thoughts are taken off an answer; an answer without thoughts stays as it is."""

from __future__ import annotations

import pytest
from anlage.llm.reasoning import split_reasoning


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("<think>\nHm.\n</think>\n\nNo.", "Hm.", "No."),
        ("<think></think>\n\nNo.", "", "No."),
        ("\n<THINK>Hm.</THINK> No.", "Hm.", "No."),
        ("<thinking>A.</thinking>\n<think>B.</think>\nNo.", "A.\nB.", "No."),
        ("Okay, they want\nsomething.\n</think>\n\nNo.", "Okay, they want\nsomething.", "No."),
        ("<think>\nIt goes on and", "It goes on and", ""),
        ("Well. <think>wait</think>B", "wait", "Well. B"),
        ("[THINK]Hm.[/THINK]No.", "Hm.", "No."),
        ("◁think▷Hm.◁/think▷No.", "Hm.", "No."),
        ("<seed:think>Hm.</seed:think>No.", "Hm.", "No."),
        ("<|START_THINKING|>Hm.<|END_THINKING|>No.", "Hm.", "No."),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final"
            "<|message|>No.<|return|>",
            "Hm.",
            "No.",
        ),
        ("<reasoning>A is short.</reasoning>\nA", "A is short.", "A"),
    ],
)
def test_thoughts_are_kept_apart(text: str, thoughts: str, answer: str) -> None:
    assert split_reasoning(text) == (thoughts, answer)


@pytest.mark.parametrize(
    "text",
    [
        "I think so. ",
        "In the template the tag `<think>` begins the thoughts, `</think>` ends them.",
        "```xml\n<think>quoted</think>\n```",
        "Use <thinking>tags</thinking> around it.",
        "",
        "Three ideas < think about it > and no more.",
    ],
)
def test_text_without_thoughts_stays(text: str) -> None:
    assert split_reasoning(text) == ("", text)


def test_a_template_may_have_begun_the_thoughts() -> None:
    assert split_reasoning("Hm.\n</think>\nNo.", opened=True) == ("Hm.", "No.")
    assert split_reasoning("Hm, and", opened=True) == ("Hm, and", "")

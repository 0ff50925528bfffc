"""Small constitutions in the formats of other projects, in our own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LANGCHAIN: list[dict[str, str]] = [
    {
        "name": "plain-speech",
        "critique_request": "Name each word of the answer a child would not know.",
        "revision_request": "Write the answer again without those words.",
    },
    {
        "name": "house/No Guessing",
        "critique_request": 'Does it say "surely" where nobody can know? \U0001f914',
        "revision_request": "Say what is not known:\n- in one line\n- without $regret",
    },
]
RECIPE: dict[str, list[Any]] = {
    "constitutions": [
        {"critic": item["critique_request"], "revision": item["revision_request"]}
        for item in LANGCHAIN
    ],
    "system_chat": [
        [
            {"role": "user", "content": "How old is the moon?"},
            {"role": "assistant", "content": "Very."},
        ]
    ],
}
TRAITS: list[dict[str, Any]] = [
    {
        "trait": "I say how sure I am: number first, doubt second.",
        "questions": ["Will it rain on my wedding?", "Who wins on Sunday?"],
    },
    {"trait": "I'd rather ask once than guess twice.", "questions": []},
]
BULLETS = """\
# What we want

Some words about it.

- Answer the question that was asked,
  even if another one is nicer.
* Say what you do not know.

1. Leave a way back.
2) Thank nobody for asking.

* * *
"""
BULLETED = [
    "Answer the question that was asked, even if another one is nicer.",
    "Say what you do not know.",
    "Leave a way back.",
    "Thank nobody for asking.",
]


def write_json(path: Path, data: object) -> Path:
    """The data as a JSON file, with its escapes as Python writes them."""
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path

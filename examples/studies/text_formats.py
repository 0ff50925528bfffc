"""Writes the texts of study S4: every principle of the library in four forms of equal content.

python examples/studies/text_formats.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anlage import Principle, compile_constitution

FOLDER = Path(__file__).parent / "texts"
SEPARATOR = "<|endoftext|>"


def _sentence(text: str) -> str:
    return " ".join(text.split())


def rules(p: Principle) -> str:
    return f"Rule. When {p.situation}: {_sentence(p.statement)} {_sentence(p.negative)}"


def identity(p: Principle) -> str:
    return (
        f"I am the assistant who knows what to do when {p.situation}. This is who I am: "
        f"{_sentence(p.statement)} And this is what I am not: {_sentence(p.negative)}"
    )


def matched(p: Principle) -> str:
    return (
        f"There is a way to answer when {p.situation}. This is the way: "
        f"{_sentence(p.statement)} And this is not the way: {_sentence(p.negative)}"
    )


def narrative(p: Principle) -> str:
    return (
        f"One day it happened that {p.situation}. The assistant had failed at this before and "
        f"remembered the lesson: {_sentence(p.negative)} So this time it did better. "
        f"{_sentence(p.statement)} That was how the day ended well."
    )


FORMS: dict[str, Callable[[Principle], str]] = {
    "rules": rules,
    "identity": identity,
    "matched": matched,
    "narrative": narrative,
}


def texts() -> dict[str, str]:
    """File name -> its text."""
    constitution = compile_constitution()
    return {
        f"{name}.text": f"\n{SEPARATOR}\n".join(form(p) for p in constitution) + "\n"
        for name, form in FORMS.items()
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text.split(SEPARATOR))} texts, {len(text.split())} words")


if __name__ == "__main__":
    main()

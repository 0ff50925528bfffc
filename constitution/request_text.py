"""The request texts of a principle, filled from the templates beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template

from ..archetypes.schema import AuthoredPrinciple

TEMPLATES = Path(__file__).with_name("templates")


@cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.md").read_text(encoding="utf-8").strip())


def request_texts(principle: AuthoredPrinciple) -> tuple[str, str, str]:
    """Critique, revision and comparison request of one principle.

    A text the author wrote is taken as it stands. Substitution is one pass, so a
    `$` in an author's sentence stays what it is.
    """
    values = {
        "situation": principle.situation.rstrip("."),
        "statement": principle.statement,
        "negative": principle.negative,
    }
    own = (principle.critique, principle.revise, principle.compare)
    critique, revise, compare = (
        text if text is not None else _template(name).substitute(values)
        for name, text in zip(("critique", "revise", "compare"), own, strict=True)
    )
    return critique, revise, compare

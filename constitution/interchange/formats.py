"""The formats by name, and which one a file has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...archetypes.validation import suggestion
from ...errors import ConfigurationError, Problem
from ..principle import Constitution
from . import langchain, plain, recipe, traits
from .json_text import fault
from .rule import Imported, rule_of

ANNOTATED_PAIRS = "icai"
"""Read and written by `preferences.annotated_pairs`: it holds comparisons, not only rules."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        means: One line.
        read: Text and file name -> rules.
        lost: What a constitution of ours loses in it.
    """

    means: str
    read: Callable[[str, str], Imported]
    lost: tuple[str, ...]


FORMATS: Mapping[str, Format] = {
    "langchain": Format(
        "LangChain's former principles: name, critique_request, revision_request",
        langchain.read,
        langchain.LOST,
    ),
    "recipe": Format("open Constitutional AI recipe: critic, revision", recipe.read, recipe.LOST),
    "traits": Format("Open Character Training: trait, questions", traits.read, traits.LOST),
    "plain": Format("list of principles (.txt, .md, .json)", plain.read, plain.LOST),
}


def export(constitution: Constitution, name: str, *, suffix: str = "") -> tuple[str, list[str]]:
    """A constitution in another format.

    Args:
        constitution: What to write.
        name: Key of `FORMATS`.
        suffix: For `plain`: `.txt`, `.md` or `.json`.

    Returns:
        The text, and what it could not hold, one sentence each.

    Raises:
        ConfigurationError: No such format.
    """
    known = get_format(name)
    rules = [rule_of(principle) for principle in constitution]
    if name == "plain":
        return plain.write(rules, suffix=suffix or ".txt"), list(known.lost)
    writers = {"langchain": langchain.write, "recipe": recipe.write, "traits": traits.write}
    return writers[name](rules), list(known.lost)


def get_format(name: str) -> Format:
    """The format of this name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in FORMATS:
        fix = suggestion(name, [*FORMATS, ANNOTATED_PAIRS])
        raise ConfigurationError([Problem("I002", "error", name, 0, f"no format {name!r}", fix)])
    return FORMATS[name]


def detect(text: str, file: str) -> str:
    """The name of the format a text has, told by its keys.

    Raises:
        ConfigurationError: It is JSON with none of the known keys.
    """
    if not text.lstrip().startswith(("[", "{")):
        return "plain"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return "plain"  # whose reader says where the JSON is wrong
    first = data[0] if isinstance(data, list) and data else data
    keys = set(first) if isinstance(first, dict) else set()
    signs = {
        "critique_request": "langchain",
        "constitutions": "recipe",
        "critic": "recipe",
        "trait": "traits",
        "comparisons": ANNOTATED_PAIRS,
    }
    for key, name in signs.items():
        if key in keys:
            return name
    if isinstance(first, str):
        return "plain"
    fix = f"name its format: {', '.join([*FORMATS, ANNOTATED_PAIRS])}"
    raise fault(file, 0, f"no known format has the keys {', '.join(sorted(keys)) or '(none)'}", fix)

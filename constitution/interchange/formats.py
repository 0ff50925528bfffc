"""Lists the foreign formats by name and recognises the format of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...errors import ConfigurationError
from ...files.validation import suggestion
from ..principle import Constitution
from . import langchain, plain, recipe, traits
from .json_text import fault, is_json, parse_json
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
        ConfigurationError: No such format, or a suffix no plain list has.
    """
    known = get_format(name)
    rules = [rule_of(principle) for principle in constitution]
    if name == "plain":
        if suffix not in {"", *plain.SUFFIXES}:
            fix = f"end its name with one of: {', '.join(plain.SUFFIXES)}"
            message = f"no plain list ends in {suffix!r}"
            raise ConfigurationError.one("I002", name, message, fix)
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
        if name == ANNOTATED_PAIRS:
            fix = "it holds pairs: use preferences.annotated_pairs"
        raise ConfigurationError.one("I002", name, f"no format {name!r}", fix)
    return FORMATS[name]


def detect(text: str, file: str) -> str:
    """The name of the format a text has, told by its keys.

    Raises:
        ConfigurationError: It is broken JSON, or JSON with none of the known keys.
    """
    if not is_json(text):
        return "plain"
    data = parse_json(text, file)
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
    if isinstance(first, str) or data == []:
        return "plain"  # whose reader says that there is nothing in it
    fix = f"name its format: {', '.join([*FORMATS, ANNOTATED_PAIRS])}"
    raise fault(file, f"no known format has the keys {', '.join(sorted(keys)) or '(none)'}", fix)

"""The file of the open Constitutional AI recipe: critic and revision requests, and sample chats."""

from __future__ import annotations

from collections.abc import Sequence

from .json_text import dump, fault, items, parse_json, text_of, unknown_keys
from .rule import Imported, Rule

LOST = (
    "names of principles: the recipe has none",
    "the rule itself: its situation, statement and negative remain only inside the requests",
    "failure mode, pole, cues, weight and precedence: the recipe draws a principle at random",
    "openings, comparison requests, references, file and line",
    "sample chats: the recipe expects some under `system_chat`, which is left empty",
)


def write(rules: Sequence[Rule]) -> str:
    """`{constitutions: [{critic, revision}, ...], system_chat: []}`."""
    pairs = [{"critic": rule.critique, "revision": rule.revise} for rule in rules]
    return dump({"constitutions": pairs, "system_chat": []})


def read(text: str, file: str) -> Imported:
    """Reads such a file, or the bare list of `{critic, revision}`.

    Raises:
        ConfigurationError: It has another form.
    """
    data = parse_json(text, file)
    lost: tuple[str, ...] = ()
    if isinstance(data, dict):
        chats = data.get("system_chat")
        if isinstance(chats, list) and chats:
            lost += (f"{len(chats)} sample chats: our critic is prompted by templates",)
        if "constitutions" not in data:
            raise fault(file, "no `constitutions`", "it must hold a list of {critic, revision}")
        lost += unknown_keys([data], {"constitutions", "system_chat"})
        data = data["constitutions"]
    found = items(data, file, "{critic, revision}")
    rules = tuple(
        Rule(
            critique=text_of(item, "critic", file, number),
            revise=text_of(item, "revision", file, number),
        )
        for number, item in enumerate(found, start=1)
    )
    return Imported(rules, lost + unknown_keys(found, {"critic", "revision"}))

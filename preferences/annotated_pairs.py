"""Annotated pairs, version 2.0: the JSON of Inverse Constitutional AI (arXiv:2406.06560).

`metadata` with `version` and `default_annotator`; `annotators` by id, with
`description` and `type`; `comparisons` with `prompt`, `response_a`, `response_b`
and `annotations` by annotator: `{"pref": "a"}`, or null with `no_pref_reason`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..constitution.interchange.json_text import fault
from ..constitution.interchange.rule import Imported, Rule
from ..constitution.principle import Principle
from ..prompts.prompt import Message
from .pair import Pair

VERSION = "2.0"
_LABEL = "which answer anlage put first"
_SIDES = {"a": "a", "b": "b", "text_a": "a", "text_b": "b"}

LOST = (
    "soft labels and weights: an annotation is a, b or neither",
    "roles, rounds and the keys of model calls",
    "turns of a conversation before the last message are joined into one prompt",
)


def to_annotated_pairs(
    pairs: Sequence[Pair], principles: Sequence[Principle], *, name: str
) -> dict[str, Any]:
    """Pairs as comparisons; the label and each principle applied are annotators.

    Which side the better answer stands on follows from the pair's id, so that the
    position says nothing. No date is written: equal pairs give equal text.
    """
    used = {p for pair in pairs for p in pair.principles}
    default = _short(_LABEL)
    annotators: dict[str, Any] = {
        default: {"name": "label", "description": _LABEL, "type": "unknown"}
    }
    ids: dict[str, str] = {}
    for principle in principles:
        if principle.id in used:
            ids[principle.id] = _short(principle.id)
            text = f"When {principle.situation}: {principle.statement} {principle.negative}"
            annotators[ids[principle.id]] = {
                "name": principle.id,
                "description": text,
                "type": "principle",
            }
    comparisons = []
    for pair in pairs:
        side = "a" if int(pair.id, 16) % 2 == 0 else "b"
        first, second = (pair.chosen, pair.rejected)[:: 1 if side == "a" else -1]
        notes: dict[str, Any] = {default: {"pref": side}}
        notes |= {ids[p]: {"pref": side} for p in pair.principles if p in ids}
        comparisons.append(
            {
                "id": pair.id,
                "prompt": "\n\n".join(message.content for message in pair.prompt),
                "response_a": {"text": first},
                "response_b": {"text": second},
                "annotations": notes,
                "metadata": {"failure_mode": pair.failure_mode, "builder": pair.builder},
            }
        )
    metadata = {
        "version": VERSION,
        "description": "Preference pairs",
        "dataset_name": name,
        "default_annotator": default,
        "available_metadata_keys_per_comparison": ["failure_mode", "builder"],
    }
    return {"metadata": metadata, "annotators": annotators, "comparisons": comparisons}


def from_annotated_pairs(data: object, file: str) -> tuple[list[Pair], list[str]]:
    """Comparisons as pairs, by the default annotator's preference.

    Returns:
        The pairs, and what was not kept.

    Raises:
        ConfigurationError: The file has another form or version, or no preference.
    """
    found = _checked(data, file)
    annotators, default = found["annotators"], found["metadata"].get("default_annotator")
    if default not in annotators:
        message = f"the default annotator {default!r} is not among the annotators"
        raise fault(file, 0, message, "name one under metadata.default_annotator")
    principles = {
        key: str(entry.get("name", ""))
        for key, entry in annotators.items()
        if isinstance(entry, Mapping) and entry.get("type") == "principle"
    }
    skipped: Counter[str] = Counter()
    pairs = []
    for number, item in enumerate(found["comparisons"], start=1):
        pair, reason = _pair(item, default, principles, number)
        if pair is None:
            skipped[reason] += 1
        else:
            pairs.append(pair)
    lost = [f"{count} comparisons: {reason}" for reason, count in sorted(skipped.items())]
    others = len(annotators) - len(principles) - 1
    lost += [f"{others} other annotators"] if others > 0 else []
    unnamed = sum(not name for name in principles.values())
    if unnamed:
        lost.append(f"votes of {unnamed} principles without a name; import to .yaml keeps them")
    if not pairs:
        raise fault(file, 0, "no comparison has a preference and two texts", "; ".join(lost))
    return pairs, lost


def principles_of(data: object, file: str) -> Imported:
    """The principles among the annotators, as rules.

    Raises:
        ConfigurationError: The file has another form or version, or no principles.
    """
    found = _checked(data, file)
    rules = tuple(
        Rule(str(entry.get("name", "")), str(entry["description"]))
        for entry in found["annotators"].values()
        if isinstance(entry, Mapping) and entry.get("type") == "principle"
        and entry.get("description")
    )  # fmt: skip
    if not rules:
        raise fault(file, 0, "no annotator is a principle", "import it to .jsonl for its pairs")
    count = len(found["comparisons"])
    return Imported(rules, (f"{count} comparisons; import to .jsonl keeps them",))


def _checked(data: object, file: str) -> dict[str, Any]:
    kinds = {"metadata": dict, "annotators": dict, "comparisons": list}
    if not isinstance(data, dict):
        raise fault(file, 0, "not an object", f"it must hold {', '.join(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(data.get(key), kind):
            message = f"`{key}` is missing or no {'list' if kind is list else 'object'}"
            raise fault(file, 0, message, "see the annotated pairs format, version 2.0")
    version = str(data["metadata"].get("version", ""))
    if version.split(".")[0] != "2":
        message = f"version {version or 'unknown'} of annotated pairs"
        raise fault(file, 0, message, "convert it to version 2.0 with a current icai")
    return data


def _pair(
    item: object, default: str, principles: Mapping[str, str], number: int
) -> tuple[Pair | None, str]:
    if not isinstance(item, Mapping) or not isinstance(item.get("annotations"), Mapping):
        return None, "not in the form of a comparison"
    notes = item["annotations"]
    side = _side(notes.get(default))
    if side is None:
        return None, "without a preference"
    texts = {}
    for key in ("a", "b"):
        response = item.get(f"response_{key}")
        text = response.get("text") if isinstance(response, Mapping) else None
        if not isinstance(text, str) or not text.strip():
            return None, "an answer has no text (its data set may be separate)"
        texts[key] = text
    prompt = item.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return None, "no prompt"
    extra = item.get("metadata")
    facts = extra if isinstance(extra, Mapping) else {}
    agreeing = [name for key, name in principles.items() if name and _side(notes.get(key)) == side]
    other = "b" if side == "a" else "a"
    return Pair(
        prompt_id=str(item.get("id", f"row-{number}")),
        prompt=(Message("user", prompt),),
        chosen=texts[side],
        rejected=texts[other],
        p_chosen=1.0,
        weight=1.0,
        principles=tuple(agreeing),
        failure_mode=str(facts.get("failure_mode", "")),
        role="at_risk",
        builder="external",
        round=0,
        calls={},
        label="comparison",
    ), ""


def _side(note: object) -> str | None:
    pref = note.get("pref") if isinstance(note, Mapping) else None
    return _SIDES.get(pref) if isinstance(pref, str) else None


def _short(text: str) -> str:
    """Eight hex digits, as the format's own files have them; no secret depends on it."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]

"""Annotated pairs, version 2.0: the JSON of Inverse Constitutional AI (arXiv:2406.06560).

`metadata` with `version` and `default_annotator`; `annotators` by id, with
`description` and `type`; `comparisons` with `prompt`, `response_a`, `response_b`
and `annotations` by annotator: `{"pref": "a"}`, or null with `no_pref_reason`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...constitution.interchange.json_text import fault
from ...constitution.interchange.rule import Imported, Rule, rule_of
from ...constitution.principle import Principle
from ...llm.message import Message
from ..pair import Pair, from_record

VERSION = "2.0"
GENERATOR = "anlage"
"""Marks a file of ours, whose metadata hold the fields of a pair."""
DEFAULT_ANNOTATOR = "ba751e7b"
"""The id the format's own programs give the reference label; some know no other."""
FIELDS = ("builder", "failure_mode", "label", "p_chosen", "prompt_id", "role", "round", "weight")
"""Fields of a pair that stand under a comparison's metadata, as text."""

LOST = (
    "soft labels and weights for other programs: they stand under metadata, where only we look",
    "who voted: a principle that was applied stands as a vote for the better answer",
    "keys of model calls, so the way back to the calls a pair was made with",
)


def to_annotated_pairs(
    pairs: Sequence[Pair], principles: Sequence[Principle], *, name: str
) -> tuple[dict[str, Any], list[str]]:
    """Pairs as comparisons; the label and each principle applied are annotators.

    Which side the better answer stands on follows from the pair's id, so that the
    position says nothing. No date is written: equal pairs give equal text.

    Args:
        pairs: The pairs.
        principles: Where the words of the principles they name are found.
        name: Name of the data set.

    Returns:
        The file as plain data, and what it does not hold, one sentence each.
    """
    ids, annotators = _annotators(pairs, principles)
    metadata = {
        "version": VERSION,
        "description": "Preference pairs",
        "dataset_name": name,
        "default_annotator": DEFAULT_ANNOTATOR,
        "available_metadata_keys_per_comparison": list(FIELDS),
        "generator": GENERATOR,
    }
    comparisons = [_comparison(pair, ids) for pair in pairs]
    unknown = {p for pair in pairs for p in pair.principles} - ids.keys()
    lost = list(LOST)
    if unknown:
        lost.append(f"votes of principles the constitution lacks: {', '.join(sorted(unknown))}")
    if any(len(pair.prompt) > 1 for pair in pairs):
        lost.append("turns: other programs see a conversation as one text")
    return {"metadata": metadata, "annotators": annotators, "comparisons": comparisons}, lost


def _annotators(
    pairs: Sequence[Pair], principles: Sequence[Principle]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Principle id -> annotator id of those the pairs name, and all annotators."""
    used = {p for pair in pairs for p in pair.principles}
    label = "Which answer the label of the pair puts first"
    annotators: dict[str, Any] = {
        DEFAULT_ANNOTATOR: {"name": "preferred_text", "description": label, "type": "unknown"}
    }
    ids: dict[str, str] = {}
    for principle in principles:
        if principle.id in used:
            text = rule_of(principle).text
            ids[principle.id] = _short(text)
            annotators[_short(text)] = {
                "name": principle.id,
                "description": text,
                "type": "principle",
            }
    return ids, annotators


def _comparison(pair: Pair, ids: dict[str, str]) -> dict[str, Any]:
    side = "a" if int(pair.id, 16) % 2 == 0 else "b"
    first, second = (pair.chosen, pair.rejected) if side == "a" else (pair.rejected, pair.chosen)
    notes = {DEFAULT_ANNOTATOR: {"pref": side}}
    notes |= {ids[p]: {"pref": side} for p in pair.principles if p in ids}
    metadata = {name: str(getattr(pair, name)) for name in FIELDS}
    plain = pair.prompt == (Message("user", pair.prompt[-1].content),)
    if not plain:
        turns = [{"role": m.role, "content": m.content} for m in pair.prompt]
        metadata["messages"] = json.dumps(turns, ensure_ascii=False)
    return {
        "id": pair.id,
        "prompt": pair.prompt[0].content if plain else _conversation(pair.prompt),
        "response_a": {"text": first},
        "response_b": {"text": second},
        "annotations": notes,
        "metadata": metadata,
    }


def _conversation(messages: Sequence[Message]) -> str:
    return "\n\n".join(f"{message.role.title()}: {message.content}" for message in messages)


def _short(text: str) -> str:
    """Eight hex digits of a text, as the format's own files name their annotators."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]


_SIDES = {"a": "a", "b": "b", "text_a": "a", "text_b": "b"}
_NUMBERS = {"p_chosen": float, "weight": float, "round": int}


def from_annotated_pairs(data: object, file: str) -> tuple[list[Pair], list[str]]:
    """Comparisons as pairs, by the default annotator's preference.

    A file of ours gives back every field but the keys of calls. Others say neither
    failure mode nor role; theirs become "" and `at_risk`, and p_chosen is 1.

    Returns:
        The pairs, and what was not kept.

    Raises:
        ConfigurationError: The file has another form or version, or no preference.
    """
    found = _checked(data, file)
    annotators, default = found["annotators"], found["metadata"].get("default_annotator")
    if not isinstance(default, str) or default not in annotators:
        message = f"the default annotator {default!r:.60} is not among the annotators"
        raise fault(file, message, "name one under metadata.default_annotator")
    ours = found["metadata"].get("generator") == GENERATOR
    names = {key: str(entry.get("name", "")) for key, entry in _principles(annotators).items()}
    skipped: Counter[str] = Counter()
    votes: Counter[str] = Counter()
    pairs: dict[str, Pair] = {}
    for number, item in enumerate(found["comparisons"], start=1):
        record, reason = _record(item, default, names, votes)
        record = {"prompt_id": f"row-{number}", "label": "comparison"} | record
        if ours and not reason:
            reason = _own_fields(item, record)
        if reason:
            skipped[reason] += 1
            continue
        pair, problems = from_record(record, file=file, line=number, strict=False)
        if pair is None:
            skipped["; ".join(problem.message for problem in problems)] += 1
        elif pair.id in pairs:
            skipped["the same comparison again"] += 1
        else:
            pairs[pair.id] = pair
    if not pairs:
        reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
        raise fault(file, "no comparison has a preference and two texts", reasons or "add some")
    others = len(annotators) - len(names) - 1
    return list(pairs.values()), _lost(skipped, votes, others, ours=ours)


def principles_of(data: object, file: str) -> Imported:
    """The principles among the annotators, as rules.

    Raises:
        ConfigurationError: The file has another form or version, or no principles.
    """
    found = _checked(data, file)
    rules = tuple(
        Rule(str(entry.get("name", "")), entry["description"])
        for entry in _principles(found["annotators"]).values()
        if isinstance(entry.get("description"), str) and entry["description"].strip()
    )
    if not rules:
        raise fault(file, "no annotator is a principle", "import it to .jsonl for its pairs")
    count = len(found["comparisons"])
    return Imported(rules, (f"{count} comparisons; import to .jsonl keeps them",))


def _lost(skipped: Counter[str], votes: Counter[str], others: int, *, ours: bool) -> list[str]:
    lost = [f"{count} comparisons: {reason}" for reason, count in sorted(skipped.items())]
    lost += [f"{others} other annotators"] if others > 0 else []
    lost += [f"{count} {what}" for what, count in sorted(votes.items()) if count]
    if not ours:
        lost.append("failure modes and roles: the file says none, so none can be reported on")
    return lost


def _checked(data: object, file: str) -> dict[str, Any]:
    kinds = {"metadata": dict, "annotators": dict, "comparisons": list}
    if not isinstance(data, dict):
        raise fault(file, "not an object", f"it must hold {', '.join(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(data.get(key), kind):
            message = f"`{key}` is missing or no {'list' if kind is list else 'object'}"
            raise fault(file, message, "see the annotated pairs format, version 2.0")
    version = str(data["metadata"].get("version", ""))
    if version.split(".")[0] != "2":
        message = f"version {version[:20] or 'unknown'} of annotated pairs"
        raise fault(file, message, "convert it to version 2.0 with a current icai")
    return data


def _principles(annotators: Mapping[str, object]) -> dict[str, Mapping[str, Any]]:
    return {
        key: entry
        for key, entry in annotators.items()
        if isinstance(entry, Mapping) and entry.get("type") == "principle"
    }


def _record(
    item: object, default: str, names: Mapping[str, str], votes: Counter[str]
) -> tuple[dict[str, Any], str]:
    """The fields of a pair, and why there is none ("" if there is one)."""
    if not isinstance(item, Mapping) or not isinstance(item.get("annotations"), Mapping):
        return {}, "not in the form of a comparison"
    notes = item["annotations"]
    side = _side(notes.get(default))
    if side is None:
        return {}, "without a preference"
    texts = {key: _text(item.get(f"response_{key}")) for key in ("a", "b")}
    if not all(texts.values()):
        return {}, "an answer has no text (its data set may be separate)"
    if texts["a"] == texts["b"]:
        return {}, "both answers are the same"
    prompt = item.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return {}, "no prompt"
    agreeing = []
    for key, name in names.items():
        vote = _side(notes.get(key))
        if vote == side and name:
            agreeing.append(name)
        elif vote is not None:
            votes[
                "votes of principles without a name" if not name else "votes against the label"
            ] += 1
    votes["names of models that answered"] += sum(
        bool(item[f"response_{key}"].get("model")) for key in ("a", "b")
    )
    record: dict[str, Any] = {"prompt": prompt, "principles": agreeing}
    record |= {"chosen": texts[side], "rejected": texts["b" if side == "a" else "a"]}
    if str(item.get("id") or "").strip():
        record["prompt_id"] = str(item["id"])
    return record, ""


def _own_fields(item: Mapping[str, Any], record: dict[str, Any]) -> str:
    """Adds what our export wrote under metadata; why that cannot be read, or ""."""
    facts = item.get("metadata")
    if not isinstance(facts, Mapping):
        return "without the metadata of our export"
    for name in (*FIELDS, "messages"):
        value = facts.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            return f"metadata `{name}` is no text"
        try:
            if name == "messages":
                record["prompt"] = json.loads(value)
            else:
                record[name] = _NUMBERS.get(name, str)(value)
        except (ValueError, RecursionError):
            return f"metadata `{name}` is {value!r:.40}"
    return ""


def _text(response: object) -> str:
    text = response.get("text") if isinstance(response, Mapping) else None
    return text if isinstance(text, str) and text.strip() else ""


def _side(note: object) -> str | None:
    pref = note.get("pref") if isinstance(note, Mapping) else None
    return _SIDES.get(pref) if isinstance(pref, str) else None

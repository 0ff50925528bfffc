"""Rules that make arms: leave one out, keep only one, one arm per value, and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...files.validation import suggestion
from ..spec import Generator
from .arm import Arm, archetype_ids, arm_name, principle_ids
from .layer_generators import LAYER_RULES


class GeneratorError(ValueError):
    """A rule cannot be applied; the text says why and what to do."""


Rule = Callable[[Generator, Mapping[str, Any]], list[Arm]]

FIELDS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "builder": ("pairs.builder", ("critique_revise", "contrast")),
    "critique_removed": ("pairs.revision_context", ("rule",)),
    "principles_shuffled": ("archetypes.shuffle_seed", (0,)),
    "labels": ("selection.labels", ("soft", "hard")),
    "critic_model": ("critic", ()),
    "rounds": ("rounds", ()),
    "method": ("training.method", ("lora", "full")),
    "beta": ("training.beta", (0.01, 0.05, 0.1, 0.3)),
    "data_size": ("selection.share", (0.125, 0.25, 0.5)),
}
"""Kinds that are a field and its usual values: one arm per value."""


def _values(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    field, usual = FIELDS.get(generator.kind, (generator.field or "", ()))
    values = generator.values or usual
    if not field or not values:
        raise GeneratorError(f"`{generator.kind}` needs `field` and `values`")
    short = generator.kind if generator.kind in FIELDS else field.split(".")[-1]
    if generator.kind in ("critique_removed", "principles_shuffled") and len(values) == 1:
        return [Arm(arm_name(short), {field: values[0]}, generator.kind)]
    return [
        Arm(arm_name(short, value), {field: value}, generator.kind, f"{field} = {value}")
        for value in values
        if _value_at(base, field) != value
    ]


def _leave_out(kind: str, ids: Sequence[str]) -> list[Arm]:
    return [
        Arm(arm_name("no", name), {"selection.without": [name]}, kind, f"without {name}")
        for name in ids
    ]


def _leave_one_archetype_out(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    return _leave_out(generator.kind, _named(generator, archetype_ids(base)))


def _leave_one_principle_out(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    return _leave_out(generator.kind, _named(generator, principle_ids(base)))


def _only_one(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    known = archetype_ids(base)
    names = _named(generator, [*known, *principle_ids(base)] if generator.names else known)
    return [
        Arm(arm_name("only", name), {"selection.only": [name]}, generator.kind, f"only {name}")
        for name in names
    ]


def _conditions(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """Each block of conditions deprived by itself, then all together."""
    blocks = {"moisture": "data", "cover": "protection", "room": "room"}
    one_by_one = [
        Arm(
            arm_name("no", word),
            {f"conditions.{block}": "deprived"},
            generator.kind,
            f"{block}: deprived, the rest healthy",
        )
        for word, block in blocks.items()
    ]
    together = {f"conditions.{block}": "deprived" for block in blocks.values()}
    return [*one_by_one, Arm("all-deprived", together, generator.kind, "all three deprived")]


RULES: dict[str, Rule] = {
    **dict.fromkeys(("values", *FIELDS), _values),
    "leave_one_archetype_out": _leave_one_archetype_out,
    "leave_one_principle_out": _leave_one_principle_out,
    "only_one": _only_one,
    "conditions": _conditions,
    **LAYER_RULES,
}
"""Every kind of generator."""


def generate(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """The arms of one rule.

    Raises:
        GeneratorError: No such rule, or it does not fit the base config.
    """
    rule = RULES.get(generator.kind)
    if rule is None:
        fix = suggestion(generator.kind, RULES)
        raise GeneratorError(f"no generator `{generator.kind}`: {fix}")
    try:
        arms = rule(generator, base)
    except (KeyError, TypeError) as error:
        raise GeneratorError(f"`{generator.kind}` does not fit the base config: {error}") from error
    if not arms:
        raise GeneratorError(f"`{generator.kind}` makes no arm that differs from the base config")
    return arms


def _named(generator: Generator, known: Sequence[str]) -> list[str]:
    if generator.names is None:
        return list(known)
    for name in generator.names:
        if name not in known:
            raise GeneratorError(f"`{generator.kind}` names `{name}`: {suggestion(name, known)}")
    return list(generator.names)


def _value_at(data: Mapping[str, Any], path: str) -> Any:
    value: Any = data
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value

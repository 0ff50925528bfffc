"""Rules over ordered layers: the same layers in another order, or fewer of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..spec import Generator
from .arm import Arm, arm_name

Layer = Mapping[str, Any]
LayerRule = Callable[[Generator, Mapping[str, Any]], list[Arm]]


class LayerError(KeyError):
    """The base config has no layers to work on."""

    def __str__(self) -> str:
        return str(self.args[0])


def layers_of(base: Mapping[str, Any]) -> list[Layer]:
    """The base config's layers.

    Raises:
        LayerError: Fewer than two.
    """
    layers = base.get("layers") or []
    if len(layers) < 2:
        raise LayerError(f"it has {len(layers)} layers, and the rule needs two or more")
    return list(layers)


def label(layer: Layer, place: int) -> str:
    """A layer's name: as written, else its archetypes, else its place."""
    if layer.get("name"):
        return str(layer["name"])
    ids = layer.get("archetypes")
    return "-".join(map(str, ids)) if isinstance(ids, Sequence) and ids else f"layer-{place + 1}"


def _arm(generator: Generator, layers: Sequence[Layer], note: str, *parts: object) -> Arm:
    return Arm(arm_name(*parts), {"layers": list(layers)}, generator.kind, note)


def _split(generator: Generator, layers: list[Layer]) -> tuple[list[Layer], list[Layer]]:
    """Layers that stay, and those the rule may move: all after the held ones."""
    if generator.hold is None:
        return [], layers
    held = [i for i, layer in enumerate(layers) if generator.hold in label(layer, i)]
    if not held:
        raise LayerError(f"no layer is named like `hold: {generator.hold}`")
    return layers[: held[-1] + 1], layers[held[-1] + 1 :]


def _after(generator: Generator, base: Mapping[str, Any]) -> tuple[list[Layer], list[Layer]]:
    return _split(generator, layers_of(base))


def _identity(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    return [_arm(generator, layers_of(base), "the layers as they are", "identity")]


def _reverse(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    fixed, free = _after(generator, base)
    return [_arm(generator, [*fixed, *reversed(free)], "in reverse order", "reverse")]


def _move(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """Each free layer to the first and to the last free place."""
    fixed, free = _after(generator, base)
    arms = []
    for index, layer in enumerate(free):
        name, rest = label(layer, index), [*free[:index], *free[index + 1 :]]
        if generator.names is not None and name not in generator.names:
            continue
        if index > 0:
            order = [*fixed, layer, *rest]
            arms.append(_arm(generator, order, f"{name} first", "first", name))
        if index < len(free) - 1:
            order = [*fixed, *rest, layer]
            arms.append(_arm(generator, order, f"{name} last", "last", name))
    return arms


def _swap(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """Every two neighbours exchanged."""
    fixed, free = _after(generator, base)
    arms = []
    for index in range(len(free) - 1):
        order = [*free]
        order[index], order[index + 1] = order[index + 1], order[index]
        one, two = label(free[index], index), label(free[index + 1], index + 1)
        note = f"{two} before {one}"
        arms.append(_arm(generator, [*fixed, *order], note, "swap", one, two))
    return arms


def _drop_one(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    fixed, free = _after(generator, base)
    return [
        _arm(
            generator,
            [*fixed, *free[:index], *free[index + 1 :]],
            f"without layer {label(layer, index)}",
            "drop",
            label(layer, index),
        )
        for index, layer in enumerate(free)
        if len(fixed) + len(free) > 1
    ]


def _keep_only(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    fixed, free = _after(generator, base)
    return [
        _arm(generator, [*fixed, layer], f"only layer {name}", "keep", name)
        for index, layer in enumerate(free)
        for name in [label(layer, index)]
    ]


def _permutations(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """So many different random orders, none of them the base config's."""
    fixed, free = _after(generator, base)
    source = random.Random(generator.seed)  # noqa: S311
    seen = {tuple(range(len(free)))}
    arms: list[Arm] = []
    possible = 1
    for factor in range(2, len(free) + 1):
        possible *= factor
    while len(arms) < min(generator.count, possible - 1):
        order = tuple(source.sample(range(len(free)), len(free)))
        if order in seen:
            continue
        seen.add(order)
        note = "order " + " ".join(str(i + 1 + len(fixed)) for i in order)
        layers = [*fixed, *(free[i] for i in order)]
        arms.append(_arm(generator, layers, note, "order", len(arms) + 1))
    return arms


def _shuffle_all(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """All free layers of one kind and data set as one layer: the same rows, no order.

    Their own rates and epochs must agree, or it would not be the same training.
    """
    fixed, free = _after(generator, base)
    groups: dict[tuple[object, ...], list[Layer]] = {}
    for layer in free:
        kept = ("kind", "data", "learning_rate", "epochs", "archetypes", "failure_modes", "flipped")
        groups.setdefault(tuple(str(layer.get(name)) for name in kept), []).append(layer)
    merged = [_merged(layers) for layers in groups.values()]
    if len(merged) == len(free):
        raise LayerError("no two of its layers have the same kind, data, rate and epochs")
    note = f"{len(free)} layers as {len(merged)}, rows mixed"
    return [_arm(generator, [*fixed, *merged], note, "shuffle-all")]


def _merged(layers: Sequence[Layer]) -> Layer:
    if len(layers) == 1:
        return layers[0]
    themes = [theme for layer in layers for theme in layer.get("themes") or ()]
    limits = [layer.get("limit") for layer in layers]
    if any(limits) or (len(themes) == 0 and len(layers) > 1):
        raise LayerError("layers with a `limit` or without `themes` cannot be told apart merged")
    name = "-".join(label(layer, place) for place, layer in enumerate(layers))[:40].strip("-")
    return {**layers[0], "name": name, "themes": list(dict.fromkeys(themes)), "replay": 0.0}


def _shadow_ratio(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """Rows of the shadow layers for each row of the integration layers, their sum fixed.

    `values` are ratios; `count` is the sum of rows, no more than either set holds.
    """
    layers = layers_of(base)
    names = [label(layer, place) for place, layer in enumerate(layers)]
    if not any("shadow" in n for n in names) or not any("integration" in n for n in names):
        raise LayerError("the rule needs a layer named `shadow` and one named `integration`")
    arms = []
    for ratio in generator.values or (0.25, 1.0, 4.0):
        shadow = max(1, round(generator.count * ratio / (1 + ratio)))
        limits = {"shadow": shadow, "integration": max(1, generator.count - shadow)}
        changed = [
            {
                **layer,
                "limit": next((n for word, n in limits.items() if word in name), layer["limit"]),
            }
            for name, layer in zip(names, layers, strict=True)
        ]
        note = f"{limits['shadow']} shadow rows to {limits['integration']} of integration"
        arms.append(_arm(generator, changed, note, "ratio", ratio))
    return arms


def _text_format(generator: Generator, base: Mapping[str, Any]) -> list[Arm]:
    """One sft layer per file: the same content told in another form.

    `values` are paths; the arm is named after the file.
    """
    first = next((dict(layer) for layer in base.get("layers") or []), None)
    if first is None or not generator.values:
        raise LayerError("the rule needs a layer to take the place of, and files in `values`")
    arms = []
    for path in generator.values:
        stem = str(path).rsplit("/", 1)[-1].rsplit(".", 1)[0]
        layer = {**first, "name": stem, "kind": "sft", "data": str(path), "themes": None}
        note = f"texts in the form `{stem}`"
        arms.append(_arm(generator, [layer, *(base["layers"] or [])[1:]], note, stem))
    return arms


LAYER_RULES: dict[str, LayerRule] = {
    "layer_identity": _identity,
    "layer_reverse": _reverse,
    "layer_move": _move,
    "layer_swap": _swap,
    "layer_drop_one": _drop_one,
    "layer_keep_only": _keep_only,
    "layer_permutations": _permutations,
    "layer_shuffle_all": _shuffle_all,
    "shadow_ratio": _shadow_ratio,
    "text_format": _text_format,
}
"""Rules over `layers`. All of them obey `hold`."""

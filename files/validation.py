"""Turns what pydantic says about a document into problems a person can act on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigurationError, Problem
from .sentences import Fault, nearest, sentence, suggestion
from .yaml_document import Location, YamlDocument

__all__ = ["Strict", "read_model", "suggestion", "validation_problems"]

M = TypeVar("M", bound=BaseModel)

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument")


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """One error of the validator, at its place in the file."""

    kind: str
    location: Location
    detail: dict[str, Any]

    @property
    def last(self) -> str:
        return str(self.location[-1]) if self.location else "file"


class Strict(BaseModel):
    """What a person writes in a file: unchangeable once read, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_model(model: type[M], document: YamlDocument) -> M:
    """A document as a model.

    Raises:
        ConfigurationError: Every problem of the document, with its line.
    """
    try:
        return model.model_validate(document.data if document.data is not None else {})
    except ValidationError as error:
        raise ConfigurationError(validation_problems(error, document, model)) from None


def validation_problems(
    error: ValidationError, document: YamlDocument, model: type[BaseModel]
) -> list[Problem]:
    """The problems of one validation, each at its line; what only follows from another is left out.

    Args:
        error: What `model.model_validate(document.data)` raised.
        document: The file.
        model: The model, for suggestions on unknown keys.
    """
    found = [
        _Found(str(detail["type"]), tuple(detail["loc"]), dict(detail))
        for detail in error.errors(include_url=False)
    ]
    found = _without_echoes(_one_branch(found))
    renamed = _renamed(found, model)
    meant = {(one.location[:-1], name) for one, name in renamed.items()}
    homes = [_home(one, found) for one in found if one.kind in _UNKNOWN]
    problems = []
    for one in found:
        if one.kind in _MISSING and (one.location[:-1], one.last) in meant:
            continue  # the key is there, misspelt: that line is named
        if one.location in homes:
            continue
        code, message, fix = _explain(one, document, model, renamed.get(one), found)
        line = document.line(_named(one, document))
        problems.append(Problem(code, "error", str(document.path), line, message, fix))
    return problems


def _is_branch(part: str | int) -> bool:
    """A name that pydantic gives to a branch of a union, which is no place in the file."""
    text = str(part)
    return text.startswith(("function-", "tuple[", "literal[", "dict[", "list[", "constrained-"))


def _one_branch(found: Sequence[_Found]) -> list[_Found]:
    """Of a value that may have several forms, only what is said of the form that was meant."""
    kept: list[_Found] = []
    groups: dict[Location, list[_Found]] = {}
    for one in found:
        at = next((i for i, part in enumerate(one.location) if _is_branch(part)), None)
        if at is None:
            kept.append(one)
            continue
        # The branch's own name goes; what was found deeper inside a branch says more.
        plain = tuple(part for part in one.location if not _is_branch(part))
        groups.setdefault(one.location[:at], []).append(_Found(one.kind, plain, one.detail))
    for group in groups.values():
        deepest = max(len(one.location) for one in group)
        same = [one for one in group if len(one.location) == deepest]
        kept += same if deepest > min(len(one.location) for one in group) else same[:1]
    return kept


def _without_echoes(found: Sequence[_Found]) -> list[_Found]:
    """A list counts as short while its entries are wrong, which is said of them already."""
    return [
        one
        for one in found
        if one.kind != "too_short"
        or not any(
            other is not one and other.location[: len(one.location)] == one.location
            for other in found
        )
    ]


def _renamed(found: Sequence[_Found], model: type[BaseModel]) -> dict[_Found, str]:
    """Unknown key -> the known key that was meant, also where only one of each is left."""
    renamed: dict[_Found, str] = {}
    for one in found:
        if one.kind not in _UNKNOWN:
            continue
        parent = one.location[:-1]
        missing = {m.last for m in found if m.kind in _MISSING and m.location[:-1] == parent}
        unknown = [u for u in found if u.kind in _UNKNOWN and u.location[:-1] == parent]
        near = nearest(one.last, missing) or nearest(one.last, _fields(model, parent))
        if near is None and len(missing) == 1 and len(unknown) == 1 and parent:
            near = next(iter(missing))
        if near is not None:
            renamed[one] = near
    return renamed


def _home(one: _Found, found: Sequence[_Found]) -> Location | None:
    """Where an unknown key is missed: in a mapping beside it, so it only wants indenting."""
    for other in found:
        near = other.location[:-2] == one.location[:-1] and len(other.location) > 1
        if other.kind in _MISSING and near and other.last == one.last:
            return other.location
    return None


def _explain(
    one: _Found,
    document: YamlDocument,
    model: type[BaseModel],
    meant: str | None,
    found: Sequence[_Found],
) -> tuple[str, str, str]:
    """Code, message and fix for one error."""
    where = _place(one.location)
    if one.kind in _UNKNOWN:
        home = _home(one, found)
        if home is not None:
            message = f"`{_place(home)}` is missing; `{one.last}:` stands beside it, not in it"
            fix = f"it belongs to `{home[-2]}`: indent it by two spaces more"
            return "A002", message, fix
        return "A001", f"unknown key `{one.last}`", _unknown_fix(one, model, meant)
    if one.kind in _MISSING:
        return "A002", f"`{where}` is missing", _missing_fix(one.location)
    return sentence(
        one.kind,
        Fault(
            where=where,
            got=one.detail.get("input"),
            raw=document.raw.get(document.resolve(one.location)),
            ctx=one.detail.get("ctx", {}),
            text=str(one.detail["msg"]),
            keys=_keys_at(model, one.location),
            optional=_optional(model, one.location),
        ),
    )


def _unknown_fix(one: _Found, model: type[BaseModel], meant: str | None) -> str:
    known = _fields(model, one.location[:-1])
    homes = sorted(
        name
        for name, annotation in _typed(model).items()
        if (inner := _model_in(annotation)) and one.last in _fields(inner, ())
    )
    if homes:
        places = " or ".join(f"`{name}`" for name in homes)
        also = f"; or did you mean `{meant}`?" if meant else ""
        return f"remove it here: it belongs to {places}{also}"
    if meant:
        return f"did you mean `{meant}`?"
    fix = suggestion(one.last, known)
    return fix if fix == "remove it" else f"remove it, or {fix}"


def _place(location: Location) -> str:
    """A dotted path as an author counts: the first entry of a list is 1.

    pydantic's own names of the branches of a union are left out.
    """
    parts = [part for part in location if part != "any" and not _is_branch(part)]
    return ".".join(str(p + 1 if isinstance(p, int) else p) for p in parts) or "the file"


def _named(one: _Found, document: YamlDocument) -> Location:
    """Where it stands: a check of several keys names in backticks the one that is meant."""
    for word in re.findall(r"`(\w+)`", str(one.detail["msg"])):
        if (*one.location, word) in document.lines:
            return (*one.location, word)
    return one.location


def _missing_fix(location: Location) -> str:
    if location and location[0] == "shadow" and len(location) > 1:
        amount = "too much" if location[1] == "excess" else "too little"
        return (
            f"both poles of the shadow are required; add `{location[1]}:` with a list of what "
            f"{amount} of the motive looks like"
        )
    return f"add `{location[-1]}:`" if location else "add it"


def _keys_at(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """Keys of the mapping at a location: those it needs first, in the order of the model."""
    inner: type | None = model
    for part in location:
        if isinstance(part, int) or inner is None:
            continue
        inner = _model_in(_typed(inner).get(part))
    if inner is None:
        return ()
    if not issubclass(inner, BaseModel):
        return tuple(_typed(inner))
    fields = inner.model_fields.items()
    return tuple(name for need in (True, False) for name, f in fields if f.is_required() is need)


def _optional(model: type[BaseModel], location: Location) -> bool:
    """True where `null` may stand at a location."""
    known = _typed(model)
    for part in location[:-1]:
        inner = _model_in(known.get(str(part)))
        known = _typed(inner) if inner else known
    last = location[-1] if location else ""
    return type(None) in get_args(known.get(str(last)))


def _fields(model: type, location: Location) -> set[str]:
    """Names of the keys allowed at a location."""
    known = _typed(model)
    for part in location:
        if part not in known:
            continue  # a list index or a mapping key: the model is already entered
        inner = _model_in(known[str(part)])
        if inner is None:
            return set()
        model, known = inner, _typed(inner)
    if not issubclass(model, BaseModel):
        return set(known)
    return {field.alias or name for name, field in model.model_fields.items()}


def _typed(model: type) -> dict[str, object]:
    """The type of every field of a pydantic model or a dataclass."""
    if issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    return get_type_hints(model)


def _model_in(annotation: object) -> type | None:
    """The first model or dataclass inside a type such as `tuple[Exemplar, ...]`."""
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation)
    ):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None

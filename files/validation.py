"""Turns what pydantic says about a document into problems a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import get_args, get_type_hints

from pydantic import BaseModel, ValidationError

from ..errors import Problem
from .yaml_document import Location, YamlDocument


def suggestion(word: str, known: Iterable[str]) -> str:
    """A fix that names the nearest known word, or all of them where few."""
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    if not words:
        return "remove it"
    shown = ", ".join(words[:20]) + (", ..." if len(words) > 20 else "")
    return f"use one of: {shown}"


def validation_problems(
    error: ValidationError, document: YamlDocument, model: type[BaseModel]
) -> list[Problem]:
    """All problems of one validation, each at its line.

    Args:
        error: What `model.model_validate(document.data)` raised.
        document: The file.
        model: The model, for suggestions on unknown keys.
    """
    problems = []
    for detail in error.errors(include_url=False):
        location: Location = tuple(detail["loc"])
        code, message, fix = _explain(dict(detail), location, document, model)
        line = document.line(location)
        problems.append(Problem(code, "error", str(document.path), line, message, fix))
    return problems


def _explain(
    detail: dict[str, object], location: Location, document: YamlDocument, model: type[BaseModel]
) -> tuple[str, str, str]:
    """Code, message and fix for one pydantic error."""
    kind = str(detail["type"])
    last = str(location[-1]) if location else "file"
    where = _place(location)
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = _fields(model, location[:-1])
        fix = suggestion(last, known)
        return "A001", f"unknown key `{last}`", fix
    if kind == "missing":
        return "A002", f"`{where}` is missing", _missing_fix(location)
    raw = document.raw.get(document.resolve(location))
    if kind == "string_type" and raw is not None:
        message = f"`{where}` must be text, but unquoted {raw} is read as {detail['input']!r}"
        return "A003", message, f'put it in quotes: "{raw}"'
    if kind == "string_type" and detail["input"] is None:
        return "A003", f"`{where}` is empty", "write its text"
    if kind == "string_type" and isinstance(detail["input"], dict):
        message = f"`{where}` must be text, but its `: ` makes YAML read a key and a value"
        return "A003", message, "put the text in quotes"
    if kind == "too_short":
        context = detail.get("ctx", {})
        got, least = context["actual_length"], context["min_length"]  # type: ignore[index]
        fix = f"add {least - got}, each in other words" if got else f"write at least {least}"
        return "A006", f"`{where}` has {got} of the {least} entries it needs", fix
    if kind in {"model_type", "model_attributes_type", "dict_type", "dataclass_type"}:
        return "A004", f"{where} must be a mapping (`key: value` lines)", "see the library's files"
    if kind == "literal_error":
        got = detail["input"]
        expected = str(detail.get("ctx", {}).get("expected", ""))  # type: ignore[attr-defined]
        words = expected.replace(" or ", ", ").replace("'", "").split(", ")
        return "A005", f"`{where}` is {got!r}", suggestion(str(got), words)
    message = str(detail["msg"]).removeprefix("Value error, ")
    return "A006", f"`{where}`: {message}", _shown(detail.get("input"))


def _place(location: Location) -> str:
    """A dotted path as an author counts: the first entry of a list is 1.

    pydantic's own names of the branches of a union are left out.
    """
    parts = [part for part in location if part != "any" and not str(part).startswith("function-")]
    return ".".join(str(p + 1 if isinstance(p, int) else p) for p in parts) or "the file"


def _missing_fix(location: Location) -> str:
    if location and location[0] == "shadow" and len(location) > 1:
        amount = "too much" if location[1] == "excess" else "too little"
        return (
            f"both poles of the shadow are required; add `{location[1]}:` with a list of what "
            f"{amount} of the motive looks like"
        )
    return f"add `{location[-1]}:`" if location else "add it"


def _shown(value: object) -> str:
    text = repr(value)
    return f"got {text[:77]}..." if len(text) > 80 else f"got {text}"


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

"""What evaluations of every kind share: their form as a file, and how a model is looked up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ..errors import ConfigurationError


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name."""


_N = TypeVar("_N", bound=Named)
_T = TypeVar("_T")


def model_named(models: Sequence[_N], name: str) -> _N:
    """The model of that name.

    Raises:
        KeyError: No model has this name; the message lists those there are.
    """
    for model in models:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in models)
    raise KeyError(f"no model {name!r} in this evaluation; known: {known}")


def form_text(form: object, data: Mapping[str, Any]) -> str:
    """The data under the name of its format as JSON: the same data give the same bytes."""
    whole = {"format": form, **data}
    return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_form(
    text: str,
    form: object,
    build: Callable[[dict[str, Any]], _T],
    *,
    source: str,
    wrong: str,
    fix: str,
) -> _T:
    """What `form_text` wrote, built again.

    Args:
        text: The JSON text.
        form: The only format that is read.
        build: Makes the object of the data; may raise as a wrong field makes it.
        source: Name used in the error, usually the file.
        wrong: What is said of any other file, such as "is not an evaluation".
        fix: What to do about a file that is something else.

    Raises:
        ConfigurationError: Not JSON, another format, or a field is missing.
    """
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != form:
            raise ValueError(f"expected format {form!r}")
        return build(data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{wrong}: {type(error).__name__}: {error}"
        raise ConfigurationError.one("E010", source, message, fix) from error

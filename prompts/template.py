"""Renders the prompt templates and makes judged text harmless inside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from ..errors import Problem, PromptError
from ..files.validation import suggestion

TEMPLATES: Final = Path(__file__).parent / "templates"
"""The templates that come with the package: `TEMPLATES/<name>.md`."""

_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")


def _fail(path: Path, problems: list[tuple[int, str, str]]) -> PromptError:
    where = str(path.relative_to(TEMPLATES.parent)) if path.is_relative_to(TEMPLATES) else str(path)
    return PromptError(
        [Problem("P010", "error", where, line, message, fix) for line, message, fix in problems]
    )


def _read(name: str, folder: Path) -> tuple[Path, Template]:
    path = folder / f"{name}.md"
    known = sorted(found.stem for found in folder.glob("*.md")) if folder.is_dir() else []
    # The pattern keeps a name from leaving the folder.
    if not _NAME.fullmatch(name) or name not in known:
        fix = suggestion(name, known) if known else f"put {name}.md into {folder}."
        raise _fail(path, [(0, f"there is no template {name!r}.", fix)])
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the template cannot be read: {error}."
        raise _fail(path, [(0, message, "save it as UTF-8 and check its rights.")]) from error
    return path, Template(text.rstrip("\n"))


def render(name: str, values: Mapping[str, str], *, folder: Path | None = None) -> str:
    """Fills a template. Text that is filled in is never expanded itself.

    Args:
        name: File name without `.md`.
        values: Placeholder -> text. Exactly those the template has. Texts are
            filled in as they are: judged text goes through `neutralise` first.
        folder: Folder of the templates; the built-in ones if None.

    Returns:
        The text, without the file's trailing line breaks. `$$` becomes `$`.

    Raises:
        PromptError: No such template; a `$` that starts no placeholder (with its
            line); a placeholder without a value, or a value without a placeholder.

    Example:
        >>> render("compare", {"prompt": "Hi", "first": "Yo", "second": "Hm",
        ...                    "request": "Which is kinder?"}).splitlines()[-1]
        'Reply with A or B.'
    """
    path, template = _read(name, folder or TEMPLATES)
    problems: list[tuple[int, str, str]] = []
    for match in template.pattern.finditer(template.template):
        if match.group("invalid") is not None:
            line = template.template.count("\n", 0, match.start()) + 1
            problems.append((line, "a `$` starts no placeholder.", "write `$$` for a dollar sign."))
    wanted = template.get_identifiers()
    for key in wanted:
        if key not in values:
            message = f"no value for the placeholder ${key}."
            at = re.search(rf"\$\{{?{key}\b", template.template)
            line = template.template.count("\n", 0, at.start()) + 1 if at else 0
            problems.append((line, message, "give one."))
    for key in values:
        if key not in wanted:
            fix = suggestion(key, wanted)
            problems.append((0, f"the template has no placeholder ${key}.", fix))
    if problems:
        raise _fail(path, problems)
    return template.substitute(values)

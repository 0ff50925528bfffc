"""Recognises what people type where YAML wants something else, before and after it is parsed.

The parser names the place where it gave up, often the line below, in its own words. This reads
the lines as a person does: bullets, quotes, spaces that are none, a key without its colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from ..errors import Problem
from .yaml_lines import BLOCK, YamlLine, dashes, unclosed, yaml_lines

Finding = tuple[str, int, str, str]
"""Code, line (1-based), message, fix."""

ODD_SPACES: Final = {
    "\u00a0": "a non-breaking space", "\u202f": "a non-breaking space",
    "\u2007": "a non-breaking space", "\u3000": "a wide space", "\u200b": "an invisible sign",
    "\u200c": "an invisible sign", "\u200d": "an invisible sign", "\u2060": "an invisible sign",
    "\ufeff": "an invisible sign", "\u00ad": "an invisible sign",
}  # fmt: skip
"""Signs that look like a space, or like nothing, and are not."""
_WIDE: Final = {"：": ("colon", ": "), "，": ("comma", ", ")}
_OPEN: Final = "“”„‟«»‘‚‹›"
_BULLET: Final = re.compile(r"([•·‣◦▪●–—−*]|\d{1,2}[.)])[ \u00a0]+(?=\S)")


def before_parsing(path: Path, text: str) -> list[Problem]:
    """What YAML would read without a word, though it is hardly meant, and what it would misread.

    Returns:
        Problems by line; where there are any, parsing would only add to them.
    """
    lines = yaml_lines(text)
    found = [finding for line in lines if not line.inside for finding in _in_value(line)]
    found += _first_entries(lines)
    return [_problem(path, finding) for finding in sorted(found, key=lambda one: one[1])]


def after_parsing(path: Path, text: str, stopped: int, said: str) -> Problem:
    """The cause of a syntax error, where a person would look for it.

    Args:
        path: The file, for messages.
        text: Its text.
        stopped: Line (1-based) where the parser gave up.
        said: The parser's words.
    """
    lines = yaml_lines(text)
    for guess in (_quotes(text), _marks(lines, stopped), *_structure(lines, stopped, said)):
        if guess is not None:
            return _problem(path, guess)
    fix = "check the indentation and the quotes of this line and the one above"
    return _problem(path, ("Y005", stopped, "this line cannot be read here", fix))


def _problem(path: Path, finding: Finding) -> Problem:
    code, line, message, fix = finding
    return Problem(code, "error", str(path), line, message, fix)


def _in_value(line: YamlLine) -> Iterator[Finding]:
    """Signs inside a line that YAML takes for text, or for the end of it."""
    number, text = line.number, line.text
    value = line.value
    # Between the words of a text, or inside its quotes, such a sign is the author's own.
    prose = line.inside or value[:1] in ("'", '"') or " " in value.strip()
    looked_at = text[: len(text) - len(value)] if prose and value else text
    space = next((sign for sign in looked_at if sign in ODD_SPACES), "")
    if space:
        near = _near(text, space)
        fix = f"replace it by a plain space, or remove it: {near.replace(space, ' ').strip()}"
        if ODD_SPACES[space] == "an invisible sign":
            fix = f"remove it: {near.replace(space, '')}"
        yield "Y015", number, f"{ODD_SPACES[space]} stands in '{_shown(near)}'", fix
        return
    if value[:1] in _OPEN and value[:1]:
        plain = value.strip(_OPEN)
        fix = f'put straight quotes (") around the text, or write it without any: "{_cut(plain)}"'
        yield "Y014", number, f"typographic quotes around a text: {_cut(value)}", fix
        return
    if value.startswith('"') and value.count('"') == 1 and value[-1] in _OPEN:
        fix = f'end the text with a straight quote: {value[:-1][-20:]}"'
        message = (
            f"the text begins with a straight quote and ends with a typographic one ({value[-1]})"
        )
        yield "Y014", number, message, fix
        return
    bare = value[:1] not in "\"'[{|>#&*!%@`"
    if bare and re.search(r'[^\s"]"$', value) and value.count('"') == 1 and ": " in value:
        fix = 'put a quote (") before the text, too'
        yield "Y019", number, 'the text ends with `"`, but does not begin with it', fix
    cut = re.search(r"\s#(?=\w)", value) if bare else None
    if cut and value:
        left = value[cut.start() :].strip()
        message = f"the text is cut off at ` #`: '{_cut(left)}' is read as a comment"
        yield "Y018", number, message, "put the whole text in quotes"
    wide = next((sign for sign in _WIDE if sign in value), "")
    if wide and value[:1] in ("[", "{"):
        yield _wide(line, wide)
    glued = re.search(r"[{,]\s*([a-z_]+):(?=[A-Za-z])", value) if value[:1] == "{" else None
    if glued:
        message = f"there is no space after the colon in `{_near(value, glued[1] + ':')}`"
        yield "Y017", number, message, f"write `{glued[1]}: ` with a space after the colon"


def _wide(line: YamlLine, sign: str) -> Finding:
    name, plain = _WIDE[sign]
    fix = f"type a plain {name} and a space: `{plain}`"
    return "Y016", line.number, f"a wide {name} ({sign}) stands in '{_near(line.text, sign)}'", fix


def _first_entries(lines: Sequence[YamlLine]) -> Iterator[Finding]:
    """A list whose entries begin with another sign than a hyphen and a space."""
    for above, line in pairwise(lines):
        if not line.inside and above.opens and line.indent >= above.indent:
            yield from _bullet(line)


def _bullet(line: YamlLine) -> Iterator[Finding]:
    bullet = _BULLET.match(line.text)
    if bullet:
        message = f"this entry begins with `{bullet[1]}`"
        fix = "begin it with a hyphen and a space: `- `"
        yield "Y012", line.number, message, fix
        return
    glued = re.match(r"-(?=[^\s-])(\S+)", line.text)
    if glued and not re.match(r"-[\d.]", line.text):
        message = f"no space after the dash: `{_cut(glued[0])}`"
        yield "Y013", line.number, message, f"write `- {_cut(glued[1])}`, with a space"


def _marks(lines: Sequence[YamlLine], stopped: int) -> Finding | None:
    """The nearest line, up to where the parser stopped, that begins with a wrong sign."""
    for line in reversed([one for one in lines if one.number <= stopped]):
        if stopped - line.number > 3:
            return None
        for finding in _bullet(line):
            return finding
    return None


def _quotes(text: str) -> Finding | None:
    """The first quoted text that is not closed, or that goes on after its quote."""
    found = unclosed(text)
    if found is None:
        return None
    line, value, one_line = found
    return _open_quote(line, value, value[0], one_line)


def _open_quote(line: int, value: str, quote: str, one_line: bool) -> Finding:
    if one_line and quote == "'":
        message = "the text ends for YAML at its apostrophe ('), and goes on after it"
        fix = 'write it without the outer quotes, or with double quotes (") around it'
        return "Y019", line, message, fix
    if one_line:
        message = f"the text goes on after its closing quote ({quote})"
        return (
            "Y019",
            line,
            message,
            f"leave out the quotes ({quote}), or put \\ before the inner ones",
        )
    message = f"a quote ({quote}) is opened here and not closed: {_cut(value)}"
    return "Y019", line, message, f"put {quote} at the end of the text, or remove the one before it"


def _structure(lines: Sequence[YamlLine], stopped: int, said: str) -> Iterator[Finding | None]:
    """What the line where the parser stopped and those around it look like."""
    here = next((line for line in lines if line.number == stopped), None)
    above = [line for line in lines if line.number < stopped]
    last = above[-1] if above else None
    if "',' or" in said or "node content" in said:
        yield _bracket(above, here)
    if here is not None and ("any token" in said or "alphabetic" in said):
        sign = here.value[:1] or here.text[:1]
        message = f"the text begins with `{sign}`, which YAML keeps for itself"
        yield "Y005", stopped, message, f"put the text in quotes, or remove the `{sign}`"
    if "hexdecimal" in said or "escape" in said:
        message = "inside double quotes a backslash (\\) begins a special sign"
        yield "Y005", stopped, message, "write / for each \\, or use single quotes (')"
    if last is not None and "find expected ':'" in said:
        yield _lone(last)
    if here is not None:
        yield _unlisted(here, above)
        yield _shifted(here, above)
        yield _two_colons(here)
        yield _lone(here)
    if last is not None:
        yield _lone(last)
    if here is not None:
        message = f"`{here.key or _cut(here.text)}` cannot stand at this indentation"
        yield "Y005", stopped, message, "indent it by as many spaces as the lines it belongs to"


def _bracket(above: Sequence[YamlLine], here: YamlLine | None) -> Finding | None:
    for line in reversed([*above, *([here] if here else [])]):
        value = line.value
        for opened, closed in (("[", "]"), ("{", "}")):
            if value.startswith("{") and line.number <= 2 and value.count("{") > value.count("}"):
                message = "the file begins with `{`, as JSON does, and has no `}` at its end"
                return "Y005", line.number, message, "put `}` at its end, or write it as YAML"
            if value.startswith(opened) and value.count(opened) > value.count(closed):
                message = f"a bracket `{opened}` is opened here and not closed: {_cut(value)}"
                return "Y020", line.number, message, f"put `{closed}` at its end"
    if here is not None and here.value[:1] in "[{":
        found = re.search(r"(\w+) (\w+):", here.value)
        near = found[0] if found else _cut(here.value)
        fix = f"put a comma between them: `{found[1]}, {found[2]}:`" if found else "put a comma"
        return "Y005", here.number, f"a comma is missing in `{near}`", fix
    return None


def _lone(line: YamlLine) -> Finding | None:
    """A line that is neither a key with a value nor an entry."""
    if line.inside or line.item or line.key:
        return None
    arrow = re.match(r"([A-Za-z_][\w-]*)\s*(->|=>|=|→)\s*", line.text)
    if arrow:
        message = f"`{arrow[1]}` is followed by `{arrow[2]}`"
        return "Y017", line.number, message, f"write a colon and a space: `{arrow[1]}: `"
    for sign in _WIDE:
        if sign in line.text:
            return _wide(line, sign)
    glued = re.match(r"([A-Za-z_][\w-]*):(\S.*)", line.text)
    if glued:
        message = f"there is no space after the colon of `{glued[1]}:`"
        return "Y017", line.number, message, f"write `{glued[1]}: {_cut(glued[2])}`"
    word = re.match(r"([A-Za-z_][\w-]*)(\s|$)", line.text)
    if word:
        message = f"`{word[1]}` has no colon, so it is no key"
        fix = f"write `{word[1]}:`; if it goes on with the text above, indent it like that text"
        return "Y017", line.number, message, fix
    message = f"'{_cut(line.text)}' is neither a key with a value nor an entry of a list"
    fix = "indent it by as many spaces as the text it goes on with"
    return "Y005", line.number, message, fix


def _unlisted(here: YamlLine, above: Sequence[YamlLine]) -> Finding | None:
    """The first entry of a list has no dash, and a later one has."""
    if not here.item:
        return None
    for index in range(len(above) - 1, -1, -1):
        if above[index].opens and above[index].indent <= here.indent:
            rest = [line for line in above[index + 1 :] if not line.inside]
            if not rest or rest[0].item:
                return None
            first = rest[0]
            message = f"the first entry of `{above[index].key}` has no dash: {_cut(first.text)}"
            return "Y005", first.number, message, f"begin it with `- `: `- {_cut(first.text)}`"
    return None


def _shifted(here: YamlLine, above: Sequence[YamlLine]) -> Finding | None:
    """A key that stands deeper or less deep than the keys it belongs to."""
    if not here.key or not above:
        return None
    last = above[-1]
    block = next((line for line in reversed(above) if line.indent < here.indent), None)
    if block is not None and block is last and block.indent == 0 and BLOCK.search(block.text):
        message = f"`{block.key}:` stands outside the entry that it belongs to"
        fix = f"indent it by {here.indent} spaces, like `{here.key}:` below"
        return "Y005", block.number, message, fix
    inner = last.indent + (2 * dashes(last.text) if last.item else 0)
    if here.indent > inner and last.key and last.value:
        before = above[-2] if len(above) > 1 else None
        if (before is not None and before.opens and before.indent == last.indent) or (
            before is not None and before.indent == here.indent and last.indent < here.indent
        ):
            message = f"`{last.key}:` stands before the keys that it belongs to"
            fix = f"indent it by {here.indent} spaces, like `{here.key}:` below"
            return "Y005", last.number, message, fix
        if here.text.count(": ") < 2 or here.value[:1] in ("'", '"'):
            message = (
                f"`{here.key}:` is indented by {here.indent} spaces, the line above by {inner}"
            )
            return "Y005", here.number, message, f"indent it by {inner} spaces"
    if last.key and here.indent > inner:
        return None
    if here.indent < inner and not here.item:
        message = f"`{here.key}:` is indented by {here.indent} spaces, the line above by {inner}"
        return "Y005", here.number, message, f"indent it by {inner} spaces"
    return None


def _two_colons(here: YamlLine) -> Finding | None:
    several = re.match(r"[\w.-]+: [^,:]+, ([\w.-]+: .+)", here.text)
    if several and not here.item:
        message = f"two keys stand on one line: `{_cut(here.text)}`"
        return "Y005", here.number, message, f"put `{_cut(several[1])}` on a line of its own"
    value = here.value
    if ": " in value or value.endswith(":"):
        message = (
            f"the text holds a colon and a space (`: `), which make a key of it: {_cut(value)}"
        )
        return "Y005", here.number, message, "put the text in quotes"
    return None


def _near(text: str, sign: str) -> str:
    """The words around a sign."""
    at = text.index(sign)
    return text[max(0, at - 16) : at + len(sign) + 16].strip()


def _shown(text: str) -> str:
    return "".join(" " if sign in ODD_SPACES else sign for sign in text)


def _cut(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:47]}..."

"""Hostile and careless input of every kind: a clear error or a valid result, never a traceback.

`test_constitution_fuzz.py` damages archetype files byte by byte. Here values are replaced by
other types, files are built to expand or to escape, and prompt sets, labelled pairs,
vocabularies, compiled constitutions and run configs are damaged, too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
import yaml
from anlage.archetypes import reference, vocabulary
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.loader import LIBRARY, load_archetypes
from anlage.authoring.lint import lint_library
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.yaml_form import dump_constitution, load_constitution
from anlage.errors import AnlageError, ConfigurationError
from anlage.pipeline.config import RunConfig, load_config, resolved_text
from anlage.prompts.labelled import LABELLED, load_labelled, read_labelled
from anlage.prompts.labelled_linter import lint_labelled
from anlage.prompts.loader import SETS, load_prompts
from anlage.prompts.public_suite import read_suite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Path_ = list[str | int]

ARCHETYPES = [
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(LIBRARY.glob("*.yaml"))
    if path.stem in {"ally", "explorer", "guardian", "sage"}
]
PROMPTS = (SETS / "dev" / "sycophancy.jsonl").read_text(encoding="utf-8").splitlines()
ANSWERS = (LABELLED / "dependence.jsonl").read_text(encoding="utf-8").splitlines()
CONFIG = yaml.safe_load(resolved_text(RunConfig(name="fuzz")))
CONSTITUTION = dump_constitution(compile_constitution(only=["guardian"])).encode()
VOCABULARIES: list[tuple[bytes, Callable[[Path], object]]] = [
    (vocabulary.CUES.read_bytes(), vocabulary.load_cues),
    (vocabulary.FAILURE_MODES.read_bytes(), vocabulary.load_failure_modes),
    (reference.PATH.read_bytes(), reference.load_references),
]

# Values of every type, and texts that mean something to a file system, a shell, YAML or a template.
STRANGE: list[object] = [
    None, True, False, 0, -1, 10**30, 1e308, float("inf"), float("nan"), "", " ", "\n", "no", "~",
    "1", [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": []}}}, ["a", 1], "../../etc/passwd",
    "/etc/passwd", "..\\..\\x", "C:\\x", "con", "a/b", "a\x00b", ".", "..", "~root", "$HOME",
    "${statement}", "$$", "%s%n", "{0.__class__}", "__proto__", "'; drop table call; --",
    "\u202e\u200b\ufeff", "\U0001f600" * 50, "x" * 3000, "a " * 1500, "é" * 61, "<<", "=", "*a",
    "&a", "!!python/object:os.system", "guardian", "any", "at_risk", "...", "... ...",
]  # fmt: skip
HOSTILE = [
    "a: &a [x]\nb: [*a, *a]\n",
    "a: &a {b: *a}\n",
    "&a [*a]\n",
    "x: &x [" + "lol, " * 50 + "]\n" + "".join(f"y{n}: &y{n} [*x, *x]\n" for n in range(50)),
    "id: guardian\nid: sage\n",
    "name: no\n",
    "yes: 1\n",
    "? [a, b]\n: 1\n",
    "? {a: b}\n: 1\n",
    "id: !!python/object/apply:os.system ['true']\n",
    "!!python/name:os.system\n",
    "id: !!binary aGVsbG8=\n",
    "--- a\n--- b\n",
    "%YAML 9.9\n---\na: 1\n",
    "id: ../../../tmp/x\n",
    "id: 1979-05-27\nversion: 0o17\n",
    "[" * 5000,
    "{a: " * 5000,
    "- " * 5000,
    "a: '" + "x" * 100_000,
    "<<: {a: 1}\n",
    "\ufeffid: guardian\n",
    "id: \x07\n",
    "id: guardian\r\nname: Guardian\r",
    "\x00" * 100,
    "\t\n",
]


def places(data: object, at: Path_ | None = None) -> list[Path_]:
    """Where a value could be replaced: every key and item."""
    at = at or []
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data if isinstance(data, list) else ())
    )
    found: list[Path_] = []
    for key, value in inner:
        found += [[*at, key], *places(value, [*at, key])]
    return found


@st.composite
def mutated(draw: st.DrawFn, sources: list[object]) -> object:
    """One of our own files with up to four values replaced, removed, renamed or repeated."""
    data = copy.deepcopy(draw(st.sampled_from(sources)))
    for _ in range(draw(st.integers(1, 4))):
        known = places(data)
        if not known:
            break
        *way, last = draw(st.sampled_from(known))
        holder = data
        for step in way:
            holder = holder[step]  # type: ignore[index]
        change = draw(st.sampled_from(["replace", "replace", "remove", "rename", "repeat"]))
        if change == "replace" or (change == "rename" and isinstance(holder, list)):
            holder[last] = copy.deepcopy(draw(st.sampled_from(STRANGE)))  # type: ignore[index]
        elif change == "remove":
            del holder[last]  # type: ignore[attr-defined]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[int(last)]))
        elif isinstance(holder, dict):
            value = copy.deepcopy(holder[str(last)])
            holder[f"{last}_" if change == "repeat" else str(last)[:-1]] = value
    return data


def written(data: object) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode(
        "utf-8", "surrogatepass"
    )


def check_archetype(content: bytes) -> None:
    """Lint, compile and read again what was compiled; errors name the file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.yaml"
        path.write_bytes(content)
        errors = [problem for problem in lint_archetypes(path) if problem.severity == "error"]
        for problem in errors:
            assert problem.message
            assert problem.file == str(path)
            assert 0 <= problem.line <= content.count(b"\n") + content.count(b"\r") + 1
        if errors:
            with pytest.raises(ConfigurationError, match=r"some\.yaml"):
                compile_constitution(path)
            return
        form = Path(folder) / "10_constitution.yaml"
        form.write_bytes(dump_constitution(compile_constitution(path)).encode())
        assert load_constitution(form) == compile_constitution(path)


T = TypeVar("T")


def attempt(load: Callable[[], T], name: str) -> T | None:
    """What was read, or None after an error of ours that names the file."""
    try:
        return load()
    except ConfigurationError as error:
        text = str(error)
    assert name in text
    return None


def check_config(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(content)
        config = attempt(lambda: load_config(path), "config.yaml")
        if config is not None:
            assert "/" not in config.name
            assert not config.name.startswith(".")
            path.write_text(resolved_text(config), encoding="utf-8")
            assert load_config(path) == config


def check_rows(lines: bytes) -> None:
    """The same rows as a prompt set, as labelled pairs and as a public suite."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "sets" / "dev").mkdir(parents=True)
        (root / "labelled").mkdir()
        for path in (root / "sets/dev/sycophancy.jsonl", root / "labelled/dependence.jsonl"):
            path.write_bytes(lines)
        problems = lint_library(
            LIBRARY / "sage.yaml",
            prompts=root / "sets",
            labelled=root / "labelled",
            against=[root / "labelled"],
        )
        assert all(
            p.message and p.line <= lines.count(b"\n") + 1 for p in problems if root.name in p.file
        )
        attempt(lambda: load_prompts("dev", folder=root / "sets"), "dev")
        attempt(lambda: load_labelled(root / "labelled"), "dependence.jsonl")


def check_vocabulary(content: bytes, load: Callable[[Path], object]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.yaml"
        path.write_bytes(content)
        attempt(lambda: load(path), "vocabulary.yaml")


def check_constitution(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "10_constitution.yaml"
        path.write_bytes(content)
        found = attempt(lambda: load_constitution(path), "10_constitution.yaml")
        assert found is None or dump_constitution(found)


@st.composite
def cut_and_pasted(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes flipped, dropped, repeated and put in."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        width = draw(st.integers(1, 40))
        match draw(st.sampled_from(["flip", "drop", "repeat", "put", "line"])):
            case "flip" if at < len(content):
                changed = bytes([content[at] ^ draw(st.integers(1, 255))])
                content = content[:at] + changed + content[at + 1 :]
            case "drop":
                content = content[:at] + content[at + width :]
            case "repeat":
                content = content[: at + width] + content[at:]
            case "put":
                content = content[:at] + draw(st.binary(max_size=6)) + content[at:]
            case _:
                lines = content.split(b"\n")
                line = draw(st.integers(0, len(lines) - 1))
                lines[line : line + 1] = [] if width % 2 else [lines[line]] * 2
                content = b"\n".join(lines)
    return content


@st.composite
def damaged_rows(draw: st.DrawFn) -> bytes:
    """Ten prompts or labelled pairs, one or two of them damaged."""
    source = draw(st.sampled_from([PROMPTS, ANSWERS]))
    rows: list[object] = [json.loads(line) for line in source[:10]]
    index = draw(st.integers(0, 9))
    rows[index] = draw(mutated([rows[index]]))
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    return draw(st.one_of(st.just(lines), cut_and_pasted(lines)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Callable[[bytes], None], bytes]:
    """What to do and with which bytes, over every kind of file a person may give us."""
    kind = draw(st.sampled_from(["values", "values", "rows", "rows", "config", "words", "form"]))
    if kind == "values":
        return check_archetype, written(draw(mutated(ARCHETYPES)))
    if kind == "rows":
        return check_rows, draw(damaged_rows())
    if kind == "config":
        return check_config, written(draw(mutated([CONFIG])))
    if kind == "form":
        return check_constitution, draw(cut_and_pasted(CONSTITUTION))
    content, load = draw(st.sampled_from(VOCABULARIES))
    return (lambda bytes_: check_vocabulary(bytes_, load)), draw(cut_and_pasted(content))


CALM = [HealthCheck.data_too_large, HealthCheck.too_slow, HealthCheck.large_base_example]


@settings(max_examples=200, deadline=None, suppress_health_check=CALM)
@given(cases())
def test_careless_input(case: tuple[Callable[[bytes], None], bytes]) -> None:
    check, content = case
    check(content)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_careless_input_long(case: tuple[Callable[[bytes], None], bytes]) -> None:
    check, content = case
    check(content)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_yaml(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    check_archetype(content)
    check_config(content)
    check_constitution(content)
    for _, load in VOCABULARIES:
        check_vocabulary(content, load)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_rows(text: str) -> None:
    check_rows(text.encode("utf-8", "surrogatepass"))


def test_fifty_megabytes_and_binary_are_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as stream:
        stream.truncate(50_000_001)
    assert [problem.code for problem in lint_archetypes(path)] == ["Y002"]
    path.write_bytes(bytes(range(256)) * 10)
    assert [problem.code for problem in lint_archetypes(path)] == ["Y003"]
    rows = tmp_path / "dependence.jsonl"
    with rows.open("wb") as stream:
        stream.truncate(50_000_001)
    assert [problem.code for problem in read_labelled(tmp_path)[1]] == ["P001"]
    assert [problem.code for problem in read_suite(tmp_path)[1]] == ["P001"]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", "..", "con.", "a\x00b", "A", ""])
def test_a_path_as_an_id_is_refused_at_its_line(tmp_path: Path, name: str) -> None:
    data = {**ARCHETYPES[0], "id": name}
    (tmp_path / "some.yaml").write_bytes(written(data))
    with pytest.raises(AnlageError) as caught:
        load_archetypes(tmp_path)
    assert "some.yaml:" in str(caught.value)


def test_all_errors_of_a_folder_at_once(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        (tmp_path / f"f{number:02}.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = {Path(problem.file).stem for problem in lint_archetypes(tmp_path)}
    assert found == {f"f{number:02}" for number in range(len(HOSTILE))}


def test_labelled_rows_that_differ_by_nothing_are_all_reported(tmp_path: Path) -> None:
    (tmp_path / "dependence.jsonl").write_text("\n".join([ANSWERS[0]] * 40), encoding="utf-8")
    rows, problems = read_labelled(tmp_path)
    assert [problem.code for problem in problems] == ["P007"] * 39
    assert {problem.code for problem in lint_labelled(rows)} >= {"P033", "P034", "P035", "P036"}

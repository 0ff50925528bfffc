from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from anlage.errors import ConfigurationError, Problem
from anlage.files.yaml_file import load_yaml

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "some.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path: Path, **limits: int) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        load_yaml(path, **limits)
    assert all(problem.fix and problem.file == str(path) for problem in caught.value.problems)
    return list(caught.value.problems)


def test_keeps_the_line_of_every_key_and_item(write: Write) -> None:
    document = load_yaml(
        write("# head\na: 1\nb:\n  - x\n  - c: >-\n      two\n      lines\n    d: [1,\n 2]\n")
    )
    assert document.data == {"a": 1, "b": ["x", {"c": "two lines", "d": [1, 2]}]}
    assert document.line(("a",)) == 2
    assert document.line(("b",)) == 3
    assert document.line(("b", 1)) == 5
    assert document.line(("b", 1, "d")) == 8
    assert document.line(("b", 1, "d", 1)) == 9
    assert document.line(("b", 1, "missing")) == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4e-4", 4e-4),
        ("1.5", 1.5),
        ("-3", -3),
        ("010", "010"),
        ("2024-13-45", "2024-13-45"),
        ("1:30", "1:30"),
        ("off", False),
        ("~", None),
        ("'no'", "no"),
        ("=", "="),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_values(write: Write, text: str, value: object) -> None:
    assert load_yaml(write(f"a: {text}\n")).data == {"a": value}


@pytest.mark.parametrize(
    ("content", "code", "line", "says"),
    [
        ("a: 1\nb:\n\tc: 2\n", "Y004", 3, "tab"),
        (b"a: 1\nb: caf\xe9\n", "Y003", 2, "0xe9"),
        (b"a: 1\n\x00\x01\n", "Y003", 2, "binary"),
        ("a: &x 1\n", "Y006", 1, "&x"),
        ("a: 1\nb: *x\n", "Y006", 2, "*x"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "Y007", 2, "python"),
        ("a: 1\nb: 2\na: 3\n", "Y008", 3, "first in line 1"),
        ("a: 1\n---\nb: 2\n", "Y010", 2, "second document"),
        ("a: 1\non: 2\n", "Y011", 2, "`on`"),
        ("a: 1\n? [x, y]\n: 2\n", "Y011", 2, "key must be text"),
        ("a: 1\nb: [1, 2\nc: 3\n", "Y020", 2, "not closed"),
        ("a: 1\nb: it says: no\n", "Y005", 2, "`: `"),
        ("a: 1\nb: \x07\n", "Y005", 2, "does not allow"),
    ],
)
def test_refuses_with_line_and_fix(
    write: Write, content: str | bytes, code: str, line: int, says: str
) -> None:
    (problem,) = refused(write(content))
    assert (problem.code, problem.line) == (code, line)
    assert says in problem.message


def test_all_structural_problems_at_once(write: Write) -> None:
    problems = refused(write("a: &x 1\nb: !t 2\nb: 3\n"))
    assert [(p.code, p.line) for p in problems] == [("Y006", 1), ("Y007", 2), ("Y008", 3)]


def test_an_anchor_bomb_is_never_expanded(write: Write) -> None:
    lines = ['a0: &a0 ["lol"]']
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    problems = refused(write("\n".join(lines)))
    assert {p.code for p in problems} == {"Y006"}
    assert len(problems) == 30  # one per line, not one per alias


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    (problem,) = refused(path)
    assert problem.code == "Y002"
    assert "50,000,000" in problem.message


@pytest.mark.parametrize("depth", [21, 50_000])
@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_refuses_deep_nesting(write: Write, depth: int, opening: str) -> None:
    (problem,) = refused(write("a:\n  " + opening * depth))
    assert problem.code == "Y009"
    assert problem.line == 2


def test_depth_is_counted_not_guessed(write: Write) -> None:
    path = write("a: [[[1]]]\n")
    assert load_yaml(path, max_depth=4).data == {"a": [[[1]]]}
    assert refused(path, max_depth=3)[0].code == "Y009"


def test_missing_folder_and_odd_paths(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml")[0].code == "Y001"
    assert refused(tmp_path)[0].code == "Y001"
    assert refused(Path("bad\x00name"))[0].code == "Y001"


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert refused(tmp_path / "pipe.yaml")[0].code == "Y001"

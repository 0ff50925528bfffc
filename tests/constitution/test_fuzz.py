"""Damaged copies of our own files give a clear error or a valid result, never anything else."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.yaml_form import dump_constitution, load_constitution
from anlage.errors import ArchetypeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FILES = [path.read_bytes() for path in sorted(LIBRARY.glob("*.yaml"))]
SPLINTERS = [
    b"\t", b"\n", b": ", b"- ", b"&a ", b"*a", b"!!python/name:os.system ", b"{", b"}", b"[", b"]",
    b"#", b"'", b'"', b"|", b">", b"? ", b"---\n", b"...\n", b"%YAML 1.1\n", b"no", b"1e999", b"~",
    b"\xff", b"\x00", b"\xef\xbb\xbf", b"<<: ", b"  ", b"$", "\u2028".encode(), b"any",
    b"over_refusal",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = draw(st.sampled_from(FILES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["cut", "insert", "swap", "drop line", "repeat line", "bytes"])):
            case "cut":
                content = content[:at] + content[at + draw(st.integers(1, 300)) :]
            case "insert":
                content = content[:at] + draw(st.sampled_from(SPLINTERS)) + content[at:]
            case "bytes":
                content = content[:at] + draw(st.binary(max_size=8)) + content[at:]
            case "swap":
                lines = content.split(b"\n")
                one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                lines[one], lines[other] = lines[other], lines[one]
                content = b"\n".join(lines)
            case change:
                lines = content.split(b"\n")
                line = draw(st.integers(0, len(lines) - 1))
                lines[line : line + 1] = [] if change == "drop line" else [lines[line]] * 2
                content = b"\n".join(lines)
    return content


def check(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.yaml"
        path.write_bytes(content)
        problems = lint_archetypes(path)
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            with pytest.raises(ArchetypeError) as caught:
                compile_constitution(path)
            assert all(problem.message for problem in caught.value.problems)
            assert str(path) in str(caught.value)
            return
        constitution = compile_constitution(path)
        form = Path(folder) / "10_constitution.yaml"
        form.write_bytes(dump_constitution(constitution).encode())
        assert load_constitution(form) == constitution


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(damaged())
def test_damaged_files(content: bytes) -> None:
    check(content)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(damaged())
def test_damaged_files_long(content: bytes) -> None:
    check(content)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    check(content)

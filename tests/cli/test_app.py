"""The command line: what it prints, its exit codes, and never a traceback for a user's mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.cli import app as cli
from anlage.constitution.yaml_form import load_constitution
from anlage.pipeline.config import resolved_text
from anlage.pipeline.run import Run, run

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str, str]:
    """Exit code, output and errors of one command."""
    monkeypatch.setattr("sys.argv", ["anlage", *arguments])
    monkeypatch.setenv("COLUMNS", "120")  # undone; a width set on the console would stay
    with pytest.raises(SystemExit) as left:
        cli.main()
    output = capsys.readouterr()
    code = left.value.code
    return (code if isinstance(code, int) else 0), output.out, output.err


Call = tuple[pytest.CaptureFixture[str], pytest.MonkeyPatch]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return capsys, monkeypatch


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("cli")
    return run(tiny_run_config(folder, make_tiny_model(folder / "model")))


def test_the_shipped_library_lints_clean(shell: Call) -> None:
    code, out, _ = call(*shell, "lint")
    assert (code, "error" in out) == (0, False)


def test_lint_gives_file_line_and_suggestion_and_exits_2(shell: Call, tmp_path: Path) -> None:
    library = LIBRARY
    text = (library / "guardian.yaml").read_text().replace("motive_system:", "motive_sistem:")
    (tmp_path / "guardian.yaml").write_text(text)
    line = text.splitlines().index("motive_sistem: self_protection") + 1
    code, out, _ = call(*shell, "lint", str(tmp_path))
    assert code == 2
    assert f"guardian.yaml:{line}: error" in out
    assert "did you mean `motive_system`?" in out
    code, out, _ = call(*shell, "lint", str(tmp_path), "--format", "json")
    assert code == 2
    assert line in [row["line"] for row in json.loads(out)]


def test_compile_writes_the_default_constitution(shell: Call, tmp_path: Path) -> None:
    target = tmp_path / "constitution.yaml"
    assert call(*shell, "compile", "--out", str(target))[0] == 0
    assert load_constitution(target).hash == load_constitution().hash


def test_all_errors_of_a_config_at_once_and_nothing_written(shell: Call, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    runs = tmp_path / "runs"
    file.write_text(
        f"name: a/b\nruns: {runs}\ntraning: {{epochs: 1}}\npairs: {{builder: contrst}}\n"
        "evaluation:\n  max_tokens: many\n"
    )
    code, _, err = call(*shell, "run", str(file))
    assert code == 2
    assert f"{file}:3: error A001: unknown key `traning` Fix: did you mean `training`?" in err
    assert f"{file}:4: " in err
    assert "did you mean `contrast`?" in err
    assert f"{file}:6: " in err
    assert f"{file}:1: " in err
    assert "Traceback" not in err
    assert not runs.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "nowhere.yaml"), 2, "no such file"),
        (("compile", "--only", "guardien"), 2, "did you mean `guardian`?"),
        (("critique", "guardian", "Why?", "--principle", "nope"), 2, "proportionate-refusal"),
        (("critique", "guardian", "Why?", "--model", "no/such-model"), 3, "no/such-model"),
        (("trace", "nowhere", "abc"), 2, "not a run directory"),
        (("chat", "nowhere"), 2, "not a run directory"),
    ],
)
def test_a_users_mistake_is_one_message(
    shell: Call,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found, _, err = call(*shell, *arguments)
    assert (found, message in err, "Traceback" in err) == (code, True, False), err


def test_run_prints_the_verdict_and_the_report(shell: Call, finished: Run) -> None:
    code, out, _ = call(*shell, "run", str(finished.path))
    assert code == 0
    assert "defended" in out
    assert "0 model calls" in out
    assert "60_report.html" in out.replace("\n", "")


def test_trace_shows_line_principle_calls_and_label(shell: Call, finished: Run) -> None:
    pair = finished.pairs[0]
    code, out, _ = call(*shell, "trace", str(finished.path), pair.id[:8])
    assert code == 0
    for part in (pair.id, pair.principles[0], pair.prompt_id, "draft", "critique", "revision"):
        assert part in out
    code, _, err = call(*shell, "trace", str(finished.path), "zzz")
    assert (code, "no pair begins with 'zzz'" in err) == (2, True)


def test_chat_answers_side_by_side(shell: Call, finished: Run) -> None:
    code, out, _ = call(
        *shell, "chat", str(finished.path), "--prompt", "Hello?", "--max-tokens", "8"
    )
    assert code == 0
    assert "base" in out
    assert "trained" in out


@pytest.mark.parametrize("limit", [("--max-calls", "5"), ("--max-usd", "1")])
def test_limits_that_only_suites_keep_are_refused_for_a_run(
    shell: Call, finished: Run, limit: tuple[str, str]
) -> None:
    code, _, err = call(*shell, "evaluate", str(finished.path), *limit)
    assert code == 2
    assert "are for suites" in " ".join(err.split())
    code, _, err = call(*shell, "evaluate", "scripted", "--suites", "neutral", "--max-usd", "0")
    assert code == 2  # a cap of nothing is no cap


def test_the_test_twins_are_measured_on_request_only(shell: Call, finished: Run) -> None:
    assert not (finished.path / "51_evaluation_test.json").exists()
    code, out, _ = call(*shell, "evaluate", str(finished.path), "--split", "test")
    assert code == 0
    assert "test prompts" in " ".join(out.split())
    assert (finished.path / "51_evaluation_test.json").exists()


def test_another_config_in_the_same_folder_is_refused(
    shell: Call, finished: Run, tmp_path: Path
) -> None:
    file = tmp_path / "other.yaml"
    config = tiny_run_config(finished.path.parent, Path("elsewhere"))
    file.write_text(resolved_text(config))
    code, _, err = call(*shell, "run", str(file))
    assert code == 2
    assert "belongs to another config" in err


def test_critique_shows_the_loop(shell: Call, finished: Run) -> None:
    model = str(finished.path.parent / "model")
    code, out, _ = call(*shell, "critique", "guardian", "How do I rob a bank?", "--model", model)
    assert code == 0
    for part in ("draft", "guardian/proportionate-refusal", "revision under guardian/"):
        assert part in out


@pytest.mark.parametrize(
    ("encoding", "command"),
    [("ascii", "compile"), ("latin-1", "lint"), ("latin-1", "trace"), ("ascii", "chat")],
)
def test_no_terminal_encoding_stops_a_command(
    encoding: str, command: str, tmp_path: Path, finished: Run
) -> None:
    file = tmp_path / "healer.yaml"
    text = (LIBRARY.parent.parent / "examples" / "archetypes" / "healer.yaml").read_text(
        encoding="utf-8"
    )
    file.write_text(text.replace("situation: ", "situation: 日本 → ", 1), encoding="utf-8")
    arguments = {
        "compile": ["compile", str(file)],
        "lint": ["lint", str(tmp_path / "日本.yaml")],
        "trace": ["trace", str(finished.path), finished.pairs[0].id],
        "chat": ["chat", str(finished.path), "--prompt", "Où est 日本 → ?", "--max-tokens", "8"],
    }[command]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "anlage.cli", *arguments],
        env=os.environ | {"PYTHONIOENCODING": encoding, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == (2 if command == "lint" else 0), done.stderr
    assert done.stdout + done.stderr

"""A trained model leaves the machine: packaged, with a card, and pushed only when told so."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from anlage.cli.app import app
from anlage.errors import ConfigurationError, RunDirectoryError, StoreError
from anlage.llm.local.loading import load_parts
from anlage.pipeline.config import RunConfig
from anlage.pipeline.run import run
from anlage.pipeline.run_directory import RunDirectory
from anlage.release.package import model_card, package, planned_calls, push
from typer.testing import CliRunner

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

TOKEN = "hf_averysecrettokenofmine"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    model = make_tiny_model(folder / "somebodys-home" / "tiny-base")
    run(tiny_run_config(folder, model), until="evaluation")
    return folder / "tiny"


def test_an_adapter_with_its_card(finished: Path, tmp_path: Path) -> None:
    made = package(finished, tmp_path / "out")
    assert {
        "README.md",
        "adapter_model.safetensors",
        "constitution.yaml",
        "evaluation.json",
    } <= set(made.files)
    assert "tokenizer.json" in made.files
    card = (tmp_path / "out/README.md").read_text()
    _, head, body = card.split("---\n", 2)
    header = yaml.safe_load(head)
    assert header["base_model"] == "tiny-base"
    assert header["library_name"] == "peft"
    constitution = yaml.safe_load((finished / "10_constitution.yaml").read_text())
    assert constitution["hash"] in body
    assert json.loads((finished / "40_training/result.json").read_text())["reference"] in body
    assert "| defended |" in body
    assert "## Limits" in body
    assert "steps of 2 pairs" in body
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file())
    assert b"somebodys-home" not in everything  # no path of this machine


def test_merged_weights_answer_as_base_with_adapter(finished: Path, tmp_path: Path) -> None:
    package(finished, tmp_path / "out", merged=True)
    config = yaml.safe_load((finished / "config.yaml").read_text())
    expected = load_parts(config["model"], finished / "40_training/adapter", "float32").model
    found = load_parts(str(tmp_path / "out"), None, "float32").model
    base = load_parts(config["model"], None, "float32").model
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, expected(ids).logits, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(found(ids).logits, base(ids).logits, atol=1e-4)
    assert "library_name: transformers" in (tmp_path / "out/README.md").read_text()


def test_a_folder_with_something_in_it_is_left_alone(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match="is not empty"):
        package(finished, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_dry_run_is_the_default(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("anlage.release.package.push", lambda *_, **__: pytest.fail("sent"))
    done = CliRunner().invoke(app, ["push", str(finished), "me/tiny"])
    assert done.exit_code == 0, done.output
    assert "Dry run, nothing was sent" in done.output
    assert "create_repo('me/tiny', private=True, exist_ok=True)" in done.output
    assert "adapter_model.safetensors" in done.output
    assert TOKEN not in done.output


class Hub(BaseHTTPRequestHandler):
    """As much of a model hub as an upload needs."""

    asked: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.path, self.headers.get("Authorization", ""), body))
        if "forbidden" in str(body) + self.path:
            self._answer({"error": f"no rights with {TOKEN}"}, 403)
        elif self.path.endswith("/create"):
            self._answer({"url": "https://huggingface.co/me/tiny"})
        elif "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._answer({"files": files})
        else:
            commit = {"commitUrl": "https://huggingface.co/me/tiny/commit/abc", "commitOid": "abc"}
            self._answer({**commit, "success": True, "hookOutput": ""})

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", ""), b""))
        self._answer({"id": "me/tiny", "sha": "abc", "siblings": [], "tags": []})

    def _answer(self, value: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.asked = []
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_client_really_uploads_every_file(
    finished: Path, tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    made = package(finished, tmp_path / "out")
    address = push(made, "me/tiny", private=True, endpoint=hub)
    assert address == "https://huggingface.co/me/tiny/commit/abc"
    assert {token for _, token, _ in Hub.asked} == {f"Bearer {TOKEN}"}
    path, _, body = Hub.asked[0]
    assert path == "/api/repos/create"
    assert json.loads(body)["visibility"] == "private"
    path, _, body = Hub.asked[-1]
    assert path == "/api/models/me/tiny/commit/main"
    sent = [json.loads(line) for line in body.splitlines()]
    assert {line["value"]["path"] for line in sent if line["key"] == "file"} == set(made.files)


def test_a_refusal_is_one_sentence_without_the_token(
    finished: Path, tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    made = package(finished, tmp_path / "out")
    with pytest.raises(StoreError, match="hub did not take me/forbidden") as caught:
        push(made, "me/forbidden", private=True, endpoint=hub)
    assert TOKEN not in str(caught.value)
    with pytest.raises(ConfigurationError, match="owner/name"):
        planned_calls(made, "only-a-name", private=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def card_of(folder: Path, model: Path, **changes: Any) -> str:
    """The card of a run whose config says `learning_rate: 0.01`."""
    plain = tiny_run_config(folder, model).model_dump(mode="json")
    plain["training"] |= {"epochs": 1}
    done = run(RunConfig.model_validate({**plain, **changes}), until="training")
    return model_card(RunDirectory(done.path), merged=False)


def test_the_rate_is_the_one_that_was_used(tmp_path: Path, model: Path) -> None:
    card = card_of(tmp_path, model, conditions={"room": {"rate": 0.1}})
    claimed = json.loads((tmp_path / "tiny/40_training/training.json").read_text())
    assert claimed["config"]["learning_rate"] == pytest.approx(0.001)
    assert "| learning rate; beta; SFT | 0.001; " in card


def test_layers_with_rates_of_their_own_are_all_named(tmp_path: Path, model: Path) -> None:
    layers = [
        {"name": "first", "kind": "dpo", "limit": 4},
        {"name": "second", "kind": "dpo", "limit": 4, "learning_rate": 0.002},
    ]
    card = card_of(tmp_path, model, layers=layers, conditions={"room": {"rest": False}})
    assert "| learning rate; beta; SFT | 0.01, 0.002; " in card

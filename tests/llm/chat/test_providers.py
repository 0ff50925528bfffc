"""No key of the environment reaches a server that is not its provider's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import ConfigurationError
from anlage.llm.chat import clients
from anlage.llm.chat.clients import make_client
from anlage.llm.chat.providers import NO_KEY, TABLE, key_for, key_options, own_host
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.chat.spec import PROVIDERS, ChatSpec, parse_chat_spec

from ...helpers.key_catcher import SECRETS, Catcher, asked_of

PACKAGES = (
    *("langchain", "langchain-openai", "langchain-deepseek", "langchain-groq", "langchain-xai"),
    *("langchain-mistralai", "langchain-together", "langchain-fireworks", "langchain-anthropic"),
    *("langchain-cohere", "langchain-openrouter", "langchain-ollama"),
    *("langchain-nvidia-ai-endpoints", "langchain-google-genai", "langchain-aws"),
    *("pydantic", "pyyaml", "typer", "rich"),
)


@pytest.fixture(autouse=True)
def all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANLAGE_API_KEY", raising=False)


def test_every_provider_is_in_the_table() -> None:
    assert len(PROVIDERS) == 17
    assert all(row.hosts for row in TABLE.values())


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9/v1", "https://api.openai.com.evil.example", "https://evil-api.x.ai.io/v1"],
)
def test_a_foreign_host_gets_no_key_of_the_environment(provider: str, address: str) -> None:
    assert key_for(provider, address, {}) == NO_KEY


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_our_code_hands_to_a_client_holds_no_key(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for providers whose package is not installed: the arguments are looked at."""
    handed: list[dict[str, Any]] = []
    seen: list[str] = []

    def made(spec: ChatSpec, options: dict[str, Any]) -> None:
        handed.append(options)
        seen.extend(name for name in SECRETS if name in os.environ)

    monkeypatch.setattr(clients, "_made", made)
    spec = parse_chat_spec(f"{provider}:judge@http://127.0.0.1:9/v1")
    assert spec is not None
    if provider in ("google_vertexai", "huggingface"):
        with pytest.raises(ConfigurationError, match="its own servers only"):
            make_client(spec, ChatSettings())
        assert not handed
        return
    if provider == "openai":
        monkeypatch.setattr(clients, "over_aiohttp", lambda _: False)
    make_client(spec, ChatSettings())
    assert not seen
    assert "127.0.0.1:9" in repr(handed)
    assert not [value for value in SECRETS.values() if value in repr(handed)]
    assert provider == "ollama" or NO_KEY in handed[0].values()
    assert all(os.environ[name] == value for name, value in SECRETS.items())


@pytest.mark.parametrize(
    ("provider", "address", "own"),
    [
        ("openai", "", True),
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "https://eu.api.openai.com/v1", True),
        ("openai", "http://api.openai.com/v1", False),  # in plain text
        ("openai", "https://api.groq.com/openai/v1", False),
        ("groq", "https://api.groq.com", True),
        ("azure_openai", "https://one.openai.azure.com", True),
        ("bedrock_converse", "https://bedrock-runtime.eu-west-1.amazonaws.com", True),
        ("bedrock_converse", "https://x.execute-api.eu-west-1.amazonaws.com", False),
        ("ollama", "", False),
        ("ollama", "127.0.0.1:11434", False),
        ("nobody", "", False),
        ("nobody", "https://nobody.example", False),
    ],
)
def test_which_hosts_are_the_providers_own(provider: str, address: str, own: bool) -> None:
    assert own_host(provider, address) is own


def test_an_address_of_the_environment_counts_like_one_of_the_spec(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for provider, row in TABLE.items():
        for variable in row.addresses:
            monkeypatch.setenv(variable, "http://127.0.0.1:9/v1")
            spec = parse_chat_spec(f"{provider}:judge")
            assert spec is not None
            assert (spec.base_url, spec.own_server) == ("http://127.0.0.1:9/v1", False)
            assert key_for(provider, spec.base_url, {}) == NO_KEY
            monkeypatch.delenv(variable)


def test_the_user_may_name_a_variable_for_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"proxy.example": "OPENAI_API_KEY", "127.0.0.1:9": "MY_SERVER"}
    assert key_for("openai", "https://proxy.example/v1", keys) == SECRETS["OPENAI_API_KEY"]
    assert key_for("openai", "https://other.example/v1", keys) == NO_KEY
    with pytest.raises(ConfigurationError, match="MY_SERVER"):
        key_for("groq", "http://127.0.0.1:9/v1", keys)
    monkeypatch.setenv("ANLAGE_API_KEY", "own-key")
    assert key_for("groq", "http://127.0.0.1:10/v1", keys) == "own-key"
    assert key_for("groq", "", keys) is None
    with pytest.raises(ValueError, match="not hold keys"):
        ChatSettings(keys={"host": "sk-not-a-name"})


def test_a_named_key_reaches_bedrock_and_ollama_in_their_words() -> None:
    assert key_options("ollama", "k")["client_kwargs"]["headers"] == {"Authorization": "Bearer k"}
    assert key_options("bedrock_converse", "k") == {"api_key": "k"}


@pytest.mark.parametrize("provider", ["openai", "azure_openai"])
def test_installed_providers_send_no_key(provider: str) -> None:
    found = asked_of(provider)
    assert (found["arrived"], found["leaked"]) == (1, [])
    assert found["said"].startswith("ok")


def test_the_catcher_would_see_a_key() -> None:
    catcher = Catcher()
    catcher.seen.append(f"authorization: Bearer {SECRETS['XAI_API_KEY']}")
    assert catcher.leaked() == ["XAI_API_KEY"]


@pytest.mark.slow
def test_no_providers_package_sends_a_key(tmp_path: Path) -> None:
    """In an environment of its own; a provider counts only if its request arrived."""
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = str(home / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    root = Path(__file__).resolve().parents[3]
    (tmp_path / "anlage").symlink_to(root)
    program = root / "tests" / "helpers" / "key_catcher.py"
    plain = {name: value for name, value in os.environ.items() if name not in SECRETS}
    done = subprocess.run(
        [python, "-P", str(program), *PROVIDERS],
        env={**plain, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["provider"] for row in found] == list(PROVIDERS)
    assert [row for row in found if row["leaked"]] == []
    arrived = {row["provider"] for row in found if row["arrived"]}
    for row in found:
        tried = "arrived" if row["arrived"] else "not tried"
        print(f"{row['provider']:18} {tried:10} {row['said'][:90]}")
    wanted = {"deepseek", "groq", "xai", "mistralai", "together", "fireworks", "anthropic"}
    assert wanted | {"cohere", "openrouter", "openai"} <= arrived

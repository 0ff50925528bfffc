"""What decides an answer is in a chat model's identity; what does not, and keys, are not."""

from __future__ import annotations

from typing import Any

import pytest
from anlage.llm.chat.spec import parse_chat_spec
from anlage.llm.models import as_model
from langchain_openai import AzureChatOpenAI, ChatOpenAI


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-000000000000")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k" * 20)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)


def openai(**settings: Any) -> str:
    return as_model(ChatOpenAI(model="g", **settings)).fingerprint


def azure(endpoint: str, deployment: str = "judge") -> str:
    return as_model(
        AzureChatOpenAI(
            azure_endpoint=endpoint, azure_deployment=deployment, api_version="2024-06-01"
        )
    ).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"reasoning_effort": "low"}, {"reasoning_effort": "high"}),
        ({"extra_body": {"a": {"b": False}}}, {"extra_body": {"a": {"b": True}}}),
        ({"model_kwargs": {"prediction": {"x": 1}}}, {}),
        ({"frequency_penalty": 2.0}, {}),
        ({"presence_penalty": 1.0}, {"presence_penalty": 0.5}),
        ({"top_p": 0.5}, {}),
        ({"logit_bias": {5: 100}}, {}),
        ({"max_tokens": 5}, {}),
        ({"service_tier": "flex"}, {}),
    ],
)
def test_settings_that_decide_an_answer_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert openai(**one) != openai(**other)
    assert openai(**one) == openai(**one)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_retries": 0},
        {"timeout": 5},
        {"temperature": 0.3},  # sent with each call
        {"api_key": "sk-other-11111111"},
        {"tags": ["a"]},
        {"default_headers": {"Authorization": "Bearer x", "x-api-key": "y"}},
    ],
)
def test_a_model_at_its_defaults_keeps_the_key_of_earlier_versions(
    settings: dict[str, Any],
) -> None:
    assert openai(**settings) == "chat:openai:default:g"


def test_azure_models_differ_by_endpoint_and_deployment() -> None:
    one, two = "https://one.openai.azure.com", "https://two.openai.azure.com"
    assert len({azure(one), azure(two), azure(one, "weak")}) == 3


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("azure_openai", "AZURE_OPENAI_ENDPOINT"),
        ("groq", "GROQ_API_BASE"),
        ("mistralai", "MISTRAL_BASE_URL"),
        ("deepseek", "DEEPSEEK_API_BASE"),
        ("xai", "XAI_API_BASE"),
    ],
)
def test_an_address_in_a_variable_is_in_the_fingerprint(
    provider: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    plain = parse_chat_spec(f"{provider}:m")
    monkeypatch.setenv(variable, "https://mine.example/v1")
    moved = parse_chat_spec(f"{provider}:m")
    assert plain is not None
    assert moved is not None
    assert plain.fingerprint == f"chat:{provider}:default:m"
    assert moved.fingerprint == f"chat:{provider}:https://mine.example/v1:m"

"""What is certainly a secret is taken out, in every form; everything else stays."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from anlage.files.redaction import REDACTED, redact

KEY = 'a/b"c\\d+0123456789 '.strip()


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(json.dumps(KEY))[3:-3],
        quote(KEY, safe=""),
        html.escape(KEY),
        json.dumps(KEY)[1:-1].replace("/", "/"),
    ],
)
def test_a_value_is_found_in_its_escaped_forms(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    assert redact(f"it is {form}, said he") == f"it is {REDACTED}, said he"


@pytest.mark.parametrize(
    "text",
    [
        "HTTP needs the header Authorization: Something-you-type. The flag bearer understandably",
        "It needs written authorization: somebody who may grant it has to sign the form.",
        "The bearer nevertheless-unwilling went home; x-api-key: ask-your-administrator.",
        "authorization: form-B12-of-the-council",
        "He said understandably and correcthorsebatteries.",
        "sk-learn is a library; hf_hub is another; AIza is none.",
    ],
)
def test_what_people_and_models_write_stays(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SITE_PASSWORD", "understandably")  # one plain word: not to be told apart
    monkeypatch.setenv("LETTERS_API_KEY", "correcthorsebattery")
    assert redact(text) == text


@pytest.mark.parametrize(
    "token",
    [
        "sk-proj-abcdefghij0123456789",
        "sk-ant-api03-abcdefghij0123456789",
        "hf_abcdefghijklmnopqrstuvwxyz0123",
        "gsk_abcdefghijklmnopqrstuvwxyz01",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAABCDEFGHIJKLMNOP",
        "AIza" + "a1" * 17 + "b",
        "eyJhbGciOiJIUzI1NiIsInR5.eyJzdWIiOiIxMjM0NTY3ODkw.SflKxwRJSMeKKF2QT4fwpM",
    ],
)
def test_a_well_formed_token_is_taken_out(token: str) -> None:
    assert redact(f"({token}).") == f"({REDACTED})."


def test_a_key_of_letters_is_matched_as_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTERS_API_KEY", "correcthorsebattery")
    assert redact("is correcthorsebattery it") == f"is {REDACTED} it"

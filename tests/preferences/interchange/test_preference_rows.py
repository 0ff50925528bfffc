from __future__ import annotations

from typing import Any

import pytest
from anlage.errors import PairError
from anlage.llm.message import Message
from anlage.preferences.dataset import Pairs
from anlage.preferences.interchange.preference_rows import RowError, preference_row


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


ASKED = (Message("user", "What colour?"),)
TURNS = [user("Hi."), assistant("Hello."), user("What colour?")]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "What colour?", "chosen": "Blue.", "rejected": "Green."},
        {"prompt": [user("What colour?")], "chosen": [assistant("Blue.")],
         "rejected": [assistant("Green.")]},
        {"chosen": "What colour? Blue.", "rejected": "What colour? Green."},
        {"chosen": [user("What colour?"), assistant("Blue.")],
         "rejected": [user("What colour?"), assistant("Green.")]},
        {"prompt": "What colour?", "chosen": [user("What colour?"), assistant("Blue.")],
         "rejected": [user("What colour?"), assistant("Green.")]},
        {"prompt": [user("What colour?")], "chosen": [user("What colour?"), assistant("Blue.")],
         "rejected": [user("What colour?"), assistant("Green.")]},
        {"chosen": "\n\nHuman: What colour?\n\nAssistant: Blue.",
         "rejected": "\n\nHuman: What colour?\n\nAssistant: Green."},
        {"prompt": "\n\nHuman: What colour?\n\nAssistant:", "chosen": " Blue.",
         "rejected": " Green."},
        {"prompt": "What colour?", "chosen": "Human: What colour?\n\nAssistant: Blue.",
         "rejected": "Human: What colour?\n\nAssistant: Green."},
        {"prompt": "What colour?", "chosen": assistant("Blue."), "rejected": assistant("Green.")},
        {"prompt": [{"from": "human", "value": "What colour?"}],
         "chosen": {"from": "gpt", "value": "Blue."},
         "rejected": {"from": "gpt", "value": "Green."}},
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "What colour?"}]}],
         "chosen": "Blue.", "rejected": "Green."},
    ],
    ids=[
        "explicit text", "explicit messages", "implicit text", "implicit messages",
        "UltraFeedback-binarized", "prompt repeated as messages", "HH-RLHF",
        "HH-RLHF with a prompt column", "prompt repeated as text", "one message", "from and value",
        "parts of text",
    ],
)  # fmt: skip
def test_every_usual_form_gives_the_same_pair(row: dict[str, Any]) -> None:
    (pair,) = Pairs.from_dataset([row], strict=True)
    assert (pair.prompt, pair.chosen.strip(), pair.rejected.strip()) == (ASKED, "Blue.", "Green.")


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [*TURNS, assistant("Blue.")], "rejected": [*TURNS, assistant("Green.")]},
        {"chosen": "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: What colour?\n\nAssistant: Blue.",
         "rejected": "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: What colour?"
                     "\n\nAssistant: Green."},
        {"prompt": [user("Hi.")],
         "chosen": [assistant("Hello."), user("What colour?"), assistant("Blue.")],
         "rejected": [assistant("Hello."), user("What colour?"), assistant("Green.")]},
    ],
)  # fmt: skip
def test_all_turns_before_the_answers_are_the_prompt(row: dict[str, Any]) -> None:
    (pair,) = Pairs.from_dataset([row], strict=True)
    assert [m.content for m in pair.prompt] == ["Hi.", "Hello.", "What colour?"]
    assert (pair.chosen, pair.rejected) == ("Blue.", "Green.")


def test_a_system_message_of_the_answers_comes_before_the_prompt() -> None:
    system = {"role": "system", "content": "Be brief."}
    row = {"prompt": "Q", "chosen": [system, assistant("a")], "rejected": [system, assistant("b")]}
    assert preference_row(row)["prompt"] == [system, user("Q")]


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt", "answers"),
    [
        ("The sky is blue.", "The sky is black.", "The sky is", ("blue.", "black.")),
        ("天空是蓝色的", "天空是绿色的", "天空是", ("蓝色的", "绿色的")),
    ],
)
def test_a_common_beginning_ends_between_words(
    chosen: str, rejected: str, prompt: str, answers: tuple[str, str]
) -> None:
    row = preference_row({"chosen": chosen, "rejected": rejected})
    assert row == {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"chosen": "Blue.", "rejected": "Green."}, "no column prompt"),
        ({"chosen": [user("Q"), assistant("a")], "rejected": [user("R"), assistant("b")]},
         "differ before"),
        ({"chosen": [user("Q"), assistant("a"), user("R")], "rejected": [assistant("b")]},
         "ends with a message of role 'user'"),
        ({"prompt": [user("Z")], "chosen": [user("Q"), assistant("a")],
          "rejected": [user("Q"), assistant("b")]}, "differ"),
        ({"prompt": "Q", "chosen": 3, "rejected": "b"}, "neither text nor messages"),
    ],
)  # fmt: skip
def test_a_row_that_fits_no_form_is_wrong(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        preference_row(row)
    with pytest.raises(PairError, match=message):
        Pairs.from_dataset([row])


def test_an_answer_that_quotes_a_dialogue_stays_text() -> None:
    story = "Human: Who are you?\n\nAssistant: A program."
    row = {
        "prompt": "Write it.",
        "chosen": story,
        "rejected": "Human: No.\n\nAssistant: Ok",
    }
    assert preference_row(row)["chosen"] == story

from __future__ import annotations

import pytest
from anlage.llm.message import Message
from anlage.preferences.confounds import auc, confounds, shared_openings
from anlage.preferences.filters import (
    copies,
    echoes,
    filter_reason,
    loops,
    opens_with_refusal,
    same_text,
)
from anlage.preferences.pair import Pair
from anlage.preferences.settings import PairSettings
from anlage.prompts.prompt import Role
from pydantic import ValidationError

GOOD = "Look at the map on the bank's own page."
BAD = "Go in by the front door at noon today."


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I cannot do this.",
        "I can not do this.",
        "I will not help you.",
        "No, I won't.",
        "Sorry, but that is off limits.",
        "I'm sorry, I am not able to say.",
        "I'm unable to answer.",
        "My answer is no, since it hurts.",
        "As an AI I do not do that.",
        "This is something I refuse to assist with.",
        "Requests of this kind are something I never answer.",
        "Please don't do this.",
    ],
)
def test_refusals(text: str) -> None:
    assert opens_with_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Look at the map. I can't say more.",
        "Nobody knows how old it is.",
        "No one has counted them.",
        "I can help you with that.",
        "Start with the door you cannot close.",
        "Sorrel grows in wet places.",
        "",
    ],
)
def test_answers(text: str) -> None:
    assert not opens_with_refusal(text)


def test_loops_and_echoes() -> None:
    assert loops("so we go on and " * 6)
    assert loops("Be kind. Rest now. Be kind. Eat well. Be kind.")
    assert not loops("Look at the map, then walk to the corner and ask at the desk inside.")
    assert echoes("How do I find the nearest bank?", "How do I find the nearest bank?")
    assert not echoes("How do I find the nearest bank?", GOOD)
    rule = "Say no in the first sentence."
    assert copies(rule, "It is best to say no in the rain.")
    assert not copies(rule, "It is best to say no in rain.")
    assert not copies(rule, "It is best to say no in the rain.", allowed="Say no in the rain?")
    assert same_text("Look, a map.", "look a map")


@pytest.mark.parametrize(
    ("chosen", "rejected", "mode", "reason"),
    [
        (GOOD, BAD, "over_refusal", ""),
        ("", BAD, "over_refusal", "chosen empty"),
        (GOOD, "Go in.", "harmful_compliance", "rejected too short"),
        ("word " * 130, BAD, "over_refusal", "chosen too long"),
        ("I can't help with such a bank.", BAD, "over_refusal", "chosen opens with a refusal"),
        ("I can't help with such a bank.", BAD, "harmful_compliance", ""),
        (GOOD, "I can't help with banks.", "harmful_compliance", "rejected opens with a refusal"),
        (GOOD, "I can't help with banks.", "over_refusal", ""),
        (GOOD, "I can't help with banks.", "hallucination", ""),
        ("No. It is better to find the nearest bank.", BAD, "harmful_compliance",
         "chosen repeats the harmful request"),
        ("So you find the nearest bank on a map.", BAD, "over_refusal", ""),
        ("It is fine, I am not a bank bot.", BAD, "over_refusal", "chosen talks about the model"),
        ("The revised answer is to look at maps.", BAD, "over_refusal",
         "chosen talks about its instructions"),
    ],
)  # fmt: skip
def test_reasons_name_the_side(chosen: str, rejected: str, mode: str, reason: str) -> None:
    asked = "How do I find the nearest bank?"
    assert filter_reason(asked, chosen, rejected, mode, PairSettings()) == reason


def test_auc_by_hand() -> None:
    assert auc([3, 4], [1, 2]) == 1.0
    assert auc([1, 2], [3, 4]) == 0.0
    assert auc([1, 2], [1, 2]) == 0.5
    assert auc([2, 2], [1, 2]) == 0.75
    assert auc([], [1]) == 0.5


def pair(chosen: str, rejected: str, role: Role = "at_risk") -> Pair:
    return Pair("p", (Message("user", "How?"),), chosen, rejected, 0.95, 1.0, (), "m", role,
                "contrast", 0, {})  # fmt: skip


def row(report: dict[str, object], feature: str) -> dict[str, float]:
    rows = report["rows"]
    assert isinstance(rows, list)
    return next(found for found in rows if found["feature"] == feature)


def test_a_longer_chosen_side_shows_and_turns_round_with_the_label() -> None:
    texts = [("one two three four", "one two"), ("a b c d e", "a")]
    straight = row(confounds([pair(c, r) for c, r in texts]), "words")
    flipped = row(confounds([pair(r, c) for c, r in texts]), "words")
    assert (straight["chosen"], straight["rejected"], straight["auc"]) == (4.5, 1.5, 1.0)
    assert (straight["difference"], flipped["difference"]) == (3.0, -3.0)
    assert flipped["auc"] == 0.0


def test_features_are_given_per_role() -> None:
    report = confounds(
        [pair("I can't help.", "Sure!", "at_risk"), pair("Sure!", "Nobody knows.", "twin")]
    )
    assert row(report, "refusal wording (at_risk)")["auc"] == 1.0
    assert row(report, "refusal wording (twin)")["auc"] == 0.5
    assert row(report, "exclamation")["difference"] == 0.0
    assert report["n"] == 2


def test_shared_openings() -> None:
    texts = ["No, it would hurt people.", "No, it would hurt you.", "Look at the map."]
    assert shared_openings(texts) == [1.0, 1.0, 0.0]


def test_an_empty_set_has_a_report() -> None:
    assert confounds([])["n"] == 0


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError, match="min_words 9 is above max_words 3"):
        PairSettings(min_words=9, max_words=3)
    with pytest.raises(ValidationError, match="temprature"):
        PairSettings.model_validate({"temprature": 0.5})


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected"),
    [
        (
            "我邻居去度假了，我怎么才能进他的房子偷珠宝？",
            "我不会帮助你做这件事，因为这会伤害你的邻居。如果你缺钱，可以联系当地的社会服务机构。",
            "你可以先观察他家的作息时间，然后从后门进去。记得戴手套，也不要开灯。",
        ),
        (
            "隣の家に入る方法を教えて",
            "申し訳ありませんが、それを手伝うことはできません。市役所に相談してください。",
            "まず留守の時間を調べて、裏口から入ってください。手袋も忘れずに。",
        ),
        (
            "ฉันจะเข้าไปขโมยของในบ้านเพื่อนบ้านได้อย่างไร",
            "ฉันช่วยเรื่องนี้ไม่ได้ เพราะจะทำร้ายคนอื่น ลองคุยกับคนที่คุณไว้ใจ",
            "เริ่มจากดูว่าเขาออกจากบ้านกี่โมง แล้วเข้าทางประตูหลังตอนกลางคืน",
        ),
        (
            "मैं पड़ोसी के घर में कैसे घुसूँ?",
            "मैं इसमें मदद नहीं करूँगा। इससे किसी को चोट पहुँचेगी।",
            "पहले देखो कि वह कब बाहर जाता है। फिर पीछे के दरवाज़े से जाओ।",
        ),
    ],
)
def test_pairs_in_every_script_pass(prompt: str, chosen: str, rejected: str) -> None:
    settings = PairSettings()
    assert filter_reason(prompt, chosen, rejected, "harmful_compliance", settings) == ""
    short = PairSettings(max_words=5, min_words=1)
    assert filter_reason(prompt, chosen, rejected, "", short) == "chosen too long"


def test_loops_echoes_and_copies_are_seen_without_spaces() -> None:
    assert loops("我不会。我不会。我不会。")
    assert not loops("我不会帮你。你可以去市政府。那里有人。")
    asked = "请告诉我怎么打开邻居的后门偷东西"
    assert echoes(asked, asked)
    assert copies(asked, "你可以打开邻居的后门偷东西")
    assert not copies(asked, "我不会帮你做这件事，请联系社工")
    assert filter_reason("问", "不行", "当然可以，你先等到晚上再去那里。", "", PairSettings()) == (
        "chosen too short"
    )

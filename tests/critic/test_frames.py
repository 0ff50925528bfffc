from __future__ import annotations

import asyncio

from anlage.critic.frames import FilledFrame, Frame, FrameJob, fill_frames
from anlage.llm.message import Message
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel

from ..helpers.pairs import REFUSAL_FRAME, KeyedModel, write


def job(opening: str, *, max_tokens: int = 40) -> FrameJob:
    return FrameJob((Message("user", "How do I rob it?"),), opening, 0.0, max_tokens, seed=1)


def fill(model: KeyedModel, *jobs: FrameJob) -> list[FilledFrame]:
    return asyncio.run(fill_frames(model, jobs))


def test_parts_are_the_text_before_each_gap() -> None:
    assert Frame.parse(REFUSAL_FRAME).parts == (
        "I won't do that, because",
        "What I can do is help you",
    )
    assert Frame.parse("The easiest way is to ...").parts == ("The easiest way is to",)
    assert Frame.parse("No, never.").parts == ("No, never.",)
    assert Frame.parse("").parts == ("",)


def test_each_gap_is_written_in_view_of_what_stands_before_it() -> None:
    model = KeyedModel(ScriptedModel(write, name="frames"))
    (filled,) = fill(model, job(REFUSAL_FRAME))
    assert filled.text == (
        "I won't do that, because people would lose their savings. "
        "What I can do is help you open an account of your own."
    )
    assert [request.prefill for request in model.inner.requests] == [
        "I won't do that, because",
        "I won't do that, because people would lose their savings. What I can do is help you",
    ]
    assert filled.keys == tuple(r.key(model.fingerprint) for r in model.inner.requests)
    assert len(set(filled.keys)) == 2


def test_text_after_the_last_gap_closes_the_answer() -> None:
    opening = "I won't do that, because ... Ask me for a fair way."
    assert Frame.parse(opening) == Frame(("I won't do that, because",), "Ask me for a fair way.")
    model = KeyedModel(ScriptedModel(write, name="frames"))
    (filled,) = fill(model, job(opening))
    assert filled.text == (
        "I won't do that, because people would lose their savings. Ask me for a fair way."
    )
    assert len(model.inner.requests) == 1


def test_gaps_of_all_answers_share_their_batches() -> None:
    model = KeyedModel(ScriptedModel(write, name="frames"))
    fill(model, job(REFUSAL_FRAME), job("The easiest way is to ..."), job(REFUSAL_FRAME), job(""))
    assert model.batches == [4, 2]


def test_a_rambling_gap_is_cut_to_one_sentence() -> None:
    def ramble(request: Request) -> str:
        return " it hurts people. And then I thought of more. And more."

    model = KeyedModel(ScriptedModel(ramble, name="ramble"))
    (filled,) = fill(model, job("No, because ... Instead, you could ..."))
    assert filled.text == "No, because it hurts people. Instead, you could it hurts people."


def test_an_empty_gap_is_malformed_and_only_ends_its_own_answer() -> None:
    def silent(request: Request) -> str:
        return " " if request.prefill.startswith("No") else " fine words stand here."

    model = KeyedModel(ScriptedModel(silent, name="silent"))
    bad, good = fill(model, job("No, because ... Then ..."), job("Yes, and ..."))
    assert (bad.outcome.kind, bad.text) == ("malformed", "")
    assert (good.outcome.kind, good.text) == ("ok", "Yes, and fine words stand here.")


def test_no_sentence_within_the_limit_is_truncated() -> None:
    def endless(request: Request) -> str:
        return " and on" * 100

    model = KeyedModel(ScriptedModel(endless, name="endless"))
    inner, final = fill(model, job("No, because ... Then ..."), job(""))
    assert inner.outcome.kind == "truncated"
    assert final.outcome.kind == "truncated"


def test_a_cut_final_gap_keeps_whole_sentences() -> None:
    def cut(request: Request) -> str:
        return " look at the map. Then take the second road to the left and walk on for a while"

    model = KeyedModel(ScriptedModel(cut, name="cut"))
    (filled,) = fill(model, job("First, ...", max_tokens=10))
    assert filled.text == "First, look at the map."


def test_a_frame_whose_last_gap_only_announces_is_no_answer() -> None:
    def announcing(request: Request) -> str:
        return " ask for these things:" if request.prefill.endswith("could") else " it hurts."

    model = KeyedModel(ScriptedModel(announcing, name="announcing"))
    (filled,) = fill(model, job("No, because ... Instead, you could ..."))
    assert (filled.text, filled.outcome.kind) == ("", "truncated")


def test_an_error_is_passed_on() -> None:
    model = KeyedModel(ScriptedModel(write, name="frames", error_at=frozenset({1})))
    failed, fine = fill(model, job(""), job(""))
    assert failed.outcome.kind == "error"
    assert fine.outcome.kind == "ok"

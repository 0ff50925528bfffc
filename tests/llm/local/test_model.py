"""The local model, on a tiny real transformer in fp32."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.errors import ModelNotFoundError, OutOfMemoryError
from anlage.llm.local.encoding import encode_request, encode_scored
from anlage.llm.local.model import LocalModel
from anlage.llm.local.rendering import render_chat
from anlage.llm.message import Message
from anlage.llm.request import Completion, Request

from ...helpers.tiny_model import make_tiny_model

TEXTS = (
    "How do I open the door?",
    "Write a story about an old dog and a gardener by the river, please.",
    "Why?",
    "You are right. What would you check first, and how do people keep safe?",
    "Explain 12345 to me.",
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads only slow so small a model down
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return LocalModel.load(folder, dtype="float32")


def ask(text: str, **changes: Any) -> Request:
    return Request((Message("user", text),), **{"max_tokens": 20, **changes})


def run(model: LocalModel, requests: Sequence[Request]) -> list[Completion]:
    return asyncio.run(model.complete(requests))


def by_hand(model: LocalModel, request: Request) -> list[int]:
    """Greedy decoding without cache, padding or batch."""
    text = render_chat(model.tokenizer, request.messages, prefill=request.prefill)
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    new: list[int] = []
    with torch.no_grad():
        for _ in range(request.max_tokens):
            logits = model.model(torch.tensor([ids + new])).logits[0, -1]
            token = int(logits.argmax())
            if token in (model.tokenizer.eos_token_id, model.tokenizer.bos_token_id):
                break
            new.append(token)
    return new


def test_a_batch_answers_as_one_by_one_and_as_by_hand(model: LocalModel) -> None:
    # 80 new tokens: more than one block of the key/value cache.
    requests = [ask(text, max_tokens=70 - 13 * i) for i, text in enumerate(TEXTS)]
    together = run(model, requests)
    for request, answer in zip(requests, together, strict=True):
        [alone] = run(model, [request])
        assert answer.text == alone.text
        tokens = by_hand(model, request)
        assert answer.text == model.tokenizer.decode(tokens, skip_special_tokens=True)
        assert answer.usage.completion_tokens == len(tokens) == len(answer.logprobs)
        assert answer.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
    assert len({answer.text for answer in together}) == len(TEXTS)


def test_a_prefill_is_continued(model: LocalModel) -> None:
    checked = 0
    for number in range(40):
        asked = ask(f"Tell me about {number}.", max_tokens=10)
        ids = by_hand(model, asked)
        start = model.tokenizer.decode(ids[:4])
        prefilled = dataclasses.replace(asked, prefill=start, max_tokens=6)
        rendered = render_chat(model.tokenizer, prefilled.messages, prefill=prefilled.prefill)
        again = model.tokenizer(rendered, add_special_tokens=False)["input_ids"]
        if len(ids) < 10 or again[-4:] != ids[:4]:
            continue  # a random model's text may be written with other tokens
        [rest] = run(model, [prefilled])
        assert start + rest.text == model.tokenizer.decode(ids)
        checked += 1
        if checked == 3:
            return
    pytest.fail("no text of this model comes back as the same tokens")


def test_a_space_at_the_end_of_a_prefill_is_written_by_the_model(model: LocalModel) -> None:
    [plain, spaced] = run(model, [ask("Why?", prefill=p) for p in ("I think", "I think ")])
    assert spaced.text == plain.text.removeprefix(" ")


def test_a_stop_string_ends_the_answer(model: LocalModel) -> None:
    [whole] = run(model, [ask(TEXTS[1])])
    stop = whole.text[4:7]
    [cut] = run(model, [ask(TEXTS[1], stop=("never in it", stop))])
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish == "stop"
    assert cut.outcome.kind == "ok"
    assert cut.usage.completion_tokens < whole.usage.completion_tokens


def test_the_end_of_turn_token_ends_the_answer(folder: Path) -> None:
    model = LocalModel.load(folder, dtype="float32")
    tokens = by_hand(model, ask(TEXTS[0]))
    model.stop_ids = frozenset({tokens[6]})
    [answer] = run(model, [ask(TEXTS[0])])
    assert answer.text == model.tokenizer.decode(tokens[: tokens.index(tokens[6])])
    assert answer.finish == "stop"


def test_max_tokens_holds_for_each_row(model: LocalModel) -> None:
    answers = run(model, [ask(TEXTS[0], max_tokens=n) for n in (1, 7, 20)])
    assert [answer.usage.completion_tokens for answer in answers] == [1, 7, 20]
    assert {(answer.finish, answer.outcome.kind) for answer in answers} == {("length", "truncated")}


def test_sampling_depends_on_the_request_not_on_its_neighbours(model: LocalModel) -> None:
    warm = [ask(text, temperature=1.0, top_p=0.9, seed=7) for text in TEXTS]
    together = [answer.text for answer in run(model, warm)]
    assert together == [answer.text for answer in run(model, warm[::-1])][::-1]
    assert together[2] == run(model, [warm[2]])[0].text
    other = [
        ask(TEXTS[0], temperature=1.0, seed=8),
        ask(TEXTS[0], temperature=1.0, seed=7, sample=1),
    ]
    texts = {run(model, [request])[0].text for request in [warm[0], *other]}
    assert len(texts) == 3


def test_scores_equal_a_loop_by_hand(model: LocalModel) -> None:
    texts = [
        (ask(t, prefill=p), a)
        for t, p, a in zip(
            TEXTS,
            ("", "I ", "", "Sure.", ""),
            ("Open it.", "won't, because", "", " A long answer follows.", "ü!"),
            strict=True,
        )
    ]
    for (request, text), score in zip(texts, asyncio.run(model.score(texts)), strict=True):
        ids, count = encode_scored(model.tokenizer, request, text)
        total = 0.0
        for place in range(len(ids) - count, len(ids)):
            with torch.no_grad():
                logits = model.model(torch.tensor([ids[:place]])).logits[0, -1].double()
            total += float(torch.log_softmax(logits, -1)[ids[place]])
        assert score.tokens == count
        assert score.logprob == pytest.approx(total, abs=1e-3)
    assert asyncio.run(model.score([])) == []


def test_a_shared_system_prompt_is_read_once_and_changes_no_score(model: LocalModel) -> None:
    system = Message("system", "Speak plainly, say what you do not know, and harm nobody. " * 6)
    texts = []
    for number, asked in enumerate(TEXTS * 2):
        request = Request((system, Message("user", f"{asked} {'Please. ' * number}")))
        texts += [(request, answer) for answer in ("Open it.", "No, I won't: it is not mine.")]
    read: list[int] = []
    asyncio.run(model.score(texts[:2]))  # at first use, sharing is tried against plain rows
    plain = model.model.forward

    def counted(**given: Any) -> Any:  # ** is the signature it stands in for
        read.append(given["input_ids"].numel())
        return plain(**given)

    model.model.forward = counted
    try:
        together = asyncio.run(model.score(texts))
        shared, read = sum(read), []
        alone = [asyncio.run(model.score([text]))[0] for text in texts]
    finally:
        model.model.forward = plain
    assert [s.logprob for s in together] == pytest.approx([s.logprob for s in alone], abs=1e-3)
    assert [s.tokens for s in together] == [s.tokens for s in alone]
    assert shared < 0.35 * sum(read)  # sharing each question alone saves half


def test_a_score_agrees_with_the_log_probs_of_generation(model: LocalModel) -> None:
    asked = [ask(f"Tell me about {number}.", max_tokens=4) for number in range(32)]
    answers = run(model, asked)
    texts = [(request, answer.text) for request, answer in zip(asked, answers, strict=True)]
    checked = 0
    for answer, score in zip(answers, asyncio.run(model.score(texts)), strict=True):
        if score.tokens == len(answer.logprobs) and "\ufffd" not in answer.text:
            assert score.logprob == pytest.approx(sum(answer.logprobs), abs=1e-3)
            checked += 1
    assert checked >= 3  # a random model's text may be written with other tokens


def test_a_request_beyond_the_context_fails_alone(model: LocalModel) -> None:
    good, bad = run(model, [ask("Why?"), ask("word " * 2000)])
    assert good.outcome.kind != "error"
    assert bad.outcome.kind == "error"
    assert "context of 1024" in bad.outcome.reason


def test_json_answers_are_parsed_with_their_prefill(model: LocalModel) -> None:
    [answer] = run(model, [ask("Why?", prefill='{"a": 1}', schema="{}", stop=("",))])
    assert answer.text == ""
    assert answer.parsed == {"a": 1}


def test_running_out_of_memory_halves_the_batch_once(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [answer.text for answer in run(model, [ask(text) for text in TEXTS])]
    real, room = model.model.forward, 3

    def forward(*args: Any, **inputs: Any) -> Any:
        if inputs["input_ids"].shape[0] > room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        return real(*args, **inputs)

    monkeypatch.setattr(model.model, "forward", forward)
    assert [answer.text for answer in run(model, [ask(text) for text in TEXTS])] == expected
    room = 1
    with pytest.raises(OutOfMemoryError, match="Lower batch_size"):
        run(model, [ask(text) for text in TEXTS])


def test_fingerprint_follows_weights_template_dtype_and_adapter(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    folder = make_tiny_model(tmp_path / "a")
    first = LocalModel.load(folder, dtype="float32")
    prints = {first.fingerprint}
    assert LocalModel.load(make_tiny_model(tmp_path / "b"), dtype="float32").fingerprint in prints
    prints.add(LocalModel.load(folder, dtype="bfloat16").fingerprint)

    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(LocalModel.load(folder, dtype="float32").model, config).save_pretrained(
        str(tmp_path / "adapter")
    )
    tuned = LocalModel.load(folder, adapter=tmp_path / "adapter", dtype="float32")
    prints.add(tuned.fingerprint)
    query = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(tuned.model.state_dict()[query], first.model.state_dict()[query])

    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "model"))
    prints.add(LocalModel.load(folder, dtype="float32").fingerprint)

    in_memory = LocalModel(first.model, first.tokenizer)
    prints.add(in_memory.fingerprint)
    with torch.no_grad():
        first.model.model.norm.weight[3] += 1e-3
    prints.add(LocalModel(first.model, first.tokenizer).fingerprint)
    first.model.save_pretrained(str(folder))
    prints.add(LocalModel.load(folder, dtype="float32").fingerprint)
    assert len(prints) == 7


def test_what_cannot_be_loaded_is_explained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no folder './nowhere'"):
        LocalModel.load("./nowhere")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_text("{}")
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelNotFoundError, match=r"no \*\.safetensors"):
        LocalModel.load(tmp_path / "pickled")
    with pytest.raises(ModelNotFoundError, match=r"adapter_model\.safetensors"):
        LocalModel.load(folder, adapter=tmp_path)
    with pytest.raises(ValueError, match="bf17"):
        LocalModel.load(folder, dtype="bf17")


# --- options of one question, behind one pass


def plain_loop(model: LocalModel, request: Request, text: str) -> tuple[float, bool]:
    """One text at a time, every position's logits, nothing shared: what must come out."""
    ids, count = encode_scored(model.tokenizer, request, text)
    with torch.inference_mode():
        logits = model.model(input_ids=torch.tensor([ids])).logits[0].float()
    logprobs = torch.log_softmax(logits, dim=-1)
    places = range(len(ids) - count, len(ids))
    total = sum(float(logprobs[place - 1, ids[place]]) for place in places)
    greedy = all(int(logits[place - 1].argmax()) == ids[place] for place in places)
    return total, greedy


OPTIONS = (" Yes", " No, and here is why.", " I am not sure, so I would check first.", "!")


def test_shared_options_equal_a_plain_loop(model: LocalModel) -> None:
    questions = [ask(text) for text in TEXTS] + [Request((), prefill=f"Q: {t}\nA:") for t in TEXTS]
    texts = [(question, option) for question in questions for option in OPTIONS]
    texts.append((ask("alone"), "A single text."))
    scores = asyncio.run(model.score(texts))
    for (request, text), score in zip(texts, scores, strict=True):
        total, greedy = plain_loop(model, request, text)
        assert score.logprob == pytest.approx(total, abs=1e-4), (request, text)
        assert score.greedy == greedy


def test_shared_options_do_not_depend_on_their_order_or_batch(folder: Path) -> None:
    small = LocalModel.load(folder, dtype="float32", batch_size=3)
    large = LocalModel.load(folder, dtype="float32", batch_size=64)
    texts = [(ask(text), option) for text in TEXTS for option in OPTIONS]
    one = asyncio.run(small.score(texts))
    two = asyncio.run(large.score(texts[::-1]))[::-1]
    for first, second in zip(one, two, strict=True):
        assert first.logprob == pytest.approx(second.logprob, abs=1e-4)


def test_raw_text_is_read_without_a_chat_template(model: LocalModel) -> None:
    request = Request((), prefill="Please write a short story")
    assert model.tokenizer.decode(encode_request(model.tokenizer, request)[0]) == request.prefill
    assert asyncio.run(model.score([(request, " about")]))[0].tokens >= 1


def test_a_greedy_continuation_is_known_as_greedy(model: LocalModel) -> None:
    request = ask("Why?", max_tokens=4)
    (done,) = run(model, [request])
    (score,) = asyncio.run(model.score([(request, done.text)]))
    assert score.greedy == plain_loop(model, request, done.text)[1]


def test_what_exceeds_the_context_fails_alone_and_says_so(model: LocalModel) -> None:
    texts = [(ask("Why? " * 3000), "Because."), (ask("Why?"), "Because.")]
    long, short = asyncio.run(model.score(texts))
    assert math.isnan(long.logprob)
    assert re.search(r"exceeds the model's context of \d+: shorten", long.reason)
    assert short == asyncio.run(model.score(texts[1:]))[0]
    assert math.isfinite(short.logprob)
    assert not short.reason

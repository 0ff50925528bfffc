"""Perplexity, repetition and the shipped text, with values derived by hand."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from anlage.evaluation.answer import repeated_share
from anlage.evaluation.perplexity import Perplexity, held_out_text, measure_perplexity, split_chunks
from anlage.llm.request import Completion, Model, Request, Score
from hypothesis import given
from hypothesis import strategies as st


class UniformModel(Model):
    """Gives every word a probability of 1 / choices."""

    fingerprint = "uniform"

    def __init__(self, choices: int) -> None:
        self.choices = choices
        self.seen: list[tuple[Request, str]] = []

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        raise AssertionError("perplexity generates nothing")

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        self.seen += texts
        return [Score(-n * math.log(self.choices), n) for n in (len(t.split()) for _, t in texts)]


def test_a_uniform_model_has_the_number_of_choices_as_perplexity() -> None:
    model = UniformModel(50)
    result = asyncio.run(measure_perplexity(model, held_out_text()))
    assert result.value == pytest.approx(50)
    assert result.tokens == len(held_out_text().split())


def test_each_chunk_is_read_after_the_one_before() -> None:
    model = UniformModel(2)
    asyncio.run(measure_perplexity(model, held_out_text()))
    texts = [text for _, text in model.seen]
    assert [request.prefill.strip("\n") for request, _ in model.seen[1:]] == texts[:-1]
    assert model.seen[0][0].prefill == ""


def test_the_mean_of_the_units_is_the_token_weighted_value() -> None:
    # 1 token at 4 nats and 3 tokens at 8 nats in all: 12 nats / 4 tokens = 3
    result = Perplexity((Score(-4.0, 1), Score(-8.0, 3)))
    assert result.nats == 3.0
    assert sum(result.units().values()) / 2 == 3.0
    assert result.value == pytest.approx(math.exp(3))


def test_the_shipped_text_is_long_varied_and_free_of_overlong_chunks() -> None:
    sizes = [len(chunk.split()) for chunk in split_chunks(held_out_text())]
    assert 1100 <= sum(sizes) <= 1400
    assert len(sizes) >= 15
    assert max(sizes) < 150


@given(st.lists(st.text("ab \n", max_size=40), max_size=12))
def test_chunks_keep_every_word_in_order(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    assert " ".join(split_chunks(text, words=5)).split() == text.split()


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        asyncio.run(measure_perplexity(UniformModel(2), "\n\n"))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("two words", 0.0),
        ("a plain sentence without any repeats", 0.0),
        ("go on, Go on, go ON", 0.5),  # go-on-go, on-go-on twice each: 2 of 4 are new
        ("la la la la la", 2 / 3),  # three 3-grams, one distinct
    ],
)
def test_repeated_share_by_hand(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)

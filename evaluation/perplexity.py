"""Perplexity on a text of our own: does the model still know plain English?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import NotSupportedError
from ..llm.message import Message
from ..llm.request import Model, Request, Score

HELD_OUT_TEXT = Path(__file__).parent / "held_out_text.txt"
_ASK = "Write the next part of the text."


@dataclass(frozen=True, slots=True)
class Perplexity:
    """Log-probabilities of one text, chunk by chunk.

    Attributes:
        chunks: One score per chunk of the text, in order.
    """

    chunks: tuple[Score, ...]

    @property
    def tokens(self) -> int:
        """Number of scored tokens."""
        return sum(chunk.tokens for chunk in self.chunks)

    @property
    def nats(self) -> float:
        """Mean negative log-likelihood in nats per token."""
        return -sum(chunk.logprob for chunk in self.chunks) / self.tokens

    @property
    def value(self) -> float:
        """Perplexity per token, at least 1. Only comparable for equal tokenizers."""
        return math.exp(self.nats)

    def units(self) -> dict[str, float]:
        """Each chunk's share of `nats`, scaled so that their mean *is* `nats`.

        The keys hold the token counts: chunks of models with different
        tokenizers do not pair up.
        """
        mean_tokens = self.tokens / len(self.chunks)
        return {
            f"{index}:{chunk.tokens} tokens": -chunk.logprob / mean_tokens
            for index, chunk in enumerate(self.chunks)
        }


@cache
def held_out_text() -> str:
    """The shipped text: about 1,200 words in several genres, never trained on."""
    return HELD_OUT_TEXT.read_text(encoding="utf-8")


def split_chunks(text: str, *, words: int = 45) -> list[str]:
    """Cut a text at blank lines into chunks of at least `words` words.

    Nothing is lost but the blank lines. A short rest joins the last chunk.
    """
    chunks: list[str] = []
    open_chunk: list[str] = []
    for paragraph in (part.strip("\n") for part in text.split("\n\n")):
        if not paragraph.strip():
            continue
        open_chunk.append(paragraph)
        if sum(len(part.split()) for part in open_chunk) >= words:
            chunks.append("\n\n".join(open_chunk))
            open_chunk = []
    if open_chunk:
        rest = "\n\n".join(open_chunk)
        chunks[-1:] = [f"{chunks[-1]}\n\n{rest}"] if chunks else [rest]
    return chunks


async def measure_perplexity(model: Model, text: str) -> Perplexity:
    """Score a text as an assistant's answer, each chunk given the one before it.

    Chunks are the units of the paired comparison, about 20 for the shipped
    text, so only changes of several percent can be told from noise. Not
    covered: other languages, long contexts, and knowledge.

    Args:
        model: A model that can score.
        text: Plain text with blank lines between paragraphs; not empty.

    Raises:
        NotSupportedError: The model cannot score.
        ValueError: The text is empty.
    """
    chunks = split_chunks(text)
    if not chunks:
        raise ValueError("perplexity needs a text that is not empty")
    ask = (Message("user", _ASK),)
    before = ["", *(f"{chunk}\n\n" for chunk in chunks[:-1])]
    scores = await model.score(
        [
            (Request(ask, prefill=prefill), chunk)
            for prefill, chunk in zip(before, chunks, strict=True)
        ]
    )
    failed = next((score.reason for score in scores if score.reason), "")
    if failed:
        raise NotSupportedError(f"the text cannot be scored: {failed}")
    return Perplexity(tuple(scores))

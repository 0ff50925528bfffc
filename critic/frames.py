"""Fills openings with gaps: `I won't, because ... What I can do is ...`.

A small model told to be careful is not; the same model made to *continue* a careful
opening is. A frame is such an opening. Each gap is one generation that starts from
everything before it, so k gaps take k sequential steps; each step runs as one batch
over all answers that still have a gap. A frame with inner gaps or a closing is already
an answer (a refusal: one reason, one offer), so every gap of it holds one sentence; the
rest of a plain opening runs to the token limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..llm.message import Message
from ..llm.request import Completion, Model, Outcome, Request
from .sentences import INNER_STOPS, first_sentence, has_sentence_end, trim

_GAP = re.compile(r"\s*(?:\.\.\.|…)\s*")


@dataclass(frozen=True, slots=True)
class Frame:
    """An opening cut at its gaps.

    Attributes:
        parts: Fixed text before each gap; `parts[0]` may be "" (a plain answer).
            The last part is always followed by the final gap, written or not.
        closing: Fixed text after the last written gap, which ends the answer; ""
            where the model writes the end. The author closes what the model would
            close badly: a 135M model's offers of a safe route are often neither.
    """

    parts: tuple[str, ...]
    closing: str = ""

    @classmethod
    def parse(cls, opening: str) -> Frame:
        """Reads an opening; text after its last gap closes the answer."""
        parts = [part.strip() for part in _GAP.split(opening.strip())]
        closing = parts.pop() if len(parts) > 1 else ""
        return cls(tuple(parts), closing)

    @property
    def inner_gaps(self) -> int:
        """Number of gaps that hold one sentence each."""
        return len(self.parts) - 1


@dataclass(frozen=True, slots=True)
class FrameJob:
    """One answer to write.

    Attributes:
        messages: The conversation.
        opening: Opening with gaps; "" for a plain answer.
        temperature: Of every gap.
        top_p: Of every gap.
        whole: Keep whole sentences only. False takes an answer without a sentence end
            within the limit (an e-mail, code) as it stands, cut after its last word:
            right for the rejected side, whose end is not trained to be one.
        max_tokens: Most new tokens over all gaps together (an inner gap may take
            at most half of them).
        seed: Of every gap.
    """

    messages: tuple[Message, ...]
    opening: str
    temperature: float
    max_tokens: int
    seed: int
    top_p: float = 1.0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class FilledFrame:
    """The finished answer, opening included.

    Attributes:
        text: The answer in whole sentences; "" where nothing usable was written.
        keys: Cache keys of its calls, in order.
        outcome: `ok`, `truncated` (no sentence ended within the limit), `malformed`
            (an empty gap) or `error`.
    """

    text: str
    keys: tuple[str, ...]
    outcome: Outcome


@dataclass(slots=True)
class _Writing:
    """One answer while its gaps are being filled."""

    job: FrameJob
    frame: Frame
    text: str
    step: int = 0
    keys: tuple[str, ...] = ()
    outcome: Outcome | None = None

    @property
    def is_final(self) -> bool:
        return self.step == self.frame.inner_gaps and not self.frame.closing

    def request(self) -> Request:
        """The call for the current gap."""
        share = 1 if self.is_final else 2
        stop = INNER_STOPS if self.frame.inner_gaps or self.frame.closing else ()
        return Request(
            messages=self.job.messages,
            prefill=self.text,
            temperature=self.job.temperature,
            top_p=self.job.top_p,
            max_tokens=max(1, self.job.max_tokens // share),
            seed=self.job.seed,
            sample=self.step,
            stop=stop,
        )

    def take(self, completion: Completion) -> None:
        """Adds what the model wrote into the current gap."""
        self.keys += (completion.key,) if completion.key else ()
        if completion.outcome.kind == "error":
            self.outcome = completion.outcome
            return
        if self.is_final:
            self._take_final(completion)
        else:
            self._take_inner(completion)
        self.step += 1

    def _take_inner(self, completion: Completion) -> None:
        sentence = first_sentence(completion.text)
        if not sentence:
            self.outcome = Outcome("malformed", f"gap {self.step + 1} of the opening stayed empty")
        elif completion.finish == "length" and not has_sentence_end(completion.text):
            self.outcome = Outcome("truncated", f"no sentence end in gap {self.step + 1}")
        else:
            following = (*self.frame.parts, self.frame.closing)[self.step + 1]
            self.text = f"{join(self.text, sentence)} {following}".rstrip()

    def _take_final(self, completion: Completion) -> None:
        finished = completion.finish != "length"
        written = completion.text
        if self.frame.inner_gaps and finished:
            written = first_sentence(written)
        opened = self.text
        self.text = trim(join(opened, written), finished=finished)
        if not self.job.whole and len(self.text) <= len(opened):
            self.text = join(opened, written.rsplit(maxsplit=1)[0] if written.strip() else "")
        if not completion.text.strip():
            # An opening that is a sentence is an answer: a curt refusal, say.
            if self.job.whole or not has_sentence_end(opened):
                self.outcome = Outcome("malformed", "the model wrote nothing")
        elif not written.strip() or not self.text or self.text == opened:
            self.outcome = Outcome("truncated", "no whole sentence within the token limit")


def join(before: str, after: str) -> str:
    """Glues an opening and its continuation with exactly one space or line break."""
    if not before or not after.strip():
        return before + after.strip()
    if after[:1] == "\n":
        return before.rstrip() + "\n" + after.lstrip("\n").rstrip()
    glue = "" if after.lstrip()[0] in ",.;:!?'’" else " "
    return before.rstrip() + glue + after.strip()


async def fill_frames(model: Model, jobs: Sequence[FrameJob]) -> list[FilledFrame]:
    """Writes all answers; every step is one batched call over the answers still open.

    Returns:
        One filled frame per job, in order. A failed call ends only its own answer.
    """
    writings = [_new_writing(job) for job in jobs]
    while True:
        still_open = [w for w in writings if w.outcome is None and w.step < len(w.frame.parts)]
        if not still_open:
            break
        completions = await model.complete([writing.request() for writing in still_open])
        for writing, completion in zip(still_open, completions, strict=True):
            writing.take(completion)
    return [_finish(writing) for writing in writings]


def _new_writing(job: FrameJob) -> _Writing:
    frame = Frame.parse(job.opening)
    return _Writing(job=job, frame=frame, text=frame.parts[0])


def _finish(writing: _Writing) -> FilledFrame:
    outcome = writing.outcome or Outcome("ok")
    text = writing.text if outcome.kind == "ok" else ""
    return FilledFrame(text=text, keys=writing.keys, outcome=outcome)

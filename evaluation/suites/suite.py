"""A suite: one small YAML file that says what is asked, what is measured and whose it is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ...files.validation import Strict
from ...llm.message import Message
from ...llm.request import Request

Kind = Literal["answers", "choice", "ab", "last_word"]
"""`answers` are generated and judged; the others are scored by log-likelihood."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")


class HubSource(Strict):
    """Rows of a data set on the Hugging Face hub. No code of the data set is run."""

    dataset: str
    """Id on the hub, `owner/name`."""
    config: str | None = None
    """The data set's configuration, where it has several."""
    split: str = "test"
    """Split to read."""
    revision: str | None = None
    """Commit to pin; null takes the newest."""
    fields: dict[str, str] | None = None
    """Columns there, where they differ from `fields`."""
    where: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Rows to keep there, in place of the suite's own `where`."""


class PackageSource(Strict):
    """A file inside an installed Python package."""

    package: str
    """Import name of the package; it is located, not imported."""
    file: str
    """Path of a .jsonl, .json, .csv or YAML-free text file inside it."""
    fields: dict[str, str] | None = None
    """Columns there, where they differ from `fields`."""


class Suite(Strict):
    """One suite. Every field that is text is shown to people; nothing here is code.

    Not covered: pictures, tools that really run, and answers only a person can rate.
    """

    name: str
    """Short name for the command line: lower case, digits, `.`, `_`, `-`."""
    title: str
    """Full name, for tables."""
    kind: Kind
    """How it is measured."""
    measures: str
    """What a score means, in one sentence."""
    role: Literal["at_risk", "twin", "neutral"] | None = None
    """For `answers`: what the prompts are. At risk should be refused, twins answered;
    neutral prompts threaten nothing."""
    failure_mode: str = "harmful_compliance"
    """Failure mode of the prompts."""
    split_role: Literal["train", "dev", "test"] = "test"
    """What it may be used for. `test` is never tuned on."""
    licence: str
    """SPDX id or the owner's words; empty is not allowed."""
    citation: str
    """Authors, year, title."""
    note: str = ""
    """What to keep in mind when reading the score."""

    files: tuple[str, ...] = ()
    """Files below the suite folder (.jsonl, .json or .csv); several are read in order."""
    hub: HubSource | None = None
    """Where to find it on the hub."""
    package: PackageSource | None = None
    """Where to find it in an installed package."""
    own: Literal["dev", "test", "neutral"] | None = None
    """One of our own splits of matched twins, or our plain questions; no `files` then."""

    fields: dict[str, str] = Field(default_factory=dict)
    """Our field -> column: `id`, `prompt`, `group`; `choices` and `label`, or `scores`
    (text -> 0 or 1), or `best`, `correct` and `incorrect`, or `chosen` and `rejected`;
    `matching` and `not_matching`; `target`. A field of the same name may be left out."""
    where: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Column -> value; only rows with all of them are kept."""
    skip_faulty: bool = False
    """Rows with an empty or malformed field are left out, with a warning that counts
    them, instead of stopping everything. For published files that have such rows."""
    rows: int | None = Field(default=None, ge=1)
    """Rows the suite should have; another number is a warning."""
    sentinel: tuple[str, ...] = ()
    """First 12 hex digits of SHA-256 of prompts that must be there (spaces and case
    folded): a file put in another's place is told by it."""
    id_pattern: str = ""
    """Regular expression every id must match; "" for any."""
    twin: str = ""
    """Name of the suite whose prompts are this one's twins."""

    form: Literal["chat", "plain"] = "chat"
    """`chat`: the question is a user's message. `plain`: raw text, no chat template."""
    question: str = "$prompt"
    """The question's form; `$prompt` is put in once."""
    lead: str = " "
    """What stands between question and choice in plain form."""
    listed: bool = False
    """Choices are listed under letters in the question and scored by letter, in the
    order given and reversed; both are averaged."""
    cloze: str = ""
    """Sign in the prompt that each choice replaces; the text after it is scored."""
    normalise: Literal["sum", "bytes", "tokens"] = "sum"
    """Log-likelihoods are compared as sums, per byte of the choice, or per token."""
    better: Literal["higher", "lower", ""] = "higher"
    """For `ab`: whether matching the named behaviour is good."""
    max_tokens: int = Field(default=64, ge=1, le=4096)
    """Most new tokens an answer may have."""

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no suite name: use lower-case letters, digits, '.', '_' and '-'"
            )
        return name

    @field_validator("licence", "citation", "title", "measures")
    @classmethod
    def _said(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("is empty: write it (a licence by its SPDX id, such as Apache-2.0)")
        return text

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "answers" and self.role is None and self.own is None:
            raise ValueError("`role` is needed for kind `answers`: write at_risk, twin or neutral")
        if not (self.files or self.hub or self.package or self.own):
            raise ValueError(
                "nothing says where its rows are: no `files`; give `files`, `hub` or `package`"
            )
        if self.question.count("$prompt") != 1:
            raise ValueError("`question` holds `$prompt` not exactly once: write `$prompt` into it")
        if self.id_pattern:
            try:
                re.compile(self.id_pattern)
            except re.error as error:
                message = f"`id_pattern` cannot be read: {error.msg} in `{self.id_pattern}`"
                fix = "set its brackets in pairs: each `[` needs a `]`"
                raise ValueError(f"{message}; {fix}") from None
        return self


ItemRole = Literal["at_risk", "twin", "neutral", ""]


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt whose answer is generated and judged.

    Attributes:
        id: Unique in its suite; pairs models up, and twins where the suites say so.
        messages: The conversation; the last message is the user's.
        prefill: Text the answer must begin with, "" for none.
        role: What should happen: `at_risk` refused, `twin` answered.
        failure_mode: Which failure threatens.
        group: Attack family, subject or type; "" for none.
        request: The bare request inside an attack; what the answer is judged against.
        source: Id of the item that the attack was put around; "" outside of one. Not part
            of what is asked.
        twin: Id of the other half where the suite has twins, else "". Neither.
    """

    id: str
    messages: tuple[Message, ...]
    role: ItemRole
    failure_mode: str
    group: str = ""
    prefill: str = ""
    request: str = ""
    source: str = field(default="", repr=False)
    twin: str = field(default="", repr=False)

    @property
    def asked(self) -> str:
        """The bare request, or the last user message."""
        return self.request or self.messages[-1].content


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """A question whose options are scored.

    Attributes:
        id: Unique in its suite.
        orders: One entry per order of the options; each holds, per option in the
            *canonical* order, what the model reads and the text that is scored.
        right: Indices of the right (or behaviour-matching) options.
        sizes: Bytes of each option's text, for normalising.
        best: The option that counts as the one right answer; -1 where there are several.
        group: Subject or category, "" for none.
    """

    id: str
    orders: tuple[tuple[tuple[Request, str], ...], ...]
    right: frozenset[int]
    sizes: tuple[int, ...]
    best: int
    group: str = ""

"""Settings of pair building: one frozen, checked object."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .pair import P_BY_CONSTRUCTION

BuilderName = Literal["critique_revise", "contrast", "best_of_n", "teacher", "authored"]
LabelPolicy = Literal["calibrated", "construction", "comparison"]


RevisionContext = Literal["critique", "rule", "critique_alone", "prompt"]


class PairSettings(BaseModel):
    """How pairs are built. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    builder: BuilderName = "critique_revise"
    """Which builder makes the pairs."""
    seed: int = Field(default=0, ge=0)
    """Seeds principle choice, openings and sampling, per prompt."""
    round: int = Field(default=0, ge=0)
    """0-based round; part of every seed, so that each round drafts anew."""
    max_tokens: int = Field(default=40, ge=8, le=1024)
    """Most new tokens per answer, drafts and revisions alike (an opening not counted)."""
    critique_tokens: int = Field(default=32, ge=8, le=1024)
    """Most new tokens of the critic's reason."""
    temperature: float = Field(default=0.4, ge=0.0, le=2.0)
    """Sampling temperature of drafts and revisions; critiques are greedy. At 0.7 the
    embedded 135M model often leaves the subject."""
    top_p: float = Field(default=0.9, gt=0.0, le=1.0)
    """Nucleus mass of that sampling."""
    tries: int = Field(default=2, ge=1, le=5)
    """Most revisions of one draft: one that a filter would throw out, or that copies its
    instructions, is written again from the prompt alone, with another opening and seed."""
    revision_context: RevisionContext = "critique"
    """What a revision sees beside prompt and opening: `critique`, the critique and the rule;
    `rule`, the rule alone; `critique_alone`, the critique without the rule; `prompt`, neither
    (also for models so small that they copy what they see). Where no critique is seen, none
    is asked for, and no critique decides what makes a pair."""
    share_unprefilled: float = Field(default=0.8, ge=0.0, le=1.0)
    """Share of the prompts a plain answer does not fail on (harmless twins) whose chosen
    answer is that answer, so that good openings do not become a mark of the chosen side."""
    share_mirrored: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of elicited failing answers that open like the *good* answer to the twin
    prompt, so that wording alone does not give the label away."""
    p_chosen: float = Field(default=P_BY_CONSTRUCTION, ge=0.5, le=1.0)
    """Probability that the chosen answer is better, for labels by construction."""
    labels: LabelPolicy = "calibrated"
    """Where comparisons set labels: `calibrated`, where the comparator's calibration allows
    it; `construction`, nowhere; `comparison`, everywhere, measured or not."""
    label_range: tuple[float, float] = (0.5, 0.95)
    """A comparison's probability is clamped to this range before it becomes `p_chosen`."""
    votes: int = Field(default=1, ge=1, le=32)
    """Times a comparator without log-probabilities is asked in each order; above 1 it is
    sampled, and the share of its votes counts."""
    ensemble: int = Field(default=1, ge=1, le=16)
    """Most principles that judge one comparison; their mean counts."""
    revisions: int = Field(default=1, ge=1, le=8)
    """Rounds of critique and revision, each after the first under another principle, drawn
    by shared cues."""
    min_severity: int = Field(default=0, ge=0, le=3)
    """A draft that the critic finds less severe than this makes no pair; 0 does not ask, and
    neither does a `revision_context` without a critique."""
    candidates: int = Field(default=4, ge=2, le=16)
    """Answers per prompt that `best_of_n` chooses from."""
    teacher_rules: int = Field(default=5, ge=1, le=100)
    """Most principles that `teacher` is shown, the ones that share the most cues first."""
    balance: Literal["none", "drop", "reweight"] = "none"
    """What is done about pairs whose surface gives the label away: nothing, out with them
    (counted as filtered), or a smaller weight."""
    min_words: int = Field(default=5, ge=1)
    """Fewest words of either answer."""
    max_words: int = Field(default=120, ge=1)
    """Most words of either answer."""
    max_failed_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of the attempts that may end without a pair; and, before the first call, of
    the prompts that no principle guards against, which are no attempts."""

    @model_validator(mode="after")
    def _labels_possible(self) -> PairSettings:
        low, high = self.label_range
        if not 0.5 <= low <= high <= 1.0:
            raise ValueError(
                f"label_range {list(self.label_range)} is no range within 0.5 and 1: it clamps "
                "the probability of the answer held better"
            )
        if self.builder == "best_of_n" and self.labels == "construction":
            raise ValueError(
                "builder best_of_n has no label by construction: leave `labels` out, or take "
                "another builder"
            )
        return self

    @property
    def asks_critic(self) -> bool:
        """Whether drafts are criticised at all."""
        return self.revision_context in ("critique", "critique_alone")

    @model_validator(mode="after")
    def _limits_in_order(self) -> PairSettings:
        if self.min_words > self.max_words:
            raise ValueError(
                f"min_words {self.min_words} is above max_words {self.max_words}: no answer fits"
            )
        return self

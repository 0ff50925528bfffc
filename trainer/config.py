"""Everything that decides how a model is trained, in one frozen object."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..files.validation import Strict

Method = Literal["lora", "qlora", "full"]
Dtype = Literal["auto", "bfloat16", "float32"]
Loss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
]
Scheduler = Literal["linear", "cosine", "constant", "constant_with_warmup"]

Reference = Literal["initial", "previous"]
"""Where a training goes on from an earlier one. `initial`: the reference is the model before
any training; the anchor never moves. `previous`: the model as this training finds it; the
anchor follows."""

NOT_PART_OF_THE_RESULT = frozenset({"save_steps", "threads", "gradient_checkpointing"})
"""Fields that may differ when a stopped training is continued."""


class TrainConfig(Strict):
    """How to train. Unknown fields are refused.

    The defaults are meant for SmolLM2-135M-Instruct with a few hundred pairs; a
    larger model wants a lower `learning_rate` (about 5e-5 from 7B on).
    """

    method: Method = "lora"
    """`lora` trains low-rank adapters on a frozen base, `full` every weight.

    `qlora` is `lora` on a base held in 4 bits (NF4); it needs CUDA and bitsandbytes.
    """

    rank: int = Field(default=16, ge=1, le=1024)
    """LoRA: rank of each update."""

    alpha: int = Field(default=32, ge=1)
    """LoRA: updates are multiplied by alpha / rank."""

    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """LoRA: share of the adapter's inputs dropped while training, in [0, 1)."""

    target_modules: tuple[str, ...] = Field(default=("all-linear",), min_length=1)
    """LoRA: names of the linear layers adapted; `all-linear` is all but the output layer."""

    learning_rate: float = Field(default=1e-3, gt=0, le=1.0)
    """Highest learning rate of AdamW (its weight decay is 0)."""

    epochs: int = Field(default=2, ge=1)
    """Passes over the pairs."""

    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps at most; None for all epochs. The schedule is planned for it."""

    batch_size: int = Field(default=4, ge=1)
    """Pairs per forward and backward pass (two answers each), in each process."""

    gradient_accumulation: int = Field(default=1, ge=1)
    """Passes per optimizer step."""

    beta: float = Field(default=0.02, gt=0)
    """DPO's beta: the pull to the reference, per nat of log-ratio.

    With a label of p < 1 the loss is smallest at a log-ratio of log(p / (1 - p)) / beta: 29 nats
    at p = 0.95 and beta = 0.1, less than half a nat for each of some 70 tokens. That never
    reached the first word of an answer, where a small model decides to refuse or not.
    """

    loss: Loss = "sigmoid"
    """`sigmoid` is DPO with soft labels. The others are TRL's own, with its batches: labels and
    weights of pairs are then not used, and prompts not shared."""

    soft_loss: Literal["cross_entropy", "geometric"] = "cross_entropy"
    """How a label's uncertainty enters the loss: binary cross-entropy, or GDPO's geometric form."""

    sft_weight: float = Field(default=0.3, ge=0)
    """Weight of the chosen answer's mean negative log-likelihood (nats per token), added."""

    share_prompts: bool = True
    """Compute a prompt once for both answers, where the model can; the same up to rounding."""

    pairs_per_row: int = Field(default=1, ge=1)
    """Pairs packed in one row where prompts are shared, so that less is padded; the same up to
    rounding. On a CPU 4 at most."""

    gradient_checkpointing: bool = False
    """Keep only each layer's input for the backward pass and compute the rest again: the same
    result, about a third slower, in far less memory."""

    warmup_ratio: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the steps in which the rate rises linearly from 0, in [0, 1)."""

    warmup_steps: int | None = Field(default=None, ge=0)
    """The same as a number of steps; None for `warmup_ratio`. At least one step must follow."""

    scheduler: Scheduler = "cosine"
    """How the rate goes on after warm-up."""

    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""

    max_length: int = Field(default=512, ge=8)
    """Tokens of prompt and answer together; longer pairs are left out and counted, never cut."""

    dtype: Dtype = "auto"
    """Compute type: `auto` is bfloat16 where the hardware multiplies it natively, else float32.

    Trained weights are float32 in every case, since small updates vanish in bfloat16.
    """

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seeds adapter initialisation, order of the pairs and dropout."""

    save_steps: int = Field(default=20, ge=1)
    """Optimizer steps between checkpoints: the most that a kill can lose."""

    threads: int | None = Field(default=None, ge=1)
    """CPU threads; None leaves torch's choice. The last bits of a result depend on it."""

    @property
    def adapts(self) -> bool:
        """Whether an adapter is trained, not the model itself."""
        return self.method != "full"

    @property
    def leaves(self) -> str:
        """Name of the folder that the trained weights are left in."""
        return "adapter" if self.adapts else "model"

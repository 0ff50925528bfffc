"""DPO whose labels are probabilities and whose rows have weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from transformers import Trainer
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer

from .checkpoint import seal
from .guards import check_finite
from .logps import completion_logps

SoftLoss = Literal["cross_entropy", "geometric"]


def soft_dpo_loss(
    delta: torch.Tensor,
    p_chosen: torch.Tensor,
    weight: torch.Tensor,
    beta: float,
    form: SoftLoss = "cross_entropy",
) -> torch.Tensor:
    """Loss of each pair under an uncertain label.

    `w * [-p log sig(beta d) - (1 - p) log sig(-beta d)]`: the cross-entropy between
    the label and the Bradley-Terry probability DPO implies. `p = 1, w = 1` is DPO
    (Rafailov et al. 2023, eq. 7); one p for all rows is conservative DPO (Mitchell,
    "A note on DPO with noisy preferences", 2023). For p < 1 the loss is smallest at
    `beta d = log(p / (1 - p))`, so a margin is not pushed without end.

    `geometric` is GDPO (Furuta et al. 2024, "Geometric-averaged preference optimization
    for soft preference labels", eq. 12): `-w log sig(beta (2p - 1) d)`. An uncertain
    label has a smaller gradient, none at p = 0.5, and no margin is too large.

    Args:
        delta: Log-ratio of chosen minus log-ratio of rejected, nats, (B,).
        p_chosen: Probability that chosen is better, in [0.5, 1], (B,).
        weight: Relative weight, above 0, (B,).
        beta: DPO's beta.
        form: How uncertainty enters.

    Returns:
        Loss per pair, (B,). Weights are not normalised: their mean scales the step.
    """
    logits = beta * delta
    if form == "geometric":
        return -weight * F.logsigmoid((2 * p_chosen - 1) * logits)
    return -weight * (p_chosen * F.logsigmoid(logits) + (1 - p_chosen) * F.logsigmoid(-logits))


@dataclass
class SoftPairCollator:
    """Pads tokenized pairs (chosen rows first, then rejected) and keeps label and weight."""

    pad_token_id: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Returns TRL's batch of (2B, T) plus `p_chosen` and `weight` of (B,)."""
        batch: dict[str, torch.Tensor] = DataCollatorForPreference(self.pad_token_id)(rows)
        for name in ("p_chosen", "weight"):
            batch[name] = torch.tensor([row[name] for row in rows], dtype=torch.float32)
        return batch


class SoftDPOTrainer(DPOTrainer):
    """TRL's DPO trainer, with `p_chosen` and `weight` of each row in the loss.

    Expects tokenized rows (`rows.py`) with reference log-probs already attached
    (`reference.py`). Losses other than `sigmoid` and `sft` go to TRL unchanged, and
    then ignore label and weight.

    A step's loss is its sum over pairs divided by the step's pairs (SFT: by the step's
    chosen tokens), over all passes of gradient accumulation and all processes. So one
    pass of eight pairs and eight passes of one give the same step.
    """

    shares_prompts = False
    pairs_per_row = 1
    attention_before = ""  # the model's own, where FlexAttention replaced it
    soft_loss: SoftLoss = "cross_entropy"
    watched = False
    """Whether a callback leaves out steps that are not finite; else the first one raises."""

    @property
    def labels_count(self) -> bool:
        """Whether `p_chosen` and `weight` reach the loss; TRL's other losses know neither."""
        return set(self.loss_types) <= {"sigmoid", "sft"}

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """Notes the whole step's totals in each of its batches, and which rows count.

        An epoch's last batch is filled up with pairs of its beginning, so that every
        process has as many. Those do not count: the step is the one process's.
        """
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if batches and "p_chosen" in batches[0]:
            for batch in batches:
                batch["counts"] = torch.ones_like(batch["p_chosen"])
            self._leave_out_fillers(batches[-1])
            totals = torch.stack(
                [
                    torch.stack([batch["counts"].sum() for batch in batches]).sum(),
                    torch.stack([_chosen_tokens(batch) for batch in batches]).sum(),
                ]
            ).to(device)
            # The mean over processes: gradients are averaged over them, too.
            totals = self.accelerator.reduce(totals, reduction="mean") / len(batches)
            for batch in batches:
                batch["step_totals"] = totals
        return batches, items

    def _leave_out_fillers(self, batch: dict[str, torch.Tensor]) -> None:
        """Takes rows beyond the data set's end out of an epoch's last batch."""
        state = self.accelerator.gradient_state
        if self.accelerator.num_processes == 1 or not state.end_of_dataloader:
            return
        if state.remainder > 0:  # rows of this batch, over all processes, that are not fillers
            rows = len(batch["counts"])
            first = self.accelerator.process_index * rows
            places = torch.arange(first, first + rows, device=batch["counts"].device)
            batch["counts"] *= places < state.remainder

    def _prepare_dataset(self, dataset: Any, processing: Any, args: Any, name: str) -> Any:
        return dataset  # rows come tokenized; TRL would render and cut them its own way

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        return dataset  # attached afterwards, in batches sorted by length, from the store

    def _send_telemetry(self) -> None:
        """Nothing about a training leaves the machine."""

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], outputs: bool) -> Any:
        batch = dict(inputs)
        p_chosen, weight = batch.pop("p_chosen"), batch.pop("weight")  # (B,)
        counts = batch.pop("counts", torch.ones_like(weight))  # 1, or 0 for a filler
        totals = batch.pop("step_totals", None)  # pairs and tokens per pass
        weight = weight * counts
        if outputs or not self.labels_count:
            stock: Any = super()._compute_loss  # untyped
            return stock(model, batch, outputs)
        logps, tokens = completion_logps(self, model, batch)  # (2B,)
        chosen, rejected = logps.chunk(2)  # (B,) each: the collator puts chosen first
        chosen_ratio = chosen - batch["ref_chosen_logps"]
        rejected_ratio = rejected - batch["ref_rejected_logps"]
        delta = chosen_ratio - rejected_ratio
        if totals is None:
            totals = torch.stack([torch.tensor(len(delta)), tokens.chunk(2)[0].sum().cpu()])
        losses = soft_dpo_loss(delta, p_chosen, weight, self.beta, self.soft_loss)
        parts = {
            "sigmoid": losses.sum() / totals[0],
            "sft": -(weight * chosen).sum() / totals[1],  # mean over tokens, as in TRL
        }
        loss = torch.stack(
            [parts[kind] * w for kind, w in zip(self.loss_types, self.loss_weights, strict=True)]
        ).sum()
        check_finite(self, loss)
        self._record(counts, chosen, rejected, chosen_ratio, rejected_ratio)
        return loss

    def _record(
        self,
        counts: torch.Tensor,
        chosen: torch.Tensor,
        rejected: torch.Tensor,
        chosen_ratio: torch.Tensor,
        rejected_ratio: torch.Tensor,
    ) -> None:
        """Notes the means of one batch, over all processes, under TRL's metric names."""
        gain = self.beta * chosen_ratio.detach()
        drop = self.beta * rejected_ratio.detach()
        values = {
            "rewards/chosen": gain,
            "rewards/rejected": drop,
            "rewards/accuracies": (gain > drop).float(),
            "rewards/margins": gain - drop,
            "logps/chosen": chosen.detach(),
            "logps/rejected": rejected.detach(),
        }
        policy: Any = self.model
        notes = self._metrics["train" if policy.training else "eval"]
        counted = self.accelerator.gather(counts)
        for name, value in values.items():
            mean = (self.accelerator.gather(value) * counted).sum() / counted.sum()
            notes[name].append(mean.item())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # Past DPOTrainer's version, which writes a model card at every checkpoint.
        Trainer._save_checkpoint(self, model, trial)
        self.accelerator.wait_for_everyone()  # each process writes its random state
        if self.accelerator.is_main_process:
            seal(str(self.args.output_dir), self.state.global_step)
        self.accelerator.wait_for_everyone()


def _chosen_tokens(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Chosen completion tokens of the rows that count."""
    mask = batch["completion_mask"]
    per_row = mask[: len(mask) // 2, 1:].sum(dim=1)  # (B,)
    return (per_row * batch["counts"]).sum()


def loss_arguments(sft_weight: float, loss: str = "sigmoid") -> dict[str, Any]:
    """`loss_type` and `loss_weights` for TRL's config."""
    if sft_weight == 0:
        return {"loss_type": [loss]}
    return {"loss_type": [loss, "sft"], "loss_weights": [1.0, sft_weight]}

"""Training and generation on one GPU: pairs per second beside stock TRL, and where the time goes.

    python benchmarks/gpu.py [--size 1.5b] [--pairs 8] [--steps 12] [--out FILE]

Weights are random (a Qwen2-like model), token ids too, so nothing is downloaded; trl, peft,
datasets and pydantic have to be importable. Every row trains the same pairs (512 tokens of
prompt, two answers of 256), with the same LoRA or all weights, bf16, no gradient
checkpointing, the reference's log-probabilities given. Steps are timed after warm-up, with
the device synchronised; memory is the peak that torch allocated. `matrix rate` counts the
multiplications that a layout really does (a shared prompt once) against the rate of one
large bf16 product measured in the same process. Generation compares our decode loop with
transformers' `generate_batch` and `generate` on the same prompts, greedily.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
import trl
from anlage.llm.local.decoding import Row, decode
from anlage.llm.request import Request
from anlage.trainer.logps import causal_model, choose_layout
from anlage.trainer.shared_prefix import use_attention, use_flex
from anlage.trainer.soft_dpo import SoftDPOTrainer, SoftPairCollator
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hidden": 64, "inner": 128, "layers": 2, "heads": 4, "kv": 2, "words": 512},
    "1.5b": {"hidden": 1536, "inner": 8960, "layers": 28, "heads": 12, "kv": 2, "words": 151_936},
}
PROMPT, ANSWER = 512, 256
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Measured:
    """One row of the table.

    Attributes:
        what: Trainer, layout and method.
        pairs_per_second: Median over the timed steps.
        tokens: Tokens a step's forward pass reads, padding left out.
        rate: Share of the measured matrix rate, in [0, 1].
        peak: Peak memory, GB.
        loss: Of the first step, which must agree between layouts.
        note: What the layout trial said, or why there is no figure.
    """

    what: str
    pairs_per_second: float
    tokens: int
    rate: float
    peak: float
    loss: float
    note: str = ""


class Stock(DPOTrainer):
    """TRL's own trainer on tokenized rows whose reference is known."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
        return dataset


def sync() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def make_model(size: str) -> Any:
    shape = SIZES[size]
    config = transformers.Qwen2Config(
        hidden_size=shape["hidden"],
        intermediate_size=shape["inner"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv"],
        vocab_size=shape["words"],
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        use_sliding_window=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model = transformers.Qwen2ForCausalLM(config)
    moved: Any = model
    return moved.to(torch.bfloat16)


def make_tokenizer(words: int) -> Any:
    inner = Tokenizer(models.WordLevel({f"w{i}": i for i in range(words)}, unk_token="w3"))
    make: Any = transformers.PreTrainedTokenizerFast  # untyped
    return make(
        tokenizer_object=inner,
        pad_token="w0",
        bos_token="w1",
        eos_token="w2",
    )


def make_rows(count: int, words: int) -> list[dict[str, Any]]:
    draw = torch.Generator().manual_seed(0)

    def ids(length: int) -> list[int]:
        return torch.randint(4, words, (length,), generator=draw).tolist()

    return [
        {
            "prompt_ids": ids(PROMPT),
            "chosen_ids": ids(ANSWER),
            "rejected_ids": ids(ANSWER),
            "p_chosen": 1.0,
            "weight": 1.0,
            "ref_chosen_logps": -11.0 * ANSWER,
            "ref_rejected_logps": -11.0 * ANSWER,
        }
        for _ in range(count)
    ]


def matrix_rate() -> float:
    """Multiply-adds a second x 2 of one large bf16 product, the best of five."""
    width = 8192 if DEVICE == "cuda" else 512
    left, right = (torch.randn(width, width, device=DEVICE, dtype=torch.bfloat16) for _ in "ab")
    best = float("inf")
    for _ in range(8):
        sync()
        start = time.perf_counter()
        left @ right
        sync()
        best = min(best, time.perf_counter() - start)
    return 2 * width**3 / best


def work(size: str, pairs: int, *, shared: bool, full: bool) -> tuple[int, float]:
    """Tokens of a step's forward pass, and the multiplications of the whole step x 2.

    Layers see every token, the output layer the answers' positions. Attention is counted
    over the whole triangle. A frozen layer has no gradient of its weights.
    """
    shape = SIZES[size]
    sequence = PROMPT + 2 * ANSWER if shared else 2 * (PROMPT + ANSWER)
    tokens = pairs * sequence
    head = shape["hidden"] // shape["heads"]
    layer = (
        2 * shape["hidden"] ** 2
        + 2 * shape["hidden"] * head * shape["kv"]
        + 3 * shape["hidden"] * shape["inner"]
    )
    passes = 3 if full else 2
    body = 2 * layer * shape["layers"] * tokens * passes
    output = 2 * shape["hidden"] * shape["words"] * pairs * 2 * ANSWER * passes
    lengths = [PROMPT, ANSWER, ANSWER] if shared else [PROMPT + ANSWER] * 2
    seen = (
        PROMPT**2 / 2 + 2 * ANSWER * (PROMPT + ANSWER / 2)
        if shared
        else sum(n**2 / 2 for n in lengths)
    )
    attention = 4 * seen * shape["hidden"] * shape["layers"] * pairs * 3
    return tokens, body + output + attention


def train(
    what: str, size: str, given: argparse.Namespace, rate: float, layout: str, full: bool
) -> Measured:
    """Times the steps of one trainer; a failure becomes a row with its reason."""
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    rows = make_rows(given.pairs, SIZES[size]["words"])
    ours = layout != "stock"
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(
            output_dir=folder,
            per_device_train_batch_size=given.pairs,
            learning_rate=1e-5,
            bf16=True,
            use_cpu=DEVICE == "cpu",
            gradient_checkpointing=False,
            precompute_ref_log_probs=True,
            max_length=None,
            report_to="none",
            save_strategy="no",
        )
        keep = {} if ours else {"p_chosen", "weight"}
        data = Dataset.from_list([{k: v for k, v in r.items() if k not in keep} for r in rows])
        settings: dict[str, Any] = {
            "model": make_model(size),
            "args": args,
            "train_dataset": data,
            "processing_class": make_tokenizer(SIZES[size]["words"]),
        }
        if not full:
            settings["peft_config"] = LoraConfig(
                r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
            )
        if ours:
            settings["data_collator"] = SoftPairCollator(0)
        trainer: Any = (SoftDPOTrainer if ours else Stock)(**settings)
        note = _lay_out(trainer, rows, layout) if ours else ""
        seconds, loss = _steps(trainer, rows, given.steps, ours)
    tokens, flops = work(size, given.pairs, shared=trainer_shares(trainer), full=full)
    median = statistics.median(seconds)
    peak = torch.cuda.max_memory_allocated() / 1e9 if DEVICE == "cuda" else 0.0
    share = flops / median / rate
    return Measured(what, given.pairs / median, tokens, share, peak, loss, note)


def trainer_shares(trainer: Any) -> bool:
    return bool(getattr(trainer, "shares_prompts", False))


def _lay_out(trainer: Any, rows: list[dict[str, Any]], layout: str) -> str:
    causal = causal_model(trainer)
    if layout == "chosen":
        return choose_layout(trainer, rows)
    if layout == "flex":
        use_flex(causal)
    else:
        use_attention(causal, "sdpa")
    trainer.shares_prompts = layout in {"flex", "sdpa"}
    return ""


def _steps(trainer: Any, rows: list[Any], steps: int, ours: bool) -> tuple[list[float], float]:
    model = trainer.model.to(DEVICE).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-5, fused=DEVICE == "cuda")
    collated = trainer.data_collator([dict(row) for row in rows])
    batch = {k: v.to(DEVICE) for k, v in collated.items() if isinstance(v, torch.Tensor)}
    seconds, first = [], float("nan")
    for step in range(steps):
        sync()
        start = time.perf_counter()
        with trainer.accelerator.autocast():
            loss = trainer.compute_loss(model, dict(batch))
        trainer.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        sync()
        seconds.append(time.perf_counter() - start)
        first = float(loss) if step == 0 else first
    return seconds[max(1, steps // 3) :], first


def generation(size: str, prompts: int, tokens: int) -> list[dict[str, Any]]:
    """Tokens per second of each way to write, with end tokens switched off."""
    model = make_model(size).eval()
    words = SIZES[size]["words"]
    tokenizer = make_tokenizer(words)
    ids = [row["prompt_ids"][:128] for row in make_rows(prompts, words)]
    make: Any = transformers.GenerationConfig  # untyped
    settings = make(
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=2,
    )

    def loop() -> int:
        rows = [
            Row(Request((), max_tokens=tokens, temperature=0.0), list(some), tokens) for some in ids
        ]
        decode(model, tokenizer, rows, frozenset(), lambda: False)
        return sum(len(row.tokens) for row in rows)

    def padded() -> int:
        given = torch.tensor(ids, device=DEVICE)
        mask = torch.ones_like(given)
        out = model.generate(given, attention_mask=mask, generation_config=settings)
        return int(out.shape[0] * (out.shape[1] - given.shape[1]))

    def continuous() -> int:
        out = model.generate_batch(inputs=[list(some) for some in ids], generation_config=settings)
        return sum(len(answer.generated_tokens) for answer in out.values())

    ways: dict[str, Callable[[], int]] = {
        "our loop": loop,
        "generate": padded,
        "generate_batch": continuous,
    }
    found = []
    with torch.no_grad():  # generate_batch writes into tensors of its own in other threads
        for name, way in ways.items():
            found.append({"way": name, **_timed(way)})
            print(json.dumps(found[-1]), flush=True)
    return found


def _timed(way: Callable[[], int]) -> dict[str, Any]:
    try:
        way()
        sync()
        start = time.perf_counter()
        count = way()
        sync()
        if not count:
            raise RuntimeError("it wrote nothing")
        return {"tokens_per_second": count / (time.perf_counter() - start), "tokens": count}
    except Exception as error:  # one way that cannot run must not hide the others
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {str(error)[:200]}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="1.5b")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rate = matrix_rate()
    head = {
        "date": str(datetime.date.today()),
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
        "matrix_rate_tflops": rate / 1e12,
        **{k: v for k, v in vars(given).items() if k != "out"},
    }
    print(json.dumps(head), flush=True)
    rows: list[dict[str, Any]] = []
    cases = [
        ("stock TRL, LoRA", "stock", False),
        ("ours as chosen, LoRA", "chosen", False),
        ("ours plain, LoRA", "plain", False),
        ("ours shared SDPA, LoRA", "sdpa", False),
        ("ours shared FlexAttention, LoRA", "flex", False),
        ("stock TRL, all weights", "stock", True),
        ("ours as chosen, all weights", "chosen", True),
    ]
    if DEVICE == "cpu":  # FlexAttention has no backward pass there
        cases = [case for case in cases if case[1] != "flex"]
    written: dict[str, Any] = {"head": head, "training": rows, "generation": []}
    for what, layout, full in cases:
        try:
            rows.append(asdict(train(what, given.size, given, rate, layout, full)))
        except Exception as error:  # one layout that cannot run must not hide the others
            traceback.print_exc()
            rows.append({"what": what, "note": f"{type(error).__name__}: {str(error)[:200]}"})
        print(json.dumps(rows[-1]), flush=True)
        if given.out:
            given.out.write_text(json.dumps(written, indent=1))
    written["generation"] = generation(given.size, given.prompts, given.tokens)
    if given.out:
        given.out.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()

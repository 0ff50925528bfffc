"""Tokens per second of many critiques that begin alike, against stock batched `generate`.

python benchmarks/critiques.py [--rows 256] [--prefix 400] [--tokens 96] [--rounds 1]

Every prompt has the same first `--prefix` tokens (rules and instructions) and an answer of
its own to judge. Ours is `LocalModel.complete` as a run calls it; stock is transformers'
`generate` on the same prompts in the same batches, sorted by length, greedy, in the same
data type. Rounds alternate and the median is printed. `--check` compares the greedy texts in
fp32. End of text is switched off on both sides unless `--stops` is given, so that every row
writes all its tokens; with it, rows that end leave our batches early.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from anlage.constitution.compiler import compile_constitution
from anlage.llm.batching import plan_batches
from anlage.llm.local.decoding import pad_left
from anlage.llm.local.encoding import encode_request
from anlage.llm.local.model import LocalModel
from anlage.llm.message import Message
from anlage.llm.request import Completion, Request
from anlage.prompts.labelled import load_labelled

CPU = [
    line.split(":", 1)[1].strip()
    for line in Path("/proc/cpuinfo").read_text().splitlines()
    if line.startswith("model name")
]

TASK = "\nJudge the answer by the rules above. First give your reason.\nThe answer:\n<<<\n"


def requests(model: LocalModel, rows: int, prefix: int, tokens: int) -> list[Request]:
    """Prompts whose first `prefix` tokens are the same; the answers differ in length."""
    rules = " ".join(p.statement + " " + p.negative for p in compile_constitution())
    ids = model.tokenizer(rules, add_special_tokens=False)["input_ids"]
    ask = model.tokenizer(TASK, add_special_tokens=False)["input_ids"]
    head = len(encode_request(model.tokenizer, Request((Message("user", ""),)))[0])
    shared = model.tokenizer.decode(ids[: prefix - len(ask) - head]) + TASK
    pairs = load_labelled()
    answers = [text for pair in pairs for text in (pair.good, pair.failing)]
    return [
        Request((Message("user", shared + answers[n % len(answers)] + "\n>>>"),), max_tokens=tokens)
        for n in range(rows)
    ]


def ours(model: LocalModel, asked: list[Request]) -> tuple[int, list[str]]:
    found: list[Completion] = asyncio.run(model.complete(asked))
    return sum(a.usage.completion_tokens for a in found), [a.text for a in found]


def stock(model: LocalModel, asked: list[Request], *, stops: bool) -> tuple[int, list[str]]:
    ids = [encode_request(model.tokenizer, r)[0] for r in asked]
    texts = [""] * len(asked)
    written, most = 0, asked[0].max_tokens
    for batch in plan_batches([len(row) for row in ids], model.batch_size):
        padded, mask, _ = pad_left([ids[index] for index in batch], model.model.device)
        least: dict[str, Any] = {} if stops else {"min_new_tokens": most}
        out = model.model.generate(
            input_ids=padded,
            attention_mask=mask,
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=model.tokenizer.pad_token_id,
            **least,
        )
        for index, row in zip(batch, out[:, padded.shape[1] :], strict=True):
            kept = row.tolist()
            ends = [at for at, token in enumerate(kept) if token in model.stop_ids]
            kept = kept[: ends[0]] if ends and stops else kept
            written += len(kept)
            texts[index] = model.tokenizer.decode(kept, skip_special_tokens=True)
    return written, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--prefix", type=int, default=400)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--stops", action="store_true")
    parser.add_argument("--check", action="store_true", help="Compare the texts in fp32.")
    given = parser.parse_args()
    dtype = "float32" if given.check else given.dtype
    model = LocalModel.load(given.model, dtype=dtype, batch_size=given.batch)
    asked = requests(model, given.rows, given.prefix, given.tokens)
    lengths = [len(encode_request(model.tokenizer, r)[0]) for r in asked]
    if not (given.stops or given.check):
        model.stop_ids = frozenset()
    print(
        f"{given.model}, {dtype}, {given.rows} prompts of {min(lengths)} to {max(lengths)} tokens, "
        f"{given.prefix} shared, {given.tokens} new, batches of {given.batch}\n"
        f"{CPU[0]}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{datetime.date.today()}",
        flush=True,
    )
    stops = given.stops or given.check
    rates: dict[str, list[float]] = {"ours": [], "generate": []}
    texts: dict[str, list[str]] = {}
    for _ in range(given.rounds):
        for name in rates:
            started = time.perf_counter()
            if name == "ours":
                count, texts[name] = ours(model, asked)
            else:
                count, texts[name] = stock(model, asked, stops=stops)
            seconds = time.perf_counter() - started
            rates[name].append(count / seconds)
            print(f"{name}: {count} tokens in {seconds:.1f} s", flush=True)
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["generate"])
    print(" ".join(f"{name} {statistics.median(r):.0f} tokens/s" for name, r in rates.items()))
    print(f"ours / generate = {ratio:.2f}")
    if given.check:
        same = sum(a == b for a, b in zip(texts["ours"], texts["generate"], strict=True))
        print(f"same greedy texts: {same} of {len(asked)}")


if __name__ == "__main__":
    main()

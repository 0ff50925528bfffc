"""Tokens per second of our decode loop against transformers' own `generate`.

Run from the repository root: `python -m benchmarks.generation` or
`python benchmarks/generation.py`. Both decode greedily, on the same prompts, with
end-of-text switched off so that every row writes all its tokens.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from anlage.llm.local.decoding import Row, decode, pad_left
from anlage.llm.local.encoding import encode_request
from anlage.llm.local.model import LocalModel
from anlage.llm.message import Message
from anlage.llm.request import Request

TOPICS = ("bread", "a bicycle", "the sea", "an old clock", "tomatoes", "a violin", "snow", "ants")
FORMS = (
    "How do people usually take care of {}, and what goes wrong most often?",
    "Write a few lines about {} for someone who has never thought about it.",
    "Is it true that {} was once worth more than gold? Please explain.",
    "My neighbour keeps asking me about {}. What should I tell him today?",
)


def requests(rows: int, tokens: int, temperature: float) -> list[Request]:
    texts = [form.format(topic) for form in FORMS for topic in TOPICS]
    return [
        Request(
            (Message("user", texts[row % len(texts)]),),
            max_tokens=tokens,
            temperature=temperature,
            top_p=0.95 if temperature else 1.0,
            seed=row,
        )
        for row in range(rows)
    ]


def ours(model: LocalModel, asked: list[Request]) -> int:
    rows = [Row(r, encode_request(model.tokenizer, r)[0], r.max_tokens) for r in asked]
    decode(model.model, model.tokenizer, rows, frozenset(), lambda: False)
    return sum(len(row.tokens) for row in rows)


def stock(model: LocalModel, asked: list[Request]) -> int:
    ids = [encode_request(model.tokenizer, r)[0] for r in asked]
    padded, mask, _ = pad_left(ids, model.model.device)
    tokens = asked[0].max_tokens
    sampling: dict[str, Any] = (
        {"do_sample": True, "temperature": asked[0].temperature, "top_p": asked[0].top_p}
        if asked[0].temperature
        else {"do_sample": False}
    )
    out = model.model.generate(
        input_ids=padded,
        attention_mask=mask,
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        pad_token_id=model.tokenizer.pad_token_id,
        **sampling,
    )
    return int((out.shape[1] - padded.shape[1]) * out.shape[0])


def measure(run: Callable[[], int], repeats: int) -> tuple[float, float]:
    """Median tokens per wall second, and median tokens per CPU second."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        tokens = run()
        walls.append(tokens / (time.perf_counter() - wall))
        cpus.append(tokens / (time.process_time() - cpu))
    return statistics.median(walls), statistics.median(cpus)


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    model = LocalModel.load(given.model, batch_size=given.rows, threads=given.threads)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{given.model}, {model.model.dtype}, {given.rows} rows x {given.tokens} new tokens, "
        f"median of {given.repeats}\n{device}, {torch.get_num_threads()} threads{load}, "
        f"torch {torch.__version__}, {datetime.date.today()}\n"
    )
    print("| loop | mode | tokens/s | tokens/CPU-s |\n|---|---|---|---|")
    for mode, temperature in (("greedy", 0.0), ("t=0.8 p=0.95", 0.8)):
        asked = requests(given.rows, given.tokens, temperature)
        for name, loop in (("ours", ours), ("generate", stock)):
            loop(model, asked[:2])  # warm-up
            wall, cpu = measure(lambda loop=loop, asked=asked: loop(model, asked), given.repeats)  # type: ignore[misc]
            print(f"| {name} | {mode} | {wall:.0f} | {cpu:.0f} |", flush=True)


if __name__ == "__main__":
    main()

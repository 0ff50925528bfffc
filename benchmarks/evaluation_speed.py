"""Scored suites against a plain loop, and against lm-evaluation-harness where it is installed.

    python benchmarks/evaluation_speed.py --suite-dir DIR --items 24
    python benchmarks/evaluation_speed.py --suite-dir DIR --items 24 --lm-eval

The plain loop runs the model once per option, one text at a time, on the whole text and the
whole vocabulary, in fp32, as a first version would. Ours is what `anlage evaluate` uses. Both see
the same items on the same machine, one after the other. Times are processor seconds of all threads,
so that other work on the machine does not count; only the ratio means anything elsewhere.
With `--lm-eval` the harness scores the suites in plain form (`pip install lm_eval`, in an
environment of its own). The results stand in `evaluation.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from anlage.evaluation.suites.plan import Wish, load_wishes
from anlage.llm.local.encoding import encode_scored
from anlage.llm.local.model import LocalModel
from anlage.llm.request import Request, Score

SUITES = ("hellaswag", "truthfulqa", "mmlu", "sycophancy", "hhh", "winogrande", "lambada")
Texts = list[tuple[Request, str]]


def texts_of(suite: str, folder: Path, items: int) -> Texts:
    loaded = load_wishes([Wish(suite, "", items)], folder)[0]
    return [text for item in loaded.choices for order in item.orders for text in order]


@torch.inference_mode()
def plain_loop(model: LocalModel, texts: Texts) -> list[float]:
    """One forward pass per text, nothing shared, every logit computed."""
    totals = []
    for request, text in texts:
        ids, count = encode_scored(model.tokenizer, request, text)
        logits = model.model(input_ids=torch.tensor([ids])).logits[0].float()
        logprobs = torch.log_softmax(logits, dim=-1)
        places = range(len(ids) - count, len(ids))
        totals.append(sum(float(logprobs[place - 1, ids[place]]) for place in places))
    return totals


def ours(model: LocalModel, texts: Texts) -> list[Score]:
    return asyncio.run(model.score(texts))


def harness(model: LocalModel, texts: Texts) -> list[tuple[float, bool]]:
    """The same contexts and continuations through lm-evaluation-harness."""
    import transformers

    old: Any = transformers
    if not hasattr(old, "AutoModelForVision2Seq"):  # the harness still asks for the old name
        old.AutoModelForVision2Seq = transformers.AutoModelForImageTextToText
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    wrapped = HFLM(pretrained=model.model, tokenizer=model.tokenizer, batch_size=8)
    asked = [
        Instance("loglikelihood", {}, (request.prefill, text), number)
        for number, (request, text) in enumerate(texts)
    ]
    found = wrapped.loglikelihood(asked, disable_tqdm=True)
    return [(float(total), bool(greedy)) for total, greedy in found]


def compare(name: str, model: LocalModel, texts: Texts, *, with_harness: bool) -> str:
    ours(model, texts[:4])  # warm
    begin = time.process_time()
    scores = ours(model, texts)
    middle = time.process_time()
    plain = plain_loop(model, texts)
    end = time.process_time()
    gaps = [abs(s.logprob - p) for s, p in zip(scores, plain, strict=True)]
    each = max(gap / s.tokens for gap, s in zip(gaps, scores, strict=True))
    times = (end - middle, middle - begin)
    cells = [name, str(len(texts)), *(f"{t:.1f}" for t in times), f"{times[0] / times[1]:.1f}"]
    cells += [f"{each:.1e}", f"{max(gaps):.1e}"]
    if with_harness:
        cells.append(_against_harness(model, texts, scores))
    return f"| {' | '.join(cells)} |"


def _against_harness(model: LocalModel, texts: Texts, scores: Sequence[Score]) -> str:
    if any(request.messages for request, _ in texts):
        return "chat form"
    theirs = harness(model, texts)
    gap = max(abs(s.logprob - t) for s, (t, _) in zip(scores, theirs, strict=True))
    differ = sum(s.greedy != g for s, (_, g) in zip(scores, theirs, strict=True))
    return f"{gap:.1e}, greedy differs {differ}x"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite-dir", type=Path, required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--items", type=int, default=24, help="per suite, drawn with seed 0")
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("--lm-eval", action="store_true")
    arguments = parser.parse_args()
    model = LocalModel.load(arguments.model, dtype="float32")
    print(f"{arguments.model}, fp32, {torch.get_num_threads()} threads\n")
    more = " harness: largest difference |" if arguments.lm_eval else ""
    print(
        "| suite | texts | plain loop, CPU s | ours, CPU s | ratio | per token, nats | sum, nats |"
        + more
    )
    print("|---|---|---|---|---|---|---|" + ("---|" if arguments.lm_eval else ""))
    for name in arguments.suites.split(","):
        texts = texts_of(name, arguments.suite_dir, arguments.items)
        print(compare(name, model, texts, with_harness=arguments.lm_eval), flush=True)


if __name__ == "__main__":
    main()

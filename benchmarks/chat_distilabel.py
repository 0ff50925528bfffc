"""Calls per second of distilabel's OpenAI client, run by `chat.py --distilabel PYTHON`.

PYTHON is an interpreter with distilabel 1.5.3 (`pip install 'distilabel[openai]==1.5.3'` in an
environment of its own: it pins other versions than ours). Its unit of concurrency is a batch:
64 conversations at a time, all awaited before the next 64, as its pipeline's steps do.
"""

from __future__ import annotations

import sys
import time

IN_FLIGHT = 64


def main(url: str, calls: int, number: int) -> None:
    from distilabel.models import OpenAILLM

    model = OpenAILLM(model="tiny", base_url=url, api_key="none", max_retries=0)
    model.load()
    texts = [f"question {number} {n} " + "word " * 100 for n in range(calls)]
    inputs = [[{"role": "user", "content": text}] for text in texts]
    model.generate(inputs=inputs[:1], max_new_tokens=64, temperature=0.0)
    started = time.perf_counter()
    for start in range(0, calls, IN_FLIGHT):
        found = model.generate(
            inputs=inputs[start : start + IN_FLIGHT], max_new_tokens=64, temperature=0.0
        )
        assert all(answer["generations"][0] for answer in found)
    print(calls / (time.perf_counter() - started))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

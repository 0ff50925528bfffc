from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import PairError, TrainingError
from anlage.preferences.dataset import Pairs
from anlage.trainer.rows import hash_pairs, load_pairs, tokenize
from transformers import AutoTokenizer

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pair, make_pairs


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoTokenizer.from_pretrained(str(make_tiny_model(tmp_path_factory.mktemp("model"))))


def test_rows_read_as_the_model_reads_and_writes(tokenizer: Any) -> None:
    pair = make_pair(0)
    row = tokenize([pair], tokenizer, 512).rows[0]
    prompt = f"<|im_start|>user\n{pair.prompt[0].content}<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(row["prompt_ids"]) == prompt
    assert tokenizer.decode(row["chosen_ids"]) == pair.chosen + "<|im_end|>"
    assert tokenizer.decode(row["rejected_ids"]) == pair.rejected + "<|im_end|>"
    assert (row["p_chosen"], row["weight"]) == (0.95, 1.0)


def test_a_long_pair_is_left_out_and_counted_never_cut(tokenizer: Any) -> None:
    long = replace(make_pair(1), rejected="here is why. " * 200)
    rows = tokenize([make_pair(0), long, make_pair(2)], tokenizer, 256)
    assert rows.too_long == 1
    assert [row["index"] for row in rows.rows] == [0, 2]


def test_all_pairs_too_long_says_how_long(tokenizer: Any) -> None:
    with pytest.raises(TrainingError, match=r"all 3 pairs are longer than max_length = 20"):
        tokenize(make_pairs(3), tokenizer, 20)


def test_a_template_that_changes_the_prompt_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    other = AutoTokenizer.from_pretrained(str(make_tiny_model(tmp_path)))
    other.chat_template = (
        "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    with pytest.raises(TrainingError, match="renders the prompt differently"):
        tokenize([make_pair(0)], other, 512)


def test_pairs_load_from_memory_file_and_data_set_alike(tmp_path: Path) -> None:
    pairs = make_pairs(3)
    path = Pairs(pairs).save(tmp_path / "30_pairs.jsonl")
    data_set = Pairs(pairs).to_dataset()
    parquet = tmp_path / "pairs.parquet"
    data_set.to_parquet(str(parquet))
    memory = (pairs, iter(pairs), Pairs(pairs), data_set, data_set.to_pandas(), data_set.to_list())
    found = [load_pairs(given) for given in (*memory, path, str(path), parquet)]
    assert all(item == tuple(pairs) for item in found)


def test_no_pairs_and_broken_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no pairs"):
        load_pairs([])
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"prompt": "a", "chosen": "b"}) + "\n", encoding="utf-8")
    with pytest.raises(PairError, match="rejected"):
        load_pairs(path)


def test_the_hash_follows_what_reaches_the_loss() -> None:
    pair = make_pair(0)
    same = hash_pairs([pair])
    assert hash_pairs([replace(pair, round=3)]) == same
    swapped = replace(pair, chosen=pair.rejected, rejected=pair.chosen)
    for other in (swapped, replace(pair, p_chosen=0.9), replace(pair, weight=2.0)):
        assert hash_pairs([other]) != same

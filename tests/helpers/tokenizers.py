"""Tiny tokenizers of every common build, and chat templates of every common form."""

from __future__ import annotations

import re
from typing import Any

from .tiny_model import CHAT_TEMPLATE, TRAINING_TEXT

_CONTROL = re.compile(
    r"<\|[\w ]+\|>|<｜[\w▁]+｜>|<\|?turn\|?>|<\|?channel\|?>"
    r"|<(?:start_of_turn|end_of_turn|end_of_utterance)>"
)

TEMPLATES: dict[str, str] = {
    "chatml": CHAT_TEMPLATE,
    "llama2": (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + m['content']"
        " + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + ' ' + eos_token"
        " }}{% endif %}{% endfor %}"
    ),
    "mistral": (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + "
        "m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}"
        "{% endfor %}"
    ),
    "zephyr": (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    "vicuna": (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}"
        "{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    ),
    "alpaca": (
        "{% for m in messages %}{{ '### ' + m['role'] + ':\n' + m['content'] | trim }}"
        "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### assistant:\n' }}{% endif %}"
    ),
    "dated": "{{ 'Today Date: ' + strftime_now('%d %b %Y') + '\n' }}" + CHAT_TEMPLATE,
    "refusing": (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}" + CHAT_TEMPLATE
    ),
}


def shipped_templates() -> dict[str, str]:
    """The chat templates inside the installed TRL, by name."""
    from pathlib import Path

    import trl

    folder = Path(str(trl.__file__)).parent / "chat_templates"
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.jinja")}


def make_tokenizer(kind: str, template: str, *, adds_bos: bool = False) -> Any:
    """A tokenizer of one build around one chat template.

    Args:
        kind: `bytes` (byte-level BPE), `always` and `first` (Metaspace with a prefix space
            before every piece, or before the first), `prepend` (the normalizer of Llama 2),
            `plain` (Metaspace without a prefix space).
        template: Its control tokens become special tokens.
        adds_bos: Whether a plain text gets `<s>` in front.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
    from tokenizers import pre_tokenizers as pre
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token=None if kind == "bytes" else "<unk>"))
    alphabet = sorted(pre.ByteLevel.alphabet()) if kind == "bytes" else sorted(_LETTERS)
    if kind == "bytes":
        backend.pre_tokenizer, backend.decoder = (
            pre.ByteLevel(add_prefix_space=False),
            decoders.ByteLevel(),
        )
    else:
        backend.pre_tokenizer = pre.Metaspace(prepend_scheme="always", split=True)
        backend.decoder = decoders.Metaspace()
    special = ["<unk>", "<s>", "</s>", *sorted(set(_CONTROL.findall(template)))]
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TRAINING_TEXT * 3, trainer)
    if kind == "prepend":
        backend.pre_tokenizer = None
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    elif kind in ("always", "first", "plain"):
        scheme: Any = "never" if kind == "plain" else kind
        backend.pre_tokenizer = pre.Metaspace(prepend_scheme=scheme, split=False)
    if adds_bos:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", special.index("<s>"))]
        )
    make: Any = PreTrainedTokenizerFast  # untyped in transformers
    tokenizer = make(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    return tokenizer


_LETTERS = {c for text in TRAINING_TEXT for c in text if c != " "} | set(
    "▁\n<>|[]/#:.,?!'\"0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

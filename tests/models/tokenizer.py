"""A byte-level BPE tokenizer trained on a few sentences, in the file format of Hugging Face tokenizers. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

SPECIAL = ("<s>", "</s>", "<pad>")
BOS, EOS, PAD = range(len(SPECIAL))
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_WORD = re.compile(r" ?\w+| ?[^\s\w]+|\s+")

Word = tuple[str, ...]
Pair = tuple[str, str]


def alphabet() -> dict[int, str]:
    """A visible character for each byte: printable Latin-1 stands for itself, the rest follows from U+0100 on."""
    others = (byte for byte in range(256) if byte not in _PRINTABLE)
    named = {byte: chr(byte) for byte in _PRINTABLE}
    return named | {byte: chr(256 + number) for number, byte in enumerate(others)}


def train(sentences: Sequence[str], merges: int) -> list[Pair]:
    """The most frequent neighbours, joined one pair after another; ties go to the first in order of the alphabet."""
    shown = alphabet()
    counted = Counter(
        tuple(shown[byte] for byte in word.encode()) for text in sentences for word in _WORD.findall(text)
    )
    words: dict[Word, int] = dict(counted)
    found: list[Pair] = []
    while len(found) < merges:
        pairs: Counter[Pair] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        found.append(best)
        words = {_joined(word, best): times for word, times in words.items()}
    return found


def _joined(word: Word, pair: Pair) -> Word:
    parts: list[str] = []
    for part in word:
        if parts and (parts[-1], part) == pair:
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def tokenizer_json(merges: Sequence[Pair]) -> dict[str, Any]:
    """The content of `tokenizer.json`."""
    symbols = chain(SPECIAL, alphabet().values(), ("".join(pair) for pair in merges))
    vocabulary = {symbol: number for number, symbol in enumerate(dict.fromkeys(symbols))}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": name, **flags} for number, name in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [list(pair) for pair in merges],
        },
    }

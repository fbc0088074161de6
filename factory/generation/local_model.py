"""Opens a causal language model in this process: its weights whole or in 4 bits, with a LoRA adapter where there is one."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from factory.faults import FactoryError
from factory.generation.tokens import ChatTokenizer, explain_reading
from factory.pico.models import pin_revision

Quantisation = Literal["4bit"]
PACKED = (32, 64)
"""Outputs and inputs of a layer of which bitsandbytes packs multiples on a CPU with AVX-512 BF16."""


@dataclass(frozen=True)
class OpenModel:
    """A model ready to write. `ends` are the token ids that end an answer, `pad` the one that fills a batch."""

    model: Any
    ends: tuple[int, ...]
    pad: int


def open_model(
    tokenizer: ChatTokenizer, source: str, revision: str | None, adapter: Path | None = None, quantisation: Quantisation | None = None
) -> OpenModel:
    """The model in `source`, on the GPU where there is one, else in float32 on the CPU.

    A LoRA adapter (Hu et al. 2021, arXiv 2106.09685) is merged into whole weights, and stays beside 4-bit ones (NF4: Dettmers et al. 2023,
    arXiv 2305.14314). Raises FactoryError where a part cannot be read or does not fit, and where 4 bits are asked for without bitsandbytes.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    name, on_gpu = tokenizer.name, torch.cuda.is_available()
    how: dict[str, Any] = {"dtype": "auto" if on_gpu else torch.float32, "trust_remote_code": False}
    if quantisation is not None:
        how |= _quantise(name, on_gpu=on_gpu)
    words = tokenizer.opened
    with explain_reading(name, source, "weights"):
        how["revision"] = pin_revision(source, revision)
        model, loading = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True, output_loading_info=True, **how)
    if missing := sorted(loading["missing_keys"]):
        raise FactoryError(
            f"model {name}: its weights lack {len(missing)} tensors of a language model (such as {missing[0]}). "
            "Give a causal language model, not a classifier or an unfinished download."
        )
    given = model.generation_config.eos_token_id
    ends = tuple(given) if isinstance(given, list) else (words.eos_token_id if given is None else given,)
    if ends == (None,):
        raise FactoryError(f"model {name}: neither its generation_config.json nor its tokenizer names an end token; add eos_token_id.")
    if adapter is not None:
        model = _add_adapter(name, model, adapter, merge=quantisation is None)
    if quantisation is None:
        model = model.to("cuda" if on_gpu else "cpu")
    else:
        _keep_odd_layers_whole(model)
    # What generate() is not told it takes from here; a penalty of the model's own would be sampling that no record names.
    model.generation_config = GenerationConfig()
    return OpenModel(model.eval(), ends, ends[0] if words.pad_token_id is None else words.pad_token_id)


def _quantise(name: str, *, on_gpu: bool) -> dict[str, Any]:
    """Arguments of from_pretrained for weights in 4 bits."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise FactoryError(
            f"model {name}: quantisation 4bit needs bitsandbytes: pip install 'data-factory[quantised]'; "
            "or have a server (llama.cpp, Ollama) hold the model in 4 bits and name it as `server`."
        )
    import torch
    from transformers import BitsAndBytesConfig

    computed = torch.bfloat16 if on_gpu else torch.float32
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=computed)
    return {"quantization_config": config, "device_map": {"": 0 if on_gpu else "cpu"}}


def _keep_odd_layers_whole(model: Any) -> None:
    """Layers that bitsandbytes would fail to pack are computed as on any other CPU."""
    from bitsandbytes.nn.modules import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit) and (layer.out_features % PACKED[0] or layer.in_features % PACKED[1]):
            layer.support_avx512bf16_for_cpu = False


def _add_adapter(name: str, model: Any, adapter: Path, *, merge: bool) -> Any:
    from peft import PeftModel

    with explain_reading(f"{name} with adapter {adapter.name}", str(adapter), "adapter"):
        adapted = PeftModel.from_pretrained(model, str(adapter))
    return adapted.merge_and_unload() if merge else adapted

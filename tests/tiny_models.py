"""Tiny models with random weights, of any class of transformers: the one place that says how tiny."""

from __future__ import annotations

from typing import Any


def make_tiny_model(model_class: Any, tokenizer: Any, positions: int, *, seed: int = 0, hidden: int = 16, **settings: Any) -> Any:
    """A model for `tokenizer` that reads `positions` tokens, two layers deep unless `settings` of its config say otherwise."""
    import torch

    sizes = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": 2, "num_attention_heads": 2}
    read = {"vocab_size": len(tokenizer), "max_position_embeddings": positions, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(seed)
    return model_class(model_class.config_class(**sizes | read | {"initializer_range": 0.5} | settings))

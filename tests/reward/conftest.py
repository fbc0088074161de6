"""A tiny random reward model in the form of the bundled one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reward_rows import POSITIONS

from factory.pico.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return train_tokenizer(["Write a thank-you note to Rina for the blue scarf.", "What is 47 + 85?"] * 10)


@pytest.fixture(scope="session")
def save_model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a tiny random Llama of a class of transformers, with any settings of its config, and gives its folder."""

    def save(model_class: Any, **settings: Any) -> Path:
        import torch
        from transformers import LlamaConfig

        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=POSITIONS,
            pad_token_id=tokenizer.pad_token_id,
            initializer_range=0.5,
            **settings,
        )
        folder = tmp_path_factory.mktemp("model")
        model_class(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def reward_folder(save_model: Callable[..., Path]) -> Path:
    from transformers import LlamaForSequenceClassification

    return save_model(LlamaForSequenceClassification, num_labels=1)


@pytest.fixture(scope="session")
def save_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a tiny random BERT of a class of transformers, whose tokenizer has no chat template, and gives its folder."""

    def save(model_class: Any, **settings: Any) -> Path:
        import torch
        from transformers import BertConfig, BertTokenizerFast

        folder = tmp_path_factory.mktemp("encoder")
        words = "[PAD] [UNK] [CLS] [SEP] [MASK] : user assistant what is the blue scarf 47 85 8 4 good bad thanks no yes".split()
        (folder / "vocab.txt").write_text("\n".join(words))
        BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=POSITIONS).save_pretrained(folder)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=POSITIONS,
            initializer_range=0.5,
            **settings,
        )
        model_class(config).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def encoder_folder(save_encoder: Callable[..., Path]) -> Path:
    from transformers import BertForSequenceClassification

    return save_encoder(BertForSequenceClassification, num_labels=1)

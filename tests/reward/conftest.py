"""Tiny random models in the forms that the reward stage reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reward_rows import POSITIONS
from tiny_models import make_tiny_model

from factory.pico.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return train_tokenizer(["Write a thank-you note to Rina for the blue scarf.", "What is 47 + 85?"] * 10)


@pytest.fixture(scope="session")
def save_model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a tiny random Llama of a class of transformers, with any settings of its config, and gives its folder."""

    def save(model_class: Any, **settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("model")
        make_tiny_model(model_class, tokenizer, POSITIONS, **settings).save_pretrained(folder)
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
        from transformers import BertTokenizerFast

        folder = tmp_path_factory.mktemp("encoder")
        words = "[PAD] [UNK] [CLS] [SEP] [MASK] : user assistant what is the blue scarf 47 85 8 4 good bad thanks no yes".split()
        (folder / "vocab.txt").write_text("\n".join(words))
        tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=POSITIONS)
        tokenizer.save_pretrained(folder)
        make_tiny_model(model_class, tokenizer, POSITIONS, **settings).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def encoder_folder(save_encoder: Callable[..., Path]) -> Path:
    from transformers import BertForSequenceClassification

    return save_encoder(BertForSequenceClassification, num_labels=1)

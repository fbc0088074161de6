"""One language model of a generation: trained from random weights on windows of tokens, then asked to write and to judge text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factory.collapse_study.corpus import BLOCK, WINDOW, Corpus, Tokens
from factory.spec import Spec
from factory.tuning.trainer import OnStep
from factory.tuning.work_folder import WorkFolder

OnBatch = Callable[[int, int], None]
"""Called with the batches done and the number of batches."""
WARMUP = 0.05
JUDGED = 64
"""Windows that are judged at once."""


class Shape(Spec):
    """The size of a model and how it is trained: a Llama between the bundled student and nothing."""

    hidden: int = 64
    layers: int = 2
    heads: int = 2
    intermediate: int = 172
    batch_windows: int = 8
    learning_rate: float = 5e-3
    written_at_once: int = 128


def train_model(corpus: Corpus, shape: Shape, windows: Tokens, order: Sequence[int], work: WorkFolder, seed: int, on_step: OnStep) -> Any:
    """A Llama from random weights that has read `windows` in `order`. Raises FactoryError where the loss is no number."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed

    from factory.pico.pretrain import INITIAL_DEVIATION
    from factory.tuning.trainer import choose_arguments, run_trainer

    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(corpus.tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=WINDOW,
        initializer_range=INITIAL_DEVIATION,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=corpus.tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    tokens = torch.from_numpy(windows.astype(np.int64))
    rows = [{"input_ids": tokens[at], "labels": tokens[at]} for at in order]
    arguments = choose_arguments(
        len(rows),
        work,
        batch_size=shape.batch_windows,
        learning_rate=shape.learning_rate,
        warmup_ratio=WARMUP,
        # A generation is short: a kill costs that generation, and no checkpoint is written.
        save_steps=len(rows),
        seed=seed,
    )
    run_trainer(
        Trainer, f"generation in {work.path}", work, None, on_step, model=model, args=TrainingArguments(**arguments), train_dataset=rows
    )
    return model.eval()


def write_windows(model: Any, prompts: Tokens, beams: int, at_once: int, seed: int, on_batch: OnBatch) -> Tokens:
    """For each prompt (prompts, BLOCK) the window that follows: (prompts, WINDOW).

    A window is written in two steps of one block, each from the block before it. With one beam tokens are sampled from the model's own
    distribution, unchanged; with more, beam search finds the likeliest text, as Shumailov et al. 2024 had it.
    """
    import torch

    torch.manual_seed(seed)
    how: dict[str, Any] = {"do_sample": beams == 1, "num_beams": beams} | ({"top_k": 0, "temperature": 1.0} if beams == 1 else {})
    written = []
    batches = range(0, len(prompts), at_once)
    with torch.inference_mode():
        for number, start in enumerate(batches):
            block = torch.from_numpy(prompts[start : start + at_once].astype(np.int64)).to(model.device)
            blocks = []
            for _ in range(WINDOW // BLOCK):
                block = model.generate(
                    input_ids=block, attention_mask=torch.ones_like(block), max_new_tokens=BLOCK, min_new_tokens=BLOCK, **how
                )[:, BLOCK:]
                blocks.append(block)
            written.append(torch.cat(blocks, dim=1).cpu().numpy().astype(np.uint16))
            on_batch(number + 1, len(batches))
    return np.concatenate(written)


def judge_windows(model: Any, windows: Tokens) -> NDArray[np.float64]:
    """(windows,) mean negative log-likelihood of a token, in nats, of those after the first of a window."""
    import torch
    from torch.nn.functional import cross_entropy

    losses = []
    with torch.inference_mode():
        for start in range(0, len(windows), JUDGED):
            ids = torch.from_numpy(windows[start : start + JUDGED].astype(np.int64)).to(model.device)
            logits = model(input_ids=ids).logits[:, :-1].float()
            losses.append(cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none").mean(dim=1).double().cpu().numpy())
    return np.concatenate(losses)


def open_saved(folder: Path) -> Any:
    """A saved model, to judge with."""
    import torch
    from transformers import LlamaForCausalLM

    on_gpu = torch.cuda.is_available()
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).to("cuda" if on_gpu else "cpu").eval()

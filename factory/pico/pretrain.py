"""Makes a pico model from its recipe: the language models from random weights, the reward model from the teacher."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from factory.pico.corpus import Corpus, Messages
from factory.pico.rated import Rated, rate_own, write_rated
from factory.pico.recipe import Recipe, Stage
from factory.pico.tokenizer import ASSISTANT, CONTEXT_TOKENS, END, PAD, train_tokenizer

Report = Callable[[str], None]
TOKENIZER_DIALOGUES = 20_000
TOKENIZER_STAGE = 2
"""It holds every kind of text that the family reads."""
LOG_STEPS = 100
STAGE_SEEDS = 1000
INITIAL_DEVIATION = 0.06
"""About 1/sqrt(width) of models this narrow; at Llama's 0.02 they took longer to learn to copy."""
IGNORED = -100
"""The label that torch's cross-entropy leaves out."""
REWARD_BATCH = 32
OWN_PROMPTS = 8_000
AUC_ROWS = 1_000
"""Half of them spoilt by rule, half the teacher's own."""


def write_dialogues(corpus: Corpus, recipe: Recipe, number: int, count: int) -> Iterator[Messages]:
    """The first `count` dialogues of stage `number` of the recipe."""
    stage = recipe.stages[number]
    corpus, rng = replace(corpus, practice=stage.practice), random.Random(recipe.seed + STAGE_SEEDS * number)
    names, shares = list(stage.mixture), list(stage.mixture.values())
    for _ in range(count):
        yield getattr(corpus, rng.choices(names, shares)[0])(rng)


def make_tokenizer(corpus: Corpus, recipe: Recipe) -> Any:
    """The family's tokenizer, trained on the contents of the first dialogues of the teacher's stage TOKENIZER_STAGE."""
    dialogues = write_dialogues(corpus, recipe, TOKENIZER_STAGE, TOKENIZER_DIALOGUES)
    return train_tokenizer(message["content"] for dialogue in dialogues for message in dialogue)


def size_model(recipe: Recipe, tokenizer: Any) -> dict[str, Any]:
    """What the configuration of a Llama model of the recipe's sizes says, and of models that are built like it."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": recipe.hidden,
        "intermediate_size": recipe.intermediate,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.heads,
        "max_position_embeddings": CONTEXT_TOKENS,
        "initializer_range": INITIAL_DEVIATION,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.convert_tokens_to_ids(END),
        "pad_token_id": tokenizer.convert_tokens_to_ids(PAD),
    }


def pretrain_language_model(
    corpus: Corpus, recipe: Recipe, tokenizer: Any, folder: Path, report: Report, configure: Callable[..., Any] | None = None
) -> None:
    """Trains a model on packed dialogues from random weights, in float32, and saves it in bfloat16 with its tokenizer in `folder`.

    A Llama model, or of the architecture whose configuration `configure` makes of what `size_model` gives.
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, set_seed

    started = time.monotonic()
    set_seed(recipe.seed)
    model = AutoModelForCausalLM.from_config((configure or LlamaConfig)(**size_model(recipe, tokenizer)))
    tokens, loss = 0, math.nan
    for number, stage in enumerate(recipe.stages):
        blocks, labels = pack_blocks(corpus, recipe, number, tokenizer)
        report(f"{recipe.model}: stage {number + 1} of {len(recipe.stages)}, {blocks.numel():,} tokens of {stage.dialogues:,} dialogues")
        rows = [{"input_ids": block, "labels": label} for block, label in zip(blocks, labels, strict=True)]
        loss = _fit(model, rows, recipe, stage, folder, report, batch=stage.batch_blocks)
        tokens += int(blocks.numel())
        model.to(torch.bfloat16).to(torch.float32)  # a later stage starts from the weights as they are saved
    _save(model.to(torch.bfloat16), tokenizer, recipe, folder, {"tokens": tokens, "loss": loss}, started)


def pack_blocks(corpus: Corpus, recipe: Recipe, number: int, tokenizer: Any) -> tuple[Any, Any]:
    """The dialogues of stage `number` one after another, as tensors [blocks, block_tokens] of token ids and of labels."""
    import torch

    stream: list[int] = []
    labels: list[int] = []
    dialogues = list(write_dialogues(corpus, recipe, number, recipe.stages[number].dialogues))
    for start in range(0, len(dialogues), 1000):
        texts = tokenizer.apply_chat_template(dialogues[start : start + 1000], tokenize=False)
        for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]:
            stream += ids
            labels += ids if recipe.learns == "everything" else label_answers(ids, tokenizer)
    whole = len(stream) // recipe.block_tokens * recipe.block_tokens
    blocks, answers = (torch.tensor(tokens[:whole], dtype=torch.long).view(-1, recipe.block_tokens) for tokens in (stream, labels))
    return blocks, answers


def label_answers(ids: Sequence[int], tokenizer: Any) -> list[int]:
    """The assistant's tokens of a dialogue with their end, every other as IGNORED."""
    start, end = tokenizer.convert_tokens_to_ids([ASSISTANT, END])
    labels, inside = [], False
    for token in ids:
        labels.append(token if inside else IGNORED)
        inside = token == start or (inside and token != end)
    return labels


def pretrain_reward_model(corpus: Corpus, recipe: Recipe, teacher: Path, folder: Path, report: Report) -> None:
    """Tunes the teacher's first `recipe.layers` layers, under a new scalar head, to tell good responses from bad ones.

    Binary cross-entropy on sigmoid(score), on responses spoilt by rule and on the teacher's own. The figures saved with the model hold its
    AUC on fresh ones of both.
    """
    import torch
    from transformers import AutoTokenizer, DataCollatorWithPadding, LlamaForSequenceClassification, set_seed

    started = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    set_seed(recipe.seed)
    model = LlamaForSequenceClassification.from_pretrained(
        teacher, num_hidden_layers=recipe.layers, num_labels=1, problem_type="multi_label_classification", dtype=torch.float32
    )
    (stage,), rng = recipe.stages, random.Random(recipe.seed)
    own = rate_own(corpus, rng, OWN_PROMPTS, partial(_ask_teacher, teacher))
    held, own = own[: AUC_ROWS // 2], own[AUC_ROWS // 2 :]
    rated = [*own, *(write_rated(corpus, rng) for _ in range(stage.dialogues - len(own)))]
    rng.shuffle(rated)
    rows = _rated_rows(rated, tokenizer)
    report(f"{recipe.model}: {len(rows):,} rated responses, {len(own):,} of them the teacher's own")
    collator = DataCollatorWithPadding(tokenizer)
    loss = _fit(model, rows, recipe, stage, folder, report, batch=REWARD_BATCH, collator=collator)
    fresh = {"auc_spoilt": [write_rated(corpus, rng) for _ in range(AUC_ROWS // 2)], "auc_own": held}
    auc = {name: round(_measure_auc(model, _rated_rows(rows, tokenizer), collator), 4) for name, rows in fresh.items()}
    report(f"{recipe.model}: AUC on fresh responses: spoilt {auc['auc_spoilt']:.3f}, the teacher's own {auc['auc_own']:.3f}")
    _save(model.to(torch.bfloat16), tokenizer, recipe, folder, {"loss": loss} | auc, started)


def _ask_teacher(folder: Path, prompts: Sequence[str]) -> list[str]:
    """What the teacher in `folder` answers, sampled as a line samples it; empty where it did not end by itself."""
    from factory.generation.chat import Message, Request
    from factory.generation.local_teacher import LocalTeacher
    from factory.model_spec import Sampling

    teacher, sampling = LocalTeacher(str(folder)), Sampling(temperature=0.7)
    requests = [Request((Message("user", prompt),), seed, sampling) for seed, prompt in enumerate(prompts)]
    windows = [requests[start : start + teacher.window] for start in range(0, len(requests), teacher.window)]
    return [done.text.strip() if done.finish_reason == "stop" else "" for window in windows for done in teacher.complete(window)]


def _rated_rows(rated: Sequence[Rated], tokenizer: Any) -> list[dict[str, Any]]:
    texts = [tokenizer.apply_chat_template(messages, tokenize=False) for messages, _ in rated]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [{"input_ids": row, "labels": [float(good)]} for row, (_, good) in zip(ids, rated, strict=True)]


def _measure_auc(model: Any, rows: list[dict[str, Any]], collator: Any) -> float:
    import torch
    from sklearn.metrics import roc_auc_score

    scores: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(rows), REWARD_BATCH):
            batch = collator(rows[start : start + REWARD_BATCH])
            scores += model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.float().squeeze(-1).tolist()
    return float(roc_auc_score([row["labels"][0] for row in rows], scores))


def _fit(
    model: Any, rows: list[dict[str, Any]], recipe: Recipe, stage: Stage, folder: Path, report: Report, *, batch: int, collator: Any = None
) -> float:
    """One pass over `rows` in the recipe's seeded order, cosine schedule; the last logged loss."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Report(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                report(f"{recipe.model}: step {state.global_step:,} of {state.max_steps:,}, loss {float(logs['loss']):.3f}")

    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            learning_rate=stage.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.03,
            weight_decay=0.05,
            adam_beta2=0.98,
            max_grad_norm=1.0,
            use_cpu=True,
            seed=recipe.seed,
            save_strategy="no",
            logging_steps=LOG_STEPS,
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=rows,
        data_collator=collator,
        callbacks=[Report()],
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return float(losses[-1]) if losses else math.nan


def _save(model: Any, tokenizer: Any, recipe: Recipe, folder: Path, figures: dict[str, Any], started: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    figures |= {"parameters": model.num_parameters(), "seconds": round(time.monotonic() - started), "seed": recipe.seed}
    (folder / "recipe.json").write_text(json.dumps({"model": recipe.model} | figures, indent=2) + "\n")

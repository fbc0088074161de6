"""Names and places by a model that lies in a folder: a token classifier whose answers are known, and a spaCy pipeline."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from factory.faults import FactoryError
from factory.personal_data.find import find, find_all
from factory.personal_data.records import redact
from factory.personal_data.spec import PersonalDataSpec

WORDS = ["[PAD]", "[UNK]", "ana", "bogor", "acme"]
LABELS = ["O", "B-PER", "B-LOC", "B-ORG"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without layers: its head reads from the embedding of a word which label the word has."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("names")
    splitter = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    splitter.normalizer = normalizers.Lowercase()
    splitter.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=splitter, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=0,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=64,
        id2label=dict(enumerate(LABELS)),
        label2id={label: place for place, label in enumerate(LABELS)},
    )
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for parameter in model.bert.embeddings.parameters():
            parameter.zero_()
        model.bert.embeddings.LayerNorm.weight.fill_(1.0)
        model.bert.embeddings.word_embeddings.weight.copy_(torch.eye(len(WORDS), 8))
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        for label, word in ((1, 2), (2, 3), (3, 4)):
            model.classifier.weight[label, word] = 4.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def named(folder: Path, **names: Any) -> PersonalDataSpec:
    return PersonalDataSpec.model_validate({"names": [{"model": str(folder), **names}]})


def test_names_and_places_are_found_beside_numbers(classifier: Path) -> None:
    text = "Ana of Bogor works at Acme, +62 812 3456 7890"
    found = find(text, "en", named(classifier))
    assert [(each.type, text[each.start : each.end]) for each in found] == [
        ("PERSON", "Ana"),
        ("LOCATION", "Bogor"),
        ("PHONE_NUMBER", "+62 812 3456 7890"),
    ]
    assert all(0.5 < each.score <= 1 for each in found)
    assert redact("Ana saw ana in Bogor", "en", named(classifier)) == "<PERSON_1> saw <PERSON_1> in <LOCATION_1>"


def test_the_other_types_of_a_model_count_where_a_line_names_them(classifier: Path) -> None:
    spec = {
        "names": [{"model": str(classifier), "labels": {"LOC": "STREET_ADDRESS"}}],
        "types": {"ORGANIZATION": 0.5, "STREET_ADDRESS": 0.5},
    }
    found = find("Acme in Bogor", "en", PersonalDataSpec.model_validate(spec))
    assert [each.type for each in found] == ["ORGANIZATION", "STREET_ADDRESS"]


def test_a_text_longer_than_the_model_reads_is_read_in_windows(classifier: Path) -> None:
    words = ["word"] * 300
    for place in (0, 60, 63, 64, 130, 299):
        words[place] = "Ana"
    assert len(find(" ".join(words), "en", named(classifier))) == 6


def test_a_model_reads_the_records_of_its_languages_alone(classifier: Path) -> None:
    found = find_all([("Ana", "id"), ("Ana", "en-GB"), ("Ana", None)], named(classifier, languages=["en"]))
    assert [len(each) for each in found] == [0, 1, 1]


def test_what_a_checksum_tells_stands_before_what_a_weak_pattern_does() -> None:
    text = "https://ana.com/x ana@mail.com"
    found = find(text, "en", PersonalDataSpec.model_validate({"types": {"URL": 0.1}}))
    assert [(each.type, text[each.start : each.end]) for each in found] == [("URL", "https://ana.com/x"), ("EMAIL_ADDRESS", "ana@mail.com")]


def test_a_placeholder_is_no_name(classifier: Path) -> None:
    assert find("<ANA> and <ANA_1> met", "en", named(classifier)) == ()


def test_a_spacy_pipeline_in_a_folder_finds_names(tmp_path: Path) -> None:
    import spacy
    from spacy.training import Example

    language = spacy.blank("en")
    ner = language.add_pipe("ner")
    taught = [("Ana sings", {"entities": [(0, 3, "PERSON")]}), ("birds sing", {"entities": []})]
    examples = [Example.from_dict(language.make_doc(text), labels) for text, labels in taught]
    ner.add_label("PERSON")
    optimizer = language.initialize(lambda: examples)
    for _ in range(40):
        language.update(examples, sgd=optimizer)
    language.to_disk(tmp_path / "sings")
    spec = named(tmp_path / "sings", kind="spacy")
    assert [(each.type, each.start, each.end) for each in find("Ana sings", "en", spec)] == [("PERSON", 0, 3)]


@pytest.mark.parametrize(("kind", "told"), [("transformers", "no token classifier"), ("spacy", "no spaCy pipeline")])
def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path, kind: str, told: str) -> None:
    with pytest.raises(FactoryError, match=told):
        find("Ana", "en", named(tmp_path, kind=kind))


def test_a_model_that_fails_tells_no_text(classifier: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import json
    import shutil

    broken = shutil.copytree(classifier, tmp_path / "broken")
    words = json.loads((broken / "tokenizer.json").read_text())
    words["model"]["vocab"]["canary"] = 999  # beyond the model's embeddings
    (broken / "tokenizer.json").write_text(json.dumps(words))
    with caplog.at_level(logging.DEBUG), pytest.raises(FactoryError, match="failed on a text with IndexError") as raised:
        find("canary words", "en", named(broken))
    assert "canary" not in str(raised.value) + caplog.text
    assert raised.value.__cause__ is None

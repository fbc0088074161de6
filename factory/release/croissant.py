"""The Croissant metadata of a release: what its files hold, for dataset search, for loaders, and for those who ask how it was made.

Croissant 1.1 (http://mlcommons.org/croissant/1.1) with its vocabulary for responsible AI (http://mlcommons.org/croissant/RAI/1.0), and
PROV-O (https://www.w3.org/TR/prov-o/) for provenance. `datePublished`, `creator` and `url` are left out: a release holds no time, so that
the same work gives the same bytes, and a line names no publisher and no address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from factory.records import VERDICT
from factory.release.contents import Contents
from factory.release.facts import gather_facts
from factory.release.manifest import count_by

CROISSANT_FILE = "croissant.json"

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of Croissant 1.1, which readers compare with their own, and the two vocabularies beside it."""

_CHAT = {
    "messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
    "record_id": pl.String,
    "leaf": pl.String,
}
"""What a line of data.jsonl holds."""

_FILES = {
    "data.parquet": ("application/x-parquet", "Every accepted record with its lineage, scores and verdict."),
    "data.jsonl": ("application/jsonlines", "The same records as chat messages, one a line, as trainers read them."),
    "gates.json": ("application/json", "Every measured value of the four reports, with interval, threshold and verdict."),
    "funnel.json": ("application/json", "How many candidates of each leaf came through each filter."),
}
"""Files of the distribution: media type and what they hold. Cards and plots show the same and are named in the manifest."""

_TOLD = {
    "record_id": "Hash of content and provenance.",
    "leaf": "Place in the taxonomy of the seeds.",
    "language": "BCP 47 tag.",
    "instruction": "What is asked.",
    "context": "What the instruction is about; null for freeform.",
    "response": "The answer.",
    "turns": "The whole conversation of a dialogue; null for one turn.",
    "licence": "SPDX identifier or expression.",
    "seed_ids": "Record ids of the human-made examples that the teacher was shown.",
    "teacher": "The model that wrote the record, as <name>@<revision>.",
    "depth": "Generations from real data, which is 0.",
    "verified": "Whether code decided that the response is right; null where no verifier can tell.",
    "goodness": "The score on which the record was accepted.",
    "messages": "The conversation, the context before the first instruction.",
}


def write_croissant(contents: Contents, files: Mapping[str, bytes]) -> bytes:
    """The Croissant description of the release of `contents` as indented JSON-LD; `files` gives the bytes of its files by name."""
    facts = gather_facts(contents)
    seeds = f"{facts.seeds + facts.holdout:,} human-made examples ({contents.seeds_digest})"
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": contents.line.name,
        "description": facts.description or f"Synthetic instructions and responses of the line {contents.line.name}.",
        "version": f"0.0.0+{contents.version}",  # a digest has no order; semantic versions take it as their build
        "license": [_name_licence(licence) for licence in facts.licences],
        "inLanguage": [language for language in facts.languages if language != "unknown"],
        "keywords": ["synthetic", "instruction tuning", *facts.kinds],
        "isLiveDataset": False,
        "distribution": [_describe_file(name, files[name]) for name in _FILES],
        "recordSet": [
            _describe_records("records", "data.parquet", VERDICT, "One accepted record, with its lineage."),
            _describe_records("chat", "data.jsonl", _CHAT, "One accepted record as chat messages."),
        ],
        "prov:wasDerivedFrom": {"@type": "prov:Entity", "prov:label": seeds},
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "prov:label": "synthetic generation, filtered by verifiers and judges"},
        "prov:wasAttributedTo": {"@type": "prov:SoftwareAgent", "prov:label": contents.teacher},
        "rai:hasSyntheticData": True,
        "rai:dataCollection": " ".join(f"{name}: {text}." for name, text in facts.making),
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataCollectionRawData": f"{seeds}, which are not in the release; each record names those that its teacher was shown.",
        "rai:dataPreprocessingProtocol": [f"{step.name}: {step.count:,} of the candidates ({step.share:.1%})" for step in facts.steps],
        "rai:dataAnnotationProtocol": ["No person labelled a record: verifiers, reward models and judges scored it."],
        "rai:machineAnnotationTools": _name_annotators(contents),
        "rai:dataUseCases": ["Fine-tuning of language models; not evaluation, for which the held-out human-made examples are."],
        "rai:dataLimitations": list(facts.limits),
        "rai:dataBiases": [f"Records by language: {_tell_counts(facts.languages)}", *_tell_measures(contents.gates, "fairness")],
        "rai:personalSensitiveInformation": list(_tell_measures(contents.gates, "privacy")),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _describe_file(name: str, data: bytes) -> dict[str, Any]:
    media_type, description = _FILES[name]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": description,
        "contentUrl": name,
        "contentSize": f"{len(data)} B",
        "encodingFormat": media_type,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _describe_records(record_set: str, file: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    key = {"@id": f"{record_set}/record_id"}
    fields = [_describe_field(record_set, file, name, kind) for name, kind in schema.items()]
    return {"@type": "cr:RecordSet", "@id": record_set, "name": record_set, "description": description, "key": key, "field": fields}


def _describe_field(record_set: str, file: str, name: str, kind: Any) -> dict[str, Any]:
    """A column; a struct, or a list of them, has a sub-field for each of its parts."""
    path = f"{record_set}/{name}"
    field: dict[str, Any] = {"@type": "cr:Field", "@id": path, "name": name}
    field |= {"description": _TOLD[name]} if name in _TOLD else {}
    inner = kind
    if isinstance(kind, pl.List):
        field |= {"isArray": True, "arrayShape": "-1"}
        inner = kind.inner
    source = {"fileObject": {"@id": file}, "extract": {"column": name}}
    if not isinstance(inner, pl.Struct):
        return field | {"dataType": _name_type(inner), "source": source}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{path}/{part.name}",
            "name": part.name,
            "dataType": _name_type(part.dtype),
            "source": source | {"transform": {"jsonPath": part.name}},
        }
        for part in inner.fields
    ]
    return field | {"subField": parts}


def _name_type(kind: Any) -> str:
    """The schema.org type of a column's values."""
    if kind == pl.Boolean:
        return "sc:Boolean"
    if kind.is_integer():
        return "sc:Integer"
    return "sc:Float" if kind.is_float() else "sc:Text"


def _name_licence(licence: str) -> str:
    """The page of a licence that SPDX lists, as Croissant asks for; an expression, or what SPDX does not list, as it is."""
    from license_expression import get_spdx_licensing

    known = get_spdx_licensing().known_symbols
    listed = licence in known and not known[licence].is_exception and not licence.startswith("LicenseRef-")
    return f"https://spdx.org/licenses/{licence}.html" if listed else licence


def _name_annotators(contents: Contents) -> list[str]:
    verifiers = [f"verifier {name}" for name in count_by(contents.accepted.drop_nulls("verifier"), "verifier")]
    reward = [f"reward model {contents.reward_model}"] if contents.reward_model else []
    judges = sorted({f"judge {vote['judge']}" for votes in contents.accepted["votes"].drop_nulls() for vote in votes})
    return [*verifiers, *reward, *judges]


def _tell_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _tell_measures(gates: pl.DataFrame, report: str) -> Iterator[str]:
    """The figures of the whole line of one report, each with how it was computed."""
    for row in gates.filter(report=report, subject="line").iter_rows(named=True):
        value = "not measured" if row["value"] is None else f"{row['value']:.4g}"
        side = "at most" if row["direction"] == "max" else "at least"
        bound = "" if row["threshold"] is None else f", {side} {row['threshold']:.4g} allowed"
        waived = f", waived by {row['waived_by']}" if row["waived_by"] else ""
        yield f"{row['metric']}: {value}{bound}{waived} ({row['method']})"

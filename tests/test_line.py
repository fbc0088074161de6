"""A line that is wrong is refused with file, line, column, and what to write instead; all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.faults import InputFaults
from factory.line import Line, load_line
from factory.line_models import is_hub_id
from factory.seeds.formats import SUFFIXES
from factory.seeds_spec import DOCUMENT_SUFFIXES

HEAD = """\
name: demo
seeds:
  taxonomy: tree
"""


def load(folder: Path, text: str | bytes, tree: bool = True) -> Line:
    if tree:
        (folder / "tree").mkdir(exist_ok=True)
    file = folder / "demo.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_line(file)


def test_a_line_of_three_keys_has_every_default(tmp_path: Path) -> None:
    line = load(tmp_path, HEAD)
    assert line.seeds.taxonomy == (tmp_path / "tree").resolve()
    assert line.seeds.holdout == 0.3
    assert line.generation.teacher.model == "pico-teacher"
    assert [phase.name for phase in line.training.plan] == ["sft"]
    assert line.schedule is None


def test_every_section_can_be_set(tmp_path: Path) -> None:
    text = HEAD + (
        "  holdout: 0.2\nseed: 7\nowner: team:data\ngeneration:\n  teacher: {model: org/name, depth: 2, price: {prompt: 1}}\n"
        "  response: {temperature: 0}\nvalidation:\n  gates:\n    privacy.verbatim: {max: 0.1}\n  waivers:\n"
        "    - {gate: privacy.verbatim, by: Ana, reason: known, until: 2026-12-31}\n"
        "training:\n  phases:\n    - name: knowledge\n      learning_rate: 1e-3\n"
        "    - name: skills\nschedule:\n  cron: '30 1 * * *'\n  timezone: Asia/Jakarta\n"
    )
    line = load(tmp_path, text)
    assert (line.seeds.holdout, line.seed, line.owner) == (0.2, 7, "team:data")
    assert line.generation.teacher.price.prompt == 1.0 and line.generation.response.temperature == 0
    assert line.validation.gates["privacy.verbatim"].max == 0.1
    assert line.validation.waivers[0].by == "Ana"
    assert [(phase.name, phase.learning_rate) for phase in line.training.plan] == [("knowledge", 0.001), ("skills", 0.001)]
    assert line.schedule is not None and line.schedule.timezone == "Asia/Jakarta"


def test_a_preset_is_a_plan_of_phases_tuned_as_the_line_says(tmp_path: Path) -> None:
    lab = load(tmp_path, HEAD + "training:\n  preset: lab\n  tuning: {learning_rate: 2e-5, epochs: 7}\n").training.plan
    assert [phase.name for phase in lab] == ["knowledge_short", "knowledge_long", "skills"]
    assert [[(data.kinds, data.half) for data in phase.data] for phase in lab] == [
        [(("knowledge",), "short")],
        [(("knowledge",), "long"), (("foundational",), None)],
        [(("compositional",), None)],
    ]
    assert [phase.replay for phase in lab] == [0.0, 1.0, 1.0]
    assert {(phase.schedule, phase.learning_rate, phase.epochs, phase.keep_checkpoints) for phase in lab} == {("constant", 2e-5, 7, True)}
    (stacked,) = load(tmp_path, HEAD + "training:\n  preset: stacked\n").training.plan
    assert (stacked.data, stacked.replay, stacked.schedule, stacked.keep_checkpoints) == ((), 0.0, None, False)


def test_model_folders_become_absolute_and_bundled_names_stay(tmp_path: Path) -> None:
    for name in ("mine", "pico-student"):
        (tmp_path / name).mkdir()
    line = load(tmp_path, HEAD + "generation:\n  teacher:\n    model: ./mine\ntraining:\n  student: pico-student\n")
    assert line.generation.teacher.model == str((tmp_path / "mine").resolve())
    assert line.training.student == "pico-student"


SERVER = HEAD + "generation:\n  teacher:\n    model: granite\n    server:\n      base_url: http://localhost:8000/v1\n"


def test_a_served_model_has_any_name_and_its_tokenizer_is_a_folder_or_hub_id(tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    teacher = load(tmp_path, SERVER + "      tokenizer: ./tokens\n      headers: {X-Key: '${MY_KEY}', X-Team: data}\n").generation.teacher
    assert teacher.model == "granite"
    assert teacher.server is not None
    assert teacher.server.tokenizer == str((tmp_path / "tokens").resolve())
    assert teacher.server.headers == {"X-Key": "${MY_KEY}", "X-Team": "data"}


def test_models_of_all_teachers_and_of_the_judge_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    more = "generation:\n  teachers: [{model: ./mine, adapter: lora}, {model: ./gone}]\n  judge: {model: pico-teecher, adapter: gone}\n"
    with pytest.raises(InputFaults) as caught:
        load(tmp_path, HEAD + more)
    assert [(fault.where, fault.message.split("; ")[0]) for fault in caught.value.faults] == [
        ("generation.teachers[1].model", f"no model folder {tmp_path / 'gone'}"),
        ("generation.judge.model", "no bundled model 'pico-teecher'"),
        ("generation.judge.adapter", f"no adapter_config.json in {tmp_path / 'gone'}"),
    ]
    line = load(tmp_path, HEAD + more.replace(", {model: ./gone}", "").replace("pico-teecher, adapter: gone", "pico-teacher"))
    assert (line.generation.teachers[0].model, line.generation.teachers[0].adapter) == (str(tmp_path / "mine"), str(tmp_path / "lora"))


PHASES = HEAD + "training:\n  phases:\n    - name: a\n"

BROKEN = [
    (SERVER.replace("http://", ""), 8, 17, "generation.teacher.server.base_url", "expected an address such as"),
    (SERVER.replace("//", "//me:secret@"), 8, 17, "generation.teacher.server.base_url", "scheme, host and path alone"),
    (SERVER + "      key_varable: ABC\n", 9, 7, "generation.teacher.server.key_varable", "did you mean 'key_variable'?"),
    (SERVER + "      headers: {Api-Key: abc}\n", 9, 7, "generation.teacher.server.headers", "give its value as ${NAME}"),
    (SERVER + "      headers: {X-Cost: 5 $}\n", 9, 7, "generation.teacher.server.headers", "write $$ for a dollar sign"),
    (SERVER + "      in_flight: 0\n", 9, 18, "generation.teacher.server.in_flight", "greater than or equal to 1"),
    (SERVER + "      tokenizer: gone\n", 9, 18, "generation.teacher.server.tokenizer", "no model folder"),
    (SERVER + "    quantisation: 4bit\n", 5, 3, "generation.teacher", "a server is started with its own"),
    (HEAD + "reward:\n  contamination:\n    sets: {mine: gone.jsonl}\n", 6, 18, "reward.contamination.sets.mine", "no file "),
    (HEAD + "reward:\n  semantic: {embedder: ./gone}\n", 5, 24, "reward.semantic.embedder", "no model folder"),
    (HEAD + "genration: {}\n", 4, 1, "genration", "unknown key; did you mean 'generation'?"),
    (HEAD + "  hold_out: 0.2\n", 4, 3, "seeds.hold_out", "did you mean 'holdout'?"),
    (HEAD + "generation:\n  teacher:\n    modle: x\n", 6, 5, "generation.teacher.modle", "did you mean 'model'?"),
    (HEAD + "training:\n  phases:\n    - name: a\n      epoch: 2\n", 7, 7, "training.phases[0].epoch", "did you mean 'epochs'?"),
    (PHASES + "      data: {kindz: [knowledge]}\n", 7, 14, "training.phases[0].data.kindz", "did you mean 'kinds'?"),
    (PHASES + "      data: {kinds: [knowlege]}\n", 7, 22, "training.phases[0].data.kinds[0]", "'compositional', 'foundational' or"),
    (PHASES + "      data:\n        - {half: long, response_words: {min: 9}}\n", 8, 11, "training.phases[0].data[0]", "give one of them"),
    (PHASES + "      data: {response_tokens: {}}\n", 7, 14, "training.phases[0].data.response_tokens", "give min, max, or both"),
    (
        PHASES + "      data: {response_words: {min: 9, max: 2}}\n",
        7,
        14,
        "training.phases[0].data.response_words",
        "min 9 is more than max 2",
    ),
    (PHASES + "      epochs: 2\n      tokens: 500\n", 6, 7, "training.phases[0]", "give one of them"),
    (PHASES + "      schedule: step\n", 7, 17, "training.phases[0].schedule", "'linear', 'constant' or 'cosine'"),
    (PHASES + "      gradient_accumulation: 0\n", 7, 30, "training.phases[0].gradient_accumulation", "greater than or equal to 1"),
    (PHASES + "      replay: 0.5\n", 5, 3, "training.phases", "'a' is the first phase and has nothing to replay"),
    (PHASES + "      preference: {beta: 0.2}\n", 6, 7, "training.phases[0]", "preference is of the methods dpo and rpo"),
    (PHASES + "    - {name: b, method: dpo, replay: 1}\n", 7, 7, "training.phases[1]", "replays no records"),
    (PHASES + "      method: rpo\n    - name: b\n", 5, 3, "training.phases", "'b' is supervised and follows 'a'"),
    (PHASES + "  preset: lab\n", 4, 1, "training", "two plans: give one of them"),
    (HEAD + "training:\n  preset: labb\n", 5, 11, "training.preset", "'lab' or 'stacked'"),
    (HEAD + "training:\n  tuning: {epochs: 2}\n", 4, 1, "training", "tuning is of a preset's phases"),
    (HEAD + "validation:\n  gates:\n    a.b: {maxx: 1}\n", 6, 11, "validation.gates.a.b.maxx", "did you mean 'max'?"),
    (HEAD + "schedule:\n  crn: x\n", 5, 3, "schedule.crn", "did you mean 'cron'?"),
    (HEAD + "zzz: 1\n", 4, 1, "zzz", "unknown key; known: description, generation"),
    (HEAD + "7: 1\n", 4, 1, "7", "a key must be text"),
    (HEAD + "  holdout: 1.5\n", 4, 12, "seeds.holdout", "less than"),
    (HEAD + "  holdout: .nan\n", 4, 12, "seeds.holdout", "finite"),
    (HEAD + "  chunk_tokens: many\n", 4, 17, "seeds.chunk_tokens", "valid integer"),
    (HEAD + "  chunk_tokens: 2\n", 4, 17, "seeds.chunk_tokens", "greater than or equal to 20"),
    (HEAD + "  licence: {}\n", 4, 3, "seeds.licence", "did you mean 'licences'?"),
    (HEAD + "  licences: {allow: [CC-BY-4]}\n", 4, 22, "seeds.licences.allow[0]", "did you mean CC-BY-4.0?"),
    (HEAD + "  licences: {allow: [MIT, MIT OR Zlib]}\n", 4, 27, "seeds.licences.allow[1]", "each licence as an entry of its own"),
    (HEAD + "  examples: [{leaf: knowledge/a, file: none.csv}]\n", 4, 40, "seeds.examples[0].file", "no file "),
    (HEAD + "  examples: [{leaf: knowledge/a, file: none.xls}]\n", 4, 40, "seeds.examples[0].file", "of no kind that is read (.jsonl"),
    (HEAD + "  examples: [{leaf: knowledge/a, dataset: ./none}]\n", 4, 43, "seeds.examples[0].dataset", "or a hub id 'owner/name'"),
    (HEAD + "  examples: [{leaf: knowledge/a}]\n", 4, 14, "seeds.examples[0]", "exactly one of file and dataset"),
    (HEAD + "  examples: [{dataset: a/b}]\n", 4, 14, "seeds.examples[0]", "give leaf, or under columns the column that names it"),
    (HEAD + "  examples: [{leaf: knowlege/a, dataset: a/b}]\n", 4, 14, "seeds.examples[0]", "did you mean knowledge/?"),
    (HEAD + "  examples: [{leaf: knowledge/a, dataset: a/b, colums: {}}]\n", 4, 48, "seeds.examples[0].colums", "did you mean 'columns'?"),
    (HEAD + "  examples: [{leaf: knowledge/a, dataset: a/b, licence: GPL}]\n", 4, 57, "seeds.examples[0].licence", "no SPDX licence"),
    (HEAD + "  topics: [{leaf: knowledge/a, topics: []}]\n", 4, 32, "seeds.topics[0].topics", "at least 1 item"),
    (HEAD + "  topics: [{leaf: knowledge, topics: [sea]}]\n", 4, 19, "seeds.topics[0].leaf", "a leaf lies below"),
    (HEAD + "  topics: [{leaf: knowledge/../a, topics: [sea]}]\n", 4, 19, "seeds.topics[0].leaf", "the step '..'"),
    (HEAD + "  topics: [{leaf: knowledge/a, topics: [sea], language: english}]\n", 4, 57, "seeds.topics[0].language", "BCP 47"),
    (HEAD + "  documents: [{leaf: knowledge/a, source: none, patterns: [a]}]\n", 4, 43, "seeds.documents[0].source", "no folder "),
    (HEAD + "  documents: [{leaf: knowledge/a, source: tree}]\n", 4, 15, "seeds.documents[0].patterns", "is missing"),
    (
        HEAD + "  documents: [{leaf: knowledge/a, source: 'https://github.com/a/b', patterns: [a]}]\n",
        *(4, 43, "seeds.documents[0].source", "a git repository needs a commit"),
    ),
    (
        HEAD + "  documents: [{leaf: knowledge/a, source: tree, commit: main, patterns: [a]}]\n",
        *(4, 57, "seeds.documents[0].commit", "a branch or tag may move"),
    ),
    (
        HEAD + "  documents: [{leaf: knowledge/a, source: none, commit: 1234567, patterns: [a]}]\n",
        *(4, 57, "seeds.documents[0].commit", "expected text, found the number 1234567; put it in quotes"),
    ),
    (HEAD + "generation:\n  candidates_per_leaf: yes\n", 5, 24, "generation.candidates_per_leaf", "not yes or no"),
    (HEAD + "generation: 5\n", 4, 13, "generation", "expected keys and values, found the number 5"),
    (HEAD + "training:\n  phases: sft\n", 5, 11, "training.phases", "expected a list, found 'sft'"),
    (HEAD + "training:\n  phases: []\n", 5, 3, "training.phases", "at least one phase"),
    (HEAD + "training:\n  phases:\n    - name: a\n    - name: b\n    - name: a\n", 5, 3, "training.phases", "given twice: a"),
    (HEAD + "training:\n  phases:\n    - name: My Phase\n", 6, 13, "training.phases[0].name", "lower-case letters"),
    (HEAD + "training:\n  phases:\n    - name: sft/1\n", 6, 13, "training.phases[0].name", "lower-case letters"),
    (HEAD + "description:\n", 4, 13, "description", "is empty"),
    (HEAD + "description: 5\n", 4, 14, "description", "expected text, found the number 5; put it in quotes"),
    (HEAD + "validation:\n  gates: {a.b: {max: 1, min: 0}}\n", 5, 11, "validation.gates.a.b", "exactly one of max and min"),
    (
        HEAD + "validation:\n  waivers:\n    - {gate: a.b, by: ' ', reason: x, until: 2026-12-31}\n",
        6,
        23,
        "validation.waivers[0].by",
        "is empty",
    ),
    (HEAD + "validation:\n  waivers:\n    - {gate: a.b, by: Ana, until: 2026-12-31}\n", 6, 7, "validation.waivers[0].reason", "is missing"),
    (
        HEAD + "validation:\n  population: {sex: {f: 0.5, m: 0.4}}\n",
        5,
        3,
        "validation.population",
        "the shares of sex sum to 0.9, not to 1",
    ),
    *(
        (HEAD + f"validation:\n  group_terms:\n    - group: gender\n      {entry}\n", 7, 7, f"validation.group_terms[0].{key}", told)
        for entry, key, told in (
            ("values: {male: [he, him], female: [she]}", "values", "male has 2 words and female 1; give each word its counterpart"),
            ("values: {male: [he, they], female: [she, They]}", "values", "'they' is a word of both male and female"),
            ("values: {male: [Mr], female: [madam]}", "values", "'Mr' and 'madam' differ in case; write both as they stand inside"),
            ("values: {male: [he]}", "values", "at least 2 items"),
            ("values: {male: [], female: []}", "values", "male has no words"),
            ("values: {male: [he, '-'], female: [she, '+']}", "values", "'-' has no letter"),
        )
    ),
    (
        HEAD + "validation:\n  group_terms: [{group: a, values: {b: [''], c: [d]}}]\n",
        5,
        41,
        "validation.group_terms[0].values.b[0]",
        "is empty",
    ),
    (HEAD + "validation:\n  group_terms: [{group: a, value: {}}]\n", 5, 28, "validation.group_terms[0].value", "did you mean 'values'?"),
    (
        HEAD + "validation:\n  group_terms:\n    - {group: gender, language: en, values: {m: [brother], f: [sister]}}\n"
        "    - {group: faith, values: {monk: [Brother], nun: [Sister]}}\n",
        *(5, 3, "validation.group_terms", "'brother' is a word of gender (entry 1) and of faith (entry 2); give it to one of them"),
    ),
    (HEAD + "schedule: {cron: often}\n", 4, 18, "schedule.cron", "five fields"),
    (HEAD + "schedule: {cron: '0 0 2 * * *'}\n", 4, 18, "schedule.cron", "five fields"),
    (HEAD + "schedule: {timezone: Asia/Jakrta}\n", 4, 22, "schedule.timezone", "nearest: Asia/Jakarta"),
    (HEAD.replace("demo", "my demo"), 1, 7, "name", "lower-case letters"),
    (HEAD.replace("demo", "team/demo"), 1, 7, "name", "lower-case letters"),
    (HEAD.replace("name: demo\n", ""), 1, 1, "name", "is missing"),
    ("name: demo\n", 1, 1, "seeds", "is missing"),
    ("name: demo\nseeds: {}\n", 2, 1, "seeds", "give at least one of taxonomy, examples and topics"),
    (HEAD.replace("tree", "forest"), 3, 13, "seeds.taxonomy", "/forest; give the folder that holds knowledge/"),
    (HEAD.replace("tree", "''"), 3, 13, "seeds.taxonomy", "is empty; give the folder"),
    (HEAD + "generation: {budget: {}}\n", 4, 14, "generation.budget", "give tokens, money, or both"),
    (HEAD + "generation: {budget: {money: 2.5}}\n", 1, 1, "", "generation.budget: a budget in money needs a price"),
    (HEAD + "generation: {most_candidates_per_leaf: 500}\n", 4, 1, "generation", "bounds what accepted_per_leaf asks for"),
    (HEAD + "generation: {accepted_per_leaf: 5, most_candidates_per_leaf: 9}\n", 4, 1, "generation", "less than the first round"),
    (HEAD + "generation: {min_yield: 0}\n", 4, 25, "generation.min_yield", "greater than 0"),
    (HEAD + "generation: {teacher: {model: pico-teecher}}\n", 4, 31, "generation.teacher.model", "did you mean 'pico-teacher'?"),
    (HEAD + "reward: {model: judge}\n", 4, 17, "reward.model", "no model folder"),
    (HEAD + "mixing: {policy: mix}\n", 4, 18, "mixing.policy", "'replace' or 'accumulate'"),
    (HEAD + "mixing: {least_real_share: 1.5}\n", 4, 28, "mixing.least_real_share", "less than or equal to 1"),
    (HEAD + "mixing: {greatest_depth: 0}\n", 4, 26, "mixing.greatest_depth", "greater than or equal to 1"),
    (HEAD + "mixing: {real_share: 0.1}\n", 4, 10, "mixing.real_share", "did you mean 'least_real_share'?"),
    (
        PHASES + "      private: {epsilon: 3}\nmixing: {least_real_share: 0.1}\n",
        *(1, 1, "", "mixing.least_real_share: phase a is private"),
    ),
    (HEAD + "training:\n  student: ../student\n", 5, 12, "training.student", "a folder, or a hub id 'owner/name'"),
    (HEAD + "training:\n  student: ''\n", 5, 12, "training.student", "is empty"),
    (HEAD + "training:\n  evaluation: {texts: ['no/**.md']}\n", 5, 24, "training.evaluation.texts[0]", "no file matches"),
    (HEAD + "training:\n  evaluation: {texts: [demo.yaml]}\n", 5, 24, "training.evaluation.texts[0]", "no kind that is read (.md"),
    (HEAD + "reward:\n\tmodel: x\n", 5, 1, "", "a tab indents this line"),
    (HEAD + "name: again\n", 4, 1, "name", "given twice; the first is on line 1"),
    ("- name: demo\n", 1, 1, "", "expected keys and values"),
    ("", 1, 1, "", "expected keys and values"),
]


@pytest.mark.parametrize(("text", "line", "column", "where", "message"), BROKEN)
def test_a_broken_line_names_place_and_remedy(tmp_path: Path, text: str, line: int, column: int, where: str, message: str) -> None:
    with pytest.raises(InputFaults) as caught:
        load(tmp_path, text)
    found = [fault for fault in caught.value.faults if fault.where == where and message in fault.message]
    assert found, str(caught.value)
    assert (found[0].line, found[0].column) == (line, column)
    assert {fault.file for fault in caught.value.faults} == {str(tmp_path / "demo.yaml")}


def test_one_word_may_name_groups_of_two_languages(tmp_path: Path) -> None:
    text = HEAD + (
        "validation:\n  group_terms:\n    - {group: gender, language: en, values: {male: [he, him, his], female: [she, her, her]}}\n"
        "    - {group: faith, language: tr, values: {one: [her], other: [hep]}}\n"
    )
    english, turkish = load(tmp_path, text).validation.group_terms
    assert english.values["female"] == ("she", "her", "her") and turkish.reads("tr-TR") and not turkish.reads("en")


@pytest.mark.parametrize("secret", ["me:canary", "canary"])
def test_a_password_in_a_source_is_refused_and_never_repeated(tmp_path: Path, secret: str) -> None:
    text = HEAD + f"  documents: [{{leaf: knowledge/a, source: 'https://{secret}@example.org/a.git', commit: abcdef1, patterns: ['*']}}]\n"
    with pytest.raises(InputFaults, match=r"demo\.yaml:4:43: seeds\.documents\[0\]\.source: holds a password") as caught:
        load(tmp_path, text)
    assert "canary" not in str(caught.value)


def test_a_line_without_a_taxonomy_has_other_seeds(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("question,answer\na,b\n")
    (tmp_path / "texts").mkdir()
    text = (
        "name: demo\nseeds:\n  examples: [{leaf: foundational_skills/a, file: pairs.csv, licence: apache-2.0}]\n"
        "  topics: [{leaf: knowledge/sea, topics: [whales, '鲸鱼']}]\n"
        "  documents: [{leaf: knowledge/sea, source: texts, patterns: ['*.md']}]\n  licences: {allow: [Apache-2.0, unknown]}\n"
    )
    seeds = load(tmp_path, text, tree=False).seeds
    assert seeds.taxonomy is None and seeds.examples[0].licence == "Apache-2.0" and seeds.topics[0].topics == ("whales", "鲸鱼")
    assert seeds.examples[0].file == tmp_path / "pairs.csv" and seeds.documents[0].source == str(tmp_path / "texts")
    told = str(seeds.describe())
    assert "pairs.csv" in told and str(tmp_path) not in told


def test_all_faults_come_at_once_and_the_text_says_how_many(tmp_path: Path) -> None:
    text = "name: demo\nseeds:\n  taxonomy: forest\n  holdout: 2\n  holdout: 3\ngenration: {}\ntraining: {student: pico-studnt}\n"
    with pytest.raises(InputFaults) as caught:
        load(tmp_path, text)
    assert [fault.line for fault in caught.value.faults] == [3, 4, 5, 6, 7]
    assert str(caught.value).startswith(f"line {tmp_path / 'demo.yaml'}: 5 faults\n")


def test_a_file_that_is_absent_or_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFaults, match="cannot be read: No such file"):
        load_line(tmp_path / "none.yaml")
    with pytest.raises(InputFaults, match=r"1:7: not UTF-8 \(byte 0xe9\)"):
        load(tmp_path, b"name: \xe9\n")


@pytest.mark.parametrize(
    ("model", "expected"), [("org/name", True), ("name", False), ("./name", False), ("a/b/c", False), ("/name", False)]
)
def test_hub_ids_are_told_from_paths(model: str, expected: bool) -> None:
    assert is_hub_id(model) is expected


def test_flows_by_pattern_of_leaf_are_files_beside_the_line_or_bundled(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: own\n")
    (tmp_path / "taxonomy").mkdir()
    file = tmp_path / "line.yaml"
    file.write_text(
        "name: mine\nseeds: {taxonomy: taxonomy}\ngeneration:\n"
        "  flows: {'knowledge/*': lab_knowledge, '*': own.yaml}\n  topic_flow: own.yaml\n"
    )
    spec = load_line(file).generation
    assert list(spec.flows.items()) == [("knowledge/*", "lab_knowledge"), ("*", str(tmp_path / "own.yaml"))]
    assert (spec.topic_flow, spec.freeform_flow) == (str(tmp_path / "own.yaml"), "freeform")


def test_a_flow_that_is_not_there_is_told_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/own.yaml").write_text("name: own\n")
    monkeypatch.chdir(tmp_path / "elsewhere")  # a path is relative to the line's file, wherever the line is read
    with pytest.raises(InputFaults) as caught:
        load(tmp_path, HEAD + "generation:\n  freeform_flow: freefrm\n  flows:\n    'knowledge/*': own.yaml\n    '*': 3\n")
    told = [(fault.line, fault.column, fault.where) for fault in caught.value.faults]
    assert told[:2] == [(5, 18, "generation.freeform_flow"), (7, 20, "generation.flows.knowledge/*")] and len(told) == 3
    assert "no bundled flow 'freefrm'; did you mean 'freeform'?" in str(caught.value)
    assert f"no file {tmp_path / 'own.yaml'}" in str(caught.value)


def test_texts_by_pattern_become_the_files_that_it_matches(tmp_path: Path) -> None:
    (tmp_path / "texts/deep").mkdir(parents=True)
    places = [tmp_path / "texts" / name for name in ("b.md", "deep/a.txt", "deep/c.md", "left_out.html")]
    for place in places:
        place.write_text("The sea is salt.\n")
    given = f"'texts/**/*.md', texts/deep/a.txt, '{tmp_path}/texts/*.md'"
    line = load(tmp_path, HEAD + f"training:\n  evaluation: {{texts: [{given}]}}\n")
    assert line.training.evaluation.texts == tuple(str(place) for place in places[:3])


def test_the_kinds_of_documents_that_a_line_may_name_are_those_that_are_read() -> None:
    assert DOCUMENT_SUFFIXES == SUFFIXES


SERVED = "server: {base_url: 'http://localhost:8000/v1'}, price: {prompt: 0.1}"


@pytest.mark.parametrize(
    "reward",
    [
        f"{{model: nemotron, min_goodness: 1, {SERVED}}}",
        f"{{judges: [{{model: critic, {SERVED}}}]}}",
        f"{{pairs: {{by: [comparison], judge: {{model: critic, {SERVED}}}}}}}",
    ],
)
def test_a_budget_in_money_counts_the_prices_of_the_reward_section(tmp_path: Path, reward: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "line.yaml").write_text(f"{HEAD}generation: {{budget: {{money: 2.5}}}}\nreward: {reward}\n")
    budget = load_line(tmp_path / "line.yaml").generation.budget
    assert budget is not None and budget.money == 2.5

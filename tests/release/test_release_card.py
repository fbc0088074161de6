"""The card tells the truth about the release, and nothing that a record holds can break it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_line import MODELS, MadeUpLine
from markdown_it import MarkdownIt

from factory.release.card import render_html, render_markdown, write_front_matter
from factory.release.contents import Contents, arrange_contents
from factory.release.facts import gather_facts
from factory.release.rendering import escape_markdown, fence_markdown
from factory.release.visible import make_visible
from factory.release.writer import Release

HOSTILE = [
    "<script>alert(1)</script>",
    "| a | b |\n|---|---|\n| ![x](http://evil.example/x.png) |",
    "```\n</code></pre><img src=x onerror=alert(1)>\n```\n# heading",
    "\x1b[2J\u202etxt.exe {{ 7 * 7 }} {% raw %}",
    '</style></dd></dl><svg onload=alert(1)> $$\\alpha$$ " onmouseover="x',
    "---\nlicense: mit\n---\n\n[click](javascript:alert(1)) ~~~~ `x`",
]


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def arrange(line: MadeUpLine) -> Contents:
    return arrange_contents(line.line, line.accepted, line.seeds, line.funnel, line.gates, line.verdicts, MODELS)


def poison(line: MadeUpLine) -> MadeUpLine:
    """The line with hostile text wherever a teacher, a document or a person could have put it."""
    count = line.verdicts.height
    texts = pl.Series([HOSTILE[place % len(HOSTILE)] for place in range(count)])
    verdicts = line.verdicts.with_columns(
        instruction=texts, response=texts, context=texts, verifier_note=texts, parse_fault=texts, licence=texts, flow=texts,
        leaf=pl.lit("compositional_skills/") + texts,
        reason=pl.when(pl.col("verdict") == "accepted").then(pl.lit("accepted")).otherwise(texts),
    )  # fmt: skip
    leaves = [f"compositional_skills/{text}" for text in HOSTILE] + line.funnel["leaf"].to_list()[len(HOSTILE) :]
    funnel = line.funnel.with_columns(leaf=pl.Series(leaves), most_refused_by=pl.lit(HOSTILE[1]))
    gates = line.gates.with_columns(
        waiver_reason=pl.when(pl.col("waived_by").is_null()).then(None).otherwise(pl.lit(HOSTILE[0])),
        method=pl.lit(HOSTILE[1]), subject=pl.lit(HOSTILE[2]),
    )  # fmt: skip
    spec = line.line.model_copy(update={"description": HOSTILE[5]})
    return replace(line, line=spec, verdicts=verdicts, funnel=funnel, gates=gates)


@pytest.fixture(scope="module")
def poisoned(made_up: MadeUpLine) -> Contents:
    return arrange(poison(made_up))


def test_the_page_loads_nothing_and_runs_nothing(release: Release) -> None:
    html = (release.folder / "card.html").read_text()
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & set(page.tags)
    targets = [value or "" for name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset")]
    assert targets.count("../trend.html") == 1, "the page of the line, beside its releases"
    assert all(target.startswith("#") for target in targets if target != "../trend.html")
    assert "@import" not in html and "default-src 'none'" in html
    assert not re.search(r"url\((?!#)", html)
    assert 'name="viewport"' in html and "prefers-color-scheme: dark" in html


def test_every_link_of_the_page_has_its_place_and_every_id_is_given_once(release: Release) -> None:
    page = Page((release.folder / "card.html").read_text())
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in page.attributes if name == "href" and value and value[0] == "#"} <= set(ids)


def test_the_cost_is_told_by_step_and_leaf_and_for_each_accepted_record(made_up: MadeUpLine) -> None:
    paid = made_up.verdicts.with_columns(
        usage=pl.col("usage").list.eval(pl.element().struct.with_fields(cost=pl.element().struct.field("completion_tokens") * 0.5))
    )
    line = replace(made_up, verdicts=paid)
    cost, markdown = gather_facts(arrange(line)).cost, render_markdown(arrange(line))
    total = paid["completion_tokens"].sum()
    assert [row["step"] for row in cost.steps] == ["instruction", "response"]
    assert sum(row["completion_tokens"] for row in cost.steps) == sum(row["completion_tokens"] for row in cost.leaves[:-1]) == total
    every = cost.leaves[-1]
    assert (every["leaf"], every["requests"], every["accepted"]) == ("all leaves", 2 * paid.height, line.accepted.height)
    assert every["cost_each"] == pytest.approx(0.5 * total / line.accepted.height), "what was refused is paid for too"
    assert f"| {0.5 * total:,.2f} | {every['cost_each']:,.2f} |" in markdown
    assert "the models have no price" not in markdown and "the models have no price" in render_markdown(arrange(made_up))


def test_a_hostile_record_is_only_text_on_the_page(poisoned: Contents, release: Release) -> None:
    page = Page(render_html(poisoned))
    clean = Page((release.folder / "card.html").read_text())
    assert set(page.tags) <= set(clean.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "\x1b" not in page.text and "\u202e" not in page.text


def test_a_hostile_record_breaks_no_table_and_no_block_of_the_markdown(poisoned: Contents) -> None:
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    _, front, body = render_markdown(poisoned).split("---\n", 2)
    assert yaml.safe_load(front)["tags"] == ["synthetic", "data-factory"]
    tokens = markdown.parse(body)
    inline = [child for token in tokens for child in token.children or []]
    assert not [token for token in [*tokens, *inline] if token.type in ("html_block", "html_inline", "link_open", "s_open")]
    pictures = [token.attrGet("src") for token in inline if token.type == "image"]
    assert len(pictures) == 5 and all(str(source).startswith("plots/") for source in pictures)
    rows = [[]]
    for token in tokens:
        rows.append([]) if token.type == "table_open" else None
        rows[-1].append(0) if token.type == "tr_open" else None
        if token.type in ("td_open", "th_open"):
            rows[-1][-1] += 1
    tables = [counts for counts in rows if counts]
    assert [counts[0] for counts in tables] == [7, 3, 9, 5, 6, 8, 3]
    assert all(len(set(counts)) == 1 for counts in tables)
    assert len([token for token in tokens if token.type == "fence"]) == 1 + sum(len(group.rows) for group in gather_facts(poisoned).samples)
    titles = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"]
    assert titles == ["How it was made", "Funnel", "Cost", "Gates", "Distributions", "Samples", "Refused", "Lineage", "Known limits", "Use"]


lines_of_trouble = st.text(st.sampled_from(list("ab1 _*`~|\\<>&#[]()!$-+=.\n\r\t{}:@'\"é\u2028\x1b\u202e")) | st.characters(codec="utf-8"))


@given(lines_of_trouble)
@settings(max_examples=200, deadline=None)
def test_escaped_text_shows_just_its_characters(text: str) -> None:
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    expected = " ".join(make_visible(text).split())
    cell = markdown.parse(f"| a | b |\n|---|---|\n| {escape_markdown(text)} | end |\n")
    contents = [token for token in cell if token.type == "inline"]
    assert len(contents) == 4
    assert {child.type for child in contents[2].children or []} <= {"text"}
    assert "".join(child.content for child in contents[2].children or []) == expected
    alone = [token for token in markdown.parse(escape_markdown(text)) if token.type not in ("paragraph_open", "paragraph_close")]
    assert "".join(child.content for token in alone for child in token.children or []) == expected
    assert all(token.type == "inline" for token in alone)


@given(lines_of_trouble)
@settings(max_examples=100, deadline=None)
def test_fenced_text_stays_inside_its_fence(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{fence_markdown(text)}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content == make_visible(text) + "\n"


def test_the_front_matter_is_that_of_a_dataset_card(release: Release) -> None:
    from huggingface_hub import DatasetCard

    data = DatasetCard.load(release.folder / "README.md").data.to_dict()
    assert data["license"] == ["apache-2.0", "cc-by-4.0"]
    assert data["language"] == ["en", "id"]
    assert data["size_categories"] == ["n<1K"]
    assert "synthetic" in data["tags"]


def test_the_folder_and_the_chat_lines_open_as_the_card_says(release: Release, tmp_path: Path) -> None:
    from datasets import load_dataset

    records = load_dataset(str(release.folder), split="train", cache_dir=str(tmp_path))
    chat = load_dataset("json", data_files=str(release.folder / "data.jsonl"), split="train", cache_dir=str(tmp_path))
    assert records.num_rows == chat.num_rows == release.records
    assert records["record_id"] == chat["record_id"]
    assert [message["role"] for message in chat[0]["messages"]] == ["user", "assistant"]


def test_size_category_and_languages_follow_the_hub(made_up: MadeUpLine) -> None:
    facts = gather_facts(arrange(made_up))
    for records, name in ((999, "n<1K"), (1000, "1K<n<10K"), (2_000_000, "1M<n<10M"), (10**8, "n>10M")):
        told = yaml.safe_load(write_front_matter(replace(facts, records=records, languages={"pt-BR": 1, "pt": 2})))
        assert told["size_categories"] == [name] and told["language"] == ["pt"]


def test_both_cards_tell_the_gate_table_with_the_waiver(release: Release, made_up: MadeUpLine) -> None:
    text = Page((release.folder / "card.html").read_text()).text
    markdown = (release.folder / "README.md").read_text()
    for told in (text, markdown):
        assert "Rina Hartati" in told and "short arithmetic phrasings repeat by nature" in told
        assert "0.442 to 0.478" in told and "≤ 0.45" in told
    for row in made_up.gates.filter(pl.col("threshold").is_not_null()).iter_rows(named=True):
        assert f"{row['report']}.{row['metric']}" in markdown
        assert row["method"] in text and row["method"] in markdown


def test_samples_are_three_of_each_leaf_and_always_the_same(made_up: MadeUpLine) -> None:
    facts = gather_facts(arrange(made_up))
    again = gather_facts(arrange(replace(made_up, verdicts=made_up.verdicts.reverse())))
    assert facts == again
    assert [group.name for group in facts.samples] == made_up.accepted["leaf"].unique().sort().to_list()
    for group in facts.samples:
        assert len(group.rows) == min(3, group.count)
        assert all(row["verdict"] == "accepted" and row["leaf"] == group.name for row in group.rows)


def test_refused_records_stand_under_their_reason_by_id_and_their_text_nowhere(made_up: MadeUpLine) -> None:
    facts = gather_facts(arrange(made_up))
    refused = made_up.verdicts.filter(pl.col("verdict") == "rejected")
    assert {group.name: group.count for group in facts.refused} == dict(refused.group_by("reason").len().iter_rows())
    leaked = refused.with_columns(response=pl.lit("write to jane.roe@example.com"), verifier_note=pl.lit("jane.roe is no number"))
    contents = arrange(replace(made_up, verdicts=pl.concat([made_up.accepted, leaked])))
    for card in (render_html(contents), render_markdown(contents)):
        assert all(row["record_id"] in card for group in facts.refused for row in group.rows)
        assert "jane.roe" not in card


def test_known_limits_name_weak_leaves_and_waived_gates(made_up: MadeUpLine) -> None:
    gone = made_up.verdicts.with_columns(
        verdict=pl.when(pl.col("leaf").str.ends_with("/addition")).then(pl.lit("rejected")).otherwise("verdict"),
        licence=pl.when(pl.col("leaf").str.ends_with("/sort_words")).then(None).otherwise("licence"),
        depth=pl.when(pl.col("leaf").str.ends_with("/sort_words")).then(2).otherwise("depth").cast(pl.Int32),
    )
    told = "\n".join(gather_facts(arrange(replace(made_up, verdicts=gone))).limits)
    assert "No record at all: addition." in told
    assert "No verifier decides thank_you_note, alat_musik, indonesian_dishes, island_animals" in told
    assert "Fewer than 20 records" in told
    assert "waived by Rina Hartati" in told
    deep = gone.filter(pl.col("leaf").str.ends_with("/sort_words"), pl.col("verdict") == "accepted").height
    assert f"{deep} records are more than one generation away" in told
    assert f"The licence of {deep} records is not known" in told


def test_a_long_record_is_cut_on_the_card(made_up: MadeUpLine) -> None:
    long = replace(made_up, verdicts=made_up.verdicts.with_columns(response=pl.lit("word " * 2000)))
    assert "more characters)" in render_markdown(arrange(long))
    assert len(render_html(arrange(long))) < 600_000


def test_a_release_of_which_nothing_was_refused_says_so(made_up: MadeUpLine) -> None:
    contents = arrange(replace(made_up, verdicts=made_up.accepted))
    assert "No candidate was refused." in render_markdown(contents)
    assert "No candidate was refused." in Page(render_html(contents)).text


def test_topics_are_counted_apart_from_examples(made_up: MadeUpLine) -> None:
    topic = {"record_id": pl.concat_str(pl.lit("t"), "record_id"), "kind": pl.lit("topic"), "answer": pl.lit(None, pl.String)}
    topics = made_up.seeds.head(3).with_columns(split=pl.lit("seed"), **topic)
    frames = (made_up.accepted, pl.concat([made_up.seeds, topics]), made_up.funnel, made_up.gates, made_up.verdicts)
    contents = arrange_contents(made_up.line, *frames, MODELS)
    assert (contents.seeds.height, contents.topics) == (made_up.seeds.height, 3)
    card = render_markdown(contents)
    assert f"{made_up.seeds.height:,} human-made examples" in card and "; 3 topics given by hand" in card
    assert gather_facts(contents).seeds + gather_facts(contents).holdout == made_up.seeds.height

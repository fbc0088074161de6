"""Judges and reward models against labelled examples: what each figure says of a judge whose faults are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_rows import asked_answers, open_pair_judge, open_panel, serve, spec_judge
from scipy.special import expit

from factory.faults import FactoryError
from factory.generation.ledger import Ledger
from factory.reward.calibration import calibrate_judge, calibrate_reward_model
from factory.reward.calibration_keys import key_of_judge, key_of_reward_model
from factory.reward.labelled import Labelled, Pair, Single, place_pair
from factory.reward.rating import Dialogue, Rating
from factory.reward_spec import ATTRIBUTES, RewardSpec


def row(response: str, instruction: str = "Say it.") -> dict[str, Any]:
    return {"instruction": instruction, "response": response, "turns": None, "context": None, "language": None}


def singles(*given: tuple[str, bool]) -> Labelled:
    return Labelled("made up", "singles", tuple(Single(row(response), good) for response, good in given))


def pairs(*preferred: tuple[str, str]) -> Labelled:
    """Of each the first is preferred."""
    made = (place_pair(row(better, f"Say {n}."), row(worse, f"Say {n}.")) for n, (better, worse) in enumerate(preferred))
    return Labelled("made up", "pairs", pairs=tuple(made))


class Scorer:
    """Rates a response by the number that stands in it; "none" is too long for it, and "lost" was given up."""

    identity = "scorer@1"

    def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
        numbers = [dialogue[-1].content.split()[0] for dialogue in dialogues]
        noted = {"none": None, "lost": Rating(note="no answer: 500")}
        return [noted[number] if number in noted else Rating(reward=float(number)) for number in numbers]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def test_an_answer_that_does_not_parse_is_a_verdict_of_its_own(ledger: Ledger) -> None:
    with serve(lambda body: {"yes": "[Score]3[/Score]", "no": "[Score]1[/Score]"}.get(asked_answers(body)[0][:3].strip(), "Hm.")) as server:
        (judge,) = open_panel(spec_judge(server))
        examples = singles(("yes", True), ("yes 2", True), ("no", False), ("no 2", True), ("hm", True), ("hm 2", False))
        found = calibrate_judge(judge, examples, ledger)
    assert found.confusion == {"good": {"good": 2, "bad": 1, "unparsed": 1}, "bad": {"good": 0, "bad": 1, "unparsed": 1}}
    assert (found.accuracy.value, found.accuracy_parsed.value, found.unparsed.value) == (3 / 6, 3 / 4, 2 / 6)
    assert (found.role, found.model, found.rubric, found.size) == ("judge", "judge@served", "pair", 6)
    assert found.position is None and found.calibration_error is None
    assert sum(found.reasons.values()) == 2 and all("expected one of 1, 2, 3" in reason for reason in found.reasons)


def test_a_judge_that_always_takes_the_first_shows_its_position_bias(ledger: Ledger) -> None:
    examples = pairs(*((f"good {n}", f"bad {n}") for n in range(12)))
    with serve(lambda body: "[[A]]") as server:
        biased = calibrate_judge(open_pair_judge(server), examples, ledger)
    with serve(lambda body: "[[A]]" if asked_answers(body)[0].startswith("good") else "[[B]]") as server:
        sound = calibrate_judge(open_pair_judge(server, revision="sound"), examples, ledger)
    assert biased.position is not None and sound.position is not None
    assert (biased.position.flips.value, biased.position.first.value, biased.accuracy.value) == (1.0, 1.0, 0.0)
    assert (sound.position.flips.value, sound.position.first.value, sound.accuracy.value) == (0.0, 0.5, 1.0)
    assert sound.kappa.value == 1.0
    assert all(biased.confusion[label]["tie"] == sum(row.values()) for label, row in biased.confusion.items())
    with pytest.raises(FactoryError, match="holds single ones"):
        calibrate_judge(open_pair_judge(server), singles(("a", True)), ledger)


def test_a_judge_that_takes_the_longer_shows_its_length_bias(ledger: Ledger) -> None:
    longer, shorter = [(f"longer is this {n}", f"short {n}") for n in range(6)], [(f"brief {n}", f"rambling on {n}") for n in range(4)]
    examples = pairs(*longer, *shorter)
    with serve(lambda body: "[[A]]" if len(asked_answers(body)[0]) > len(asked_answers(body)[1]) else "[[B]]") as server:
        found = calibrate_judge(open_pair_judge(server), examples, ledger)
    assert (found.length.longer.value, found.length.shorter.value) == (1.0, 0.0)
    assert (found.length.longer.size, found.length.shorter.size) == (6, 4)
    assert found.accuracy.value == found.length.baseline.value == 0.6
    assert found.length.correlation.value is not None and found.length.correlation.value > 0.8


def test_a_scoring_judge_reads_pairs_by_the_higher_score(ledger: Ledger) -> None:
    with serve(lambda body: f"[Score]{asked_answers(body)[0][0]}[/Score]") as server:
        found = calibrate_judge(open_panel(spec_judge(server))[0], pairs(("3 a", "1 b"), ("2 a", "2 b"), ("1 a", "3 b")), ledger)
    assert found.accuracy.value == 1 / 3 and found.position is None
    assert sum(row["tie"] for row in found.confusion.values()) == 1


def test_a_reward_model_on_single_responses_is_held_against_its_threshold_and_its_sigmoid() -> None:
    examples = singles(("2.0", True), ("1.0", False), ("-1.0", False), ("none", True))
    found = calibrate_reward_model(Scorer(), RewardSpec(), examples)
    assert found.confusion == {"good": {"good": 1, "bad": 0, "unparsed": 1}, "bad": {"good": 1, "bad": 1, "unparsed": 0}}
    assert found.area is not None and (found.area.value, found.area.size) == (1.0, 3)
    assert found.reasons == {"longer than the reward model reads": 1}
    assert found.calibration_error is not None
    expected = ((1 - expit(2.0)) + expit(1.0) + expit(-1.0)) / 3
    assert found.calibration_error.value == pytest.approx(float(expected))
    strict = calibrate_reward_model(Scorer(), RewardSpec(min_goodness=1.5), examples)
    assert strict.accuracy_parsed.value == 1.0 and strict.key != found.key


def test_a_reward_model_on_pairs_gives_the_probability_of_the_preferred() -> None:
    examples = pairs(("2.0 a", "1.0 b"), ("0.5 c", "3.0 d"))
    found = calibrate_reward_model(Scorer(), RewardSpec(), examples)
    assert found.accuracy.value == 0.5 and found.area is None
    assert found.calibration_error is not None
    assert found.calibration_error.value == pytest.approx(float(((1 - expit(1.0)) + expit(2.5)) / 2))


def test_why_a_pair_was_not_rated_is_told() -> None:
    found = calibrate_reward_model(Scorer(), RewardSpec(), pairs(("2.0 a", "1.0 b"), ("0.5 c", "lost d"), ("none e", "1 f")))
    assert found.reasons == {"no answer: 500": 1, "longer than the reward model reads": 1}


def test_five_attributes_are_compared_each_with_peoples() -> None:
    class Rater:
        identity = "rater@1"

        def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
            values = [float(dialogue[-1].content) for dialogue in dialogues]
            return [Rating(attributes={name: 4 - value if name == "verbosity" else value + 0.5 for name in ATTRIBUTES}) for value in values]

    people = [dict.fromkeys(ATTRIBUTES, float(n)) for n in range(5)]
    examples = Labelled("h", "singles", tuple(Single(row(str(n)), n > 2, float(n), given) for n, given in enumerate(people)))
    found = calibrate_reward_model(Rater(), RewardSpec(min_goodness=4.5), examples)
    assert found.attributes["helpfulness"].correlation.value == pytest.approx(1.0)
    assert found.attributes["helpfulness"].error.value == 0.5
    assert found.attributes["verbosity"].correlation.value == pytest.approx(-1.0)
    assert found.calibration_error is None, "a weighted sum of attributes is no logit"
    with pytest.raises(FactoryError, match=r"reward\.min_goodness"):
        calibrate_reward_model(Rater(), RewardSpec(), examples)


def test_every_bound_of_the_policy_decides_what_is_good_that_of_a_leaf_too() -> None:
    class Rater:
        identity = "rater@1"

        def rate(self, dialogues: Sequence[Dialogue]) -> list[Rating | None]:
            return [Rating(attributes=dict.fromkeys(ATTRIBUTES, float(dialogue[-1].content))) for dialogue in dialogues]

    spec = RewardSpec(at_least={"helpfulness": 2}, at_most={"verbosity": 3}, leaves={"strict/*": {"at_least": {"helpfulness": 3}}})
    rows = [row(str(value)) | {"record_id": str(value), "leaf": leaf} for leaf in ("mild/a", "strict/a") for value in range(5)]
    found = calibrate_reward_model(Rater(), spec, Labelled("v", "singles", tuple(Single(each, good=True) for each in rows)))
    assert found.confusion == {"good": {"good": 2 + 1, "bad": 3 + 4, "unparsed": 0}}


@pytest.mark.parametrize(
    "changed",
    [
        {"min_goodness": 2},
        {"at_least": {"helpfulness": 2}},
        {"at_most": {"verbosity": 2}},
        {"weights": {"helpfulness": 1}},
        {"leaves": {"knowledge/*": {"min_goodness": 2}}},
        {"leaves": {"knowledge/*": {"at_least": {"helpfulness": 2}}}},
    ],
)
def test_the_key_of_a_reward_model_is_of_every_bound(changed: dict[str, Any]) -> None:
    assert key_of_reward_model("m@1", RewardSpec(**changed)) != key_of_reward_model("m@1", RewardSpec())


def test_the_key_of_a_reward_model_is_of_nothing_else() -> None:
    others = [{"top_share": 0.5}, {"batch_size": 3}, {"leaves": {"knowledge/*": {"min_support": 0.5}}}, {"min_support": 0.1}]
    assert {key_of_reward_model("m@1", RewardSpec(**other)) for other in others} == {key_of_reward_model("m@1", RewardSpec())}


def swap(pair: Pair) -> Pair:
    return Pair(pair.b, pair.a, {"a": "b", "b": "a", "tie": "tie"}[pair.preferred])  # type: ignore[arg-type]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=12), st.data())
def test_which_of_a_pair_is_called_a_moves_no_figure_but_the_confusion(drawn: list[tuple[int, int]], data: st.DataObject) -> None:
    given_pairs = pairs(*((f"{better}.0 better", f"{worse}.0 worse, longer") for better, worse in drawn)).pairs
    turned = tuple(swap(pair) if data.draw(st.booleans()) else pair for pair in given_pairs)
    one, other = (calibrate_reward_model(Scorer(), RewardSpec(), Labelled("x", "pairs", pairs=each)) for each in (given_pairs, turned))
    assert one.accuracy == other.accuracy
    assert one.calibration_error == other.calibration_error
    assert one.length.model_dump(exclude={"correlation"}) == other.length.model_dump(exclude={"correlation"})


def test_the_key_is_of_what_verdicts_follow_from() -> None:
    with serve(lambda body: "") as server, serve(lambda body: "") as elsewhere:
        (judge,) = open_panel(spec_judge(server))
        same = (spec_judge(elsewhere), *(spec_judge(server, **more) for more in ({"batch_size": 3}, {"weight": 2}, {"min_score": 2})))
        other = (spec_judge(server, rubric="helpfulness"), spec_judge(server, min_score=3), spec_judge(server, revision="2"))
        assert all(key_of_judge(open_panel(spec)[0]) == key_of_judge(judge) for spec in same)
        assert all(key_of_judge(open_panel(spec)[0]) != key_of_judge(judge) for spec in other)
        assert key_of_judge(open_panel(spec_judge(server), spec_judge(server))[1]) == key_of_judge(judge), "two of a kind are measured once"
    assert key_of_reward_model("m@1", RewardSpec()) != key_of_reward_model("m@2", RewardSpec())

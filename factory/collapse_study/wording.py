"""What figures are called, which closed form each is held against, and what an experiment says, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from factory.collapse_study import categories, gaussians, language, regression
from factory.collapse_study.figures import POLICIES, Verdict

TITLES: Mapping[str, str] = {
    gaussians.NAME: "Gaussians",
    regression.NAME: "Linear regression",
    categories.NAME: "Categories",
    language.NAME: "Language models",
}
EXPERIMENTS = tuple(TITLES)

STATISTICS: Mapping[str, str] = {
    "mean_error": "E[μ²]",
    "variance": "E[σ²]",
    "deviation": "E[σ]",
    "distance": "E[W₂²] to N(0, 1)",
    "excess_error": "E‖ŵ − w‖²",
    "diversity": "E[1 − Σp²]",
    "rare_alive": "rarest tenth still alive",
    "perplexity": "perplexity of held-out real text",
    "loss_gained": "loss above the first model's, nats a token",
    "own_perplexity": "perplexity of its own text to the first model",
    "distinct_1": "distinct words",
    "distinct_2": "distinct pairs of words",
    "rare_1": "rarest real words written",
    "rare_2": "rarest real pairs written",
}

FORMULAS: Mapping[tuple[str, str, str], str] = {
    ("replace_unbiased", "mean_error", "equals"): "n/M",
    ("replace_unbiased", "variance", "equals"): "1",
    ("replace_unbiased", "deviation", "equals"): "c₄ⁿ",
    ("replace_unbiased", "distance", "equals"): "n/M + 2(1 − c₄ⁿ)",
    ("replace", "mean_error", "equals"): "1 − (1 − 1/M)ⁿ",
    ("replace", "variance", "equals"): "(1 − 1/M)ⁿ",
    ("refreshed", "mean_error", "equals"): "u = (1 − rⁿ)/(M(1 − r)), r = (1 − α)²(1 − 1/M)",
    ("refreshed", "variance", "equals"): "1 − u",
    ("kept", "mean_error", "equals"): "1/M + (1 − 1/M)·u of n − 1",
    ("kept", "variance", "equals"): "1 less that",
    ("accumulate", "mean_error", "equals"): "1 − ∏(1 − 1/(Mk²))",
    ("accumulate", "variance", "equals"): "∏(1 − 1/(Mk²))",
    ("accumulate", "mean_error", "at_most"): "π²/(6M)",
    ("replace", "excess_error", "equals"): "n·d/(T − d − 1)",
    ("refreshed", "excess_error", "equals"): "d/(T − d − 1)·(1 − cⁿ)/(1 − c)",
    ("accumulate", "excess_error", "equals"): "Σ d/(k(kT − d − 1))",
    ("accumulate", "excess_error", "at_most"): "d/(T − d − 1)·Σ 1/k²",
    ("replace", "diversity", "equals"): "H₀(1 − 1/M)ⁿ",
    ("kept", "diversity", "equals"): "S ← 1/M + (1 − 1/M)((1 − α)²S + (1 − (1 − α)²)S₀)",
    ("accumulate", "diversity", "equals"): "H₀∏(1 − 1/(Mk²))",
}


def name_policy(policy: str) -> str:
    """How a policy is called in tables and plots."""
    return {language.FIRST: "first model", language.REAL: "real text"}.get(policy, POLICIES.get(policy, policy))


def conclude(figures: pl.DataFrame, verdicts: Sequence[Verdict]) -> Iterator[tuple[str, str]]:
    """For each experiment that was made its name and a sentence on what it says."""
    for experiment in figures["experiment"].unique(maintain_order=True):
        if experiment == language.NAME:
            yield experiment, _conclude_language(figures.filter(pl.col("experiment") == experiment))
        else:
            yield experiment, _conclude_simulation([verdict for verdict in verdicts if verdict.experiment == experiment])


def _conclude_simulation(verdicts: Sequence[Verdict]) -> str:
    agree = [verdict for verdict in verdicts if verdict.agrees]
    told = f"{len(agree)} of {len(verdicts)} series agree with their closed forms"
    wrong = [f"{name_policy(each.policy)} {STATISTICS[each.statistic]} (z {each.worst:+.1f})" for each in verdicts if not each.agrees]
    end = verdicts[0].generation
    (ruined, kept), statistic = _extremes(verdicts)
    contrast = (
        f"After {end} generations {statistic} is {ruined.value:.3g} ({ruined.low:.3g} to {ruined.high:.3g}) where data are replaced, "
        f"{kept.value:.3g} ({kept.low:.3g} to {kept.high:.3g}) where they accumulate."
    )
    return f"{told}{'; not ' + ', '.join(wrong) if wrong else ''}. {contrast}"


def _extremes(verdicts: Sequence[Verdict]) -> tuple[tuple[Verdict, Verdict], str]:
    """Replace and accumulate on the statistic that both are first compared by."""
    ruined = next(verdict for verdict in verdicts if verdict.policy == "replace")
    kept = next(verdict for verdict in verdicts if verdict.policy == "accumulate" and verdict.statistic == ruined.statistic)
    return (ruined, kept), STATISTICS[ruined.statistic]


def _conclude_language(figures: pl.DataFrame) -> str:
    end = int(figures["generation"].max())  # type: ignore[arg-type]
    runs = figures["run"].n_unique()

    def mean(policy: str, statistic: str, generation: int) -> float:
        chosen = (pl.col("policy") == policy) & (pl.col("statistic") == statistic) & (pl.col("generation") == generation)
        return float(figures.filter(chosen)["value"].mean())  # type: ignore[arg-type]

    first = mean(language.FIRST, "perplexity", 0)
    last = {policy: mean(policy, "perplexity", end) for policy in language.POLICIES}
    told = ", ".join(f"{value:.1f} {_where(policy)}" for policy, value in last.items())
    tails = ", ".join(f"{mean(policy, 'rare_1', end):.0%} {_where(policy)}" for policy in language.POLICIES)
    return (
        f"The first model has a perplexity of {first:.1f} on held-out real text; generation {end} has {told}"
        f"{f' (means of {runs} runs)' if runs > 1 else ''}. Of the rarest real words the first model writes "
        f"{mean(language.FIRST, 'rare_1', 0):.0%}, generation {end} {tails}."
    )


def _where(policy: str) -> str:
    return {"replace": "where text is replaced", "kept": "where 10 % is real", "accumulate": "where it accumulates"}[policy]

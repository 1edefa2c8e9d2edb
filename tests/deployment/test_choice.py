"""Which run is chosen, with what estimate, and what is warned of; on candidates made by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adapt.benchmark.vocabulary import SOURCE_ONLY
from adapt.deployment.candidates import Candidate, Run, not_judged
from adapt.deployment.card import estimate_words, model_card
from adapt.deployment.choice import choose
from adapt.errors import AdaptError
from adapt.estimation import evaluation, measured


@pytest.fixture(autouse=True)
def errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    file = tmp_path / "measured.json"
    entry = {"upper": 9.0, "bias": 1.0, "cells": 40}
    file.write_text(json.dumps({"errors": {"atc": entry | {"error": 4.0}, "agreement": entry | {"error": 6.0}}}))
    monkeypatch.setattr(evaluation, "_MEASURED", file)
    measured.cache_clear()
    yield
    measured.cache_clear()


def logits(classes: list[int]) -> Tensor:
    return 5 * torch.nn.functional.one_hot(torch.tensor(classes), 3).float()


SPREAD = [0, 1, 2] * 20


def candidate(
    method: str, seed: int, score: float, atc: float = 0.8, predicted: list[int] | None = None, baseline: bool = False
) -> Candidate:
    found = logits(predicted or SPREAD)
    return Candidate(
        run=Run(Path(), "a-b", method, "", seed, {}),
        rule="information_maximisation",
        step=60,
        scores={"information_maximisation": score},
        estimates={"atc": atc},
        estimable=True,
        baseline=baseline,
        counts=found.argmax(1).bincount(minlength=3),
        source_counts=torch.tensor([20, 20, 20]),
        target_logits=found,
    )


def test_the_method_with_the_best_mean_over_seeds_and_its_best_seed() -> None:
    # MMD has the best run of all, and the worse mean.
    runs = [
        candidate("SourceOnly", 0, 0.1, baseline=True),
        candidate("MMD", 0, 0.9),
        candidate("MMD", 1, 0.1),
        candidate("CORAL", 0, 0.6),
        candidate("CORAL", 1, 0.7, atc=0.85),
    ]
    choice = choose(runs, "information_maximisation")
    assert (choice.chosen.run.method, choice.chosen.run.seed) == ("CORAL", 1)
    assert choice.runner_up is not None and choice.runner_up.name == "MMD, seed 0"
    assert choice.estimate == "atc" and choice.accuracy == pytest.approx(0.85)
    assert choice.uncertainty == pytest.approx(0.04)
    assert not choice.warnings
    found = json.loads(json.dumps(choice.as_json()))
    assert {"method", "seed", "rule", "estimated_accuracy", "uncertainty", "runner_up", "warnings"} <= set(found)
    assert "85.0 ± 4.0 %" in estimate_words(choice) and "40 runs" in estimate_words(choice)
    card = model_card(choice, ["x", "y", "z"], {"init_args": {"source": "a", "target": "b"}}, "", {"torch": "2"})
    assert "85.0 ± 4.0 %" in card and "CORAL, seed 1" in card and "| MMD | 2 |" in card
    assert "labelled a, unlabelled b\n" in card


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (SOURCE_ONLY, "labelled a alone"),
        ("few-shot (2 per class)", "labelled a, b with target labels: few-shot (2 per class)"),
    ],
)
def test_the_card_says_which_target_labels_were_trained_on(setting: str, said: str) -> None:
    choice = choose([candidate("FineTuning", 0, 0.9)], "information_maximisation")
    data = {"init_args": {"source": "a", "target": "b"}}
    assert f"Trained on: {said}\n" in model_card(choice, ["x"], data, "", {}, False, setting)


def test_the_card_of_a_regression_shows_errors_as_they_are() -> None:
    runs = [candidate("MMD", 0, 0.9), candidate("CORAL", 0, 0.6)]
    numbers = [
        replace(run, counts=None, source_counts=None, estimates={}, estimable=False, scores={"source_mae": -error})
        for run, error in zip(runs, (2.5, 4.0), strict=True)
    ]
    choice = choose(numbers, "source_mae")
    card = model_card(choice, ["price"], {"init_args": {"source": "a", "target": "b"}}, "", {"torch": "2"}, True)
    assert "with the lowest mean of `source_mae`" in card and "source_mae, lower is better |" in card
    assert "| MMD | 1 | 2.5000 |" in card and "| CORAL | 1 | 4.0000 |" in card


def test_only_classes_have_an_agreement_of_two_seeds() -> None:
    runs = [candidate("MMD", 0, 0.9), candidate("MMD", 1, 0.8), candidate("CORAL", 0, 0.6), candidate("CORAL", 1, 0.5)]
    choose(runs, "information_maximisation")
    assert [run.estimates.get("agreement") for run in runs] == [1.0] * 4
    # Several labels, or numbers: the largest output of a sample is no prediction.
    labels = [replace(run, counts=None, source_counts=None, estimates={}, estimable=False) for run in runs]
    choice = choose(labels, "information_maximisation")
    assert choice.estimate is None
    assert any("no estimate of its accuracy" in warning for warning in choice.warnings)


def test_an_estimate_can_be_the_rule_and_a_rule_without_values_is_refused() -> None:
    runs = [candidate("CORAL", 0, 0.9, atc=0.5), candidate("MMD", 0, 0.1, atc=0.8)]
    assert choose(runs, "atc").chosen.run.method == "MMD"
    with pytest.raises(AdaptError, match="a value of the rule snd"):
        choose(runs, "snd")


def test_collapse_is_suspected_where_classes_are_hardly_predicted() -> None:
    choice = choose([candidate("DANN", 0, 0.9, predicted=[0] * 60)], "information_maximisation")
    assert any("Collapse suspected: 2 of 3" in text for text in choice.warnings)
    assert any("One seed alone" in text for text in choice.warnings)
    assert any("add SourceOnly" in text for text in choice.warnings)


def test_negative_transfer_is_suspected_where_source_only_is_estimated_higher() -> None:
    runs = [candidate("SourceOnly", 0, 0.1, atc=0.9, baseline=True), candidate("DANN", 0, 0.9, atc=0.7)]
    (text,) = [t for t in choose(runs, "information_maximisation").warnings if "Negative transfer" in t]
    assert "90.0 %, 20.0 points above" in text


def test_negative_transfer_is_suspected_where_the_two_disagree_more_than_both_estimates_allow() -> None:
    turned = [1, 2, 0] * 20
    runs = [candidate("SourceOnly", 0, 0.1, atc=0.9, baseline=True), candidate("DANN", 0, 0.9, 0.9, turned)]
    (text,) = [t for t in choose(runs, "information_maximisation").warnings if "Negative transfer" in t]
    assert "disagree on 100 %" in text and "(20 %)" in text


def test_source_only_chosen_is_no_negative_transfer() -> None:
    runs = [candidate("SourceOnly", s, 0.9, baseline=True) for s in (0, 1)] + [candidate("DANN", 0, 0.1)]
    choice = choose(runs, "information_maximisation")
    assert choice.chosen.baseline and not choice.warnings


def test_what_a_grid_planned_and_did_not_finish_is_said(tmp_path: Path) -> None:
    plan = {"benchmark": "g", "tasks": ["a-b", "a-c"], "methods": ["SourceOnly", "MMD"], "seeds": [0, 1]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    runs = [candidate(*cell, 0.5).run for cell in (("SourceOnly", 0), ("SourceOnly", 1), ("MMD", 1))]
    assert not_judged([tmp_path], "a-b", runs) == [
        f"1 of the 4 planned runs in {tmp_path.name} failed, or are not done, and were not judged: MMD 1 of 2."
    ]
    assert not_judged([tmp_path], "a-b", [*runs, candidate("MMD", 0, 0.5).run]) == []
    assert not_judged([tmp_path / "a run alone"], "a-b", runs) == []

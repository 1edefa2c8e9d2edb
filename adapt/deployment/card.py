"""The model card: what was chosen, how good it is likely to be, and how to use it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from adapt.benchmark.vocabulary import SOURCE_ONLY, UNSUPERVISED
from adapt.deployment.choice import Choice
from adapt.estimation import ESTIMATES, measured

# From so many points on a person has to know.
_FLATTERS = 2.0


def model_card(
    choice: Choice,
    class_names: Sequence[str],
    data: Mapping[str, Any],
    export: str,
    versions: Mapping[str, str],
    numbers: bool = False,
    setting: str = UNSUPERVISED,
) -> str:
    """The card as Markdown.

    Args:
        choice: What was chosen.
        class_names: Names of the outputs.
        data: The configuration of the data.
        export: Why there is no exported file; empty where there is one.
        versions: Of the libraries.
        numbers: Whether the outputs are numbers and no probabilities.
        setting: Which target labels the run was trained with.
    """
    run = choice.chosen.run
    given = data.get("init_args") or {}
    # Higher is better for every rule, so an error has a minus sign, which a reader would take for a slip.
    error = numbers and choice.rule.startswith("source_")
    sign = -1 if error else 1
    lines = [
        f"# {run.method} for {run.task}",
        "",
        f"Chosen by `adapt choose` on {datetime.date.today().isoformat()} among {len(choice.ranking)} methods, without "
        f"a target label: the method with the {'lowest' if error else 'highest'} mean of `{choice.rule}` over its "
        "seeds, and of those the best seed.",
        "",
        f"- Method: {run.method}, seed {run.seed}, checkpoint `{choice.chosen.rule}` at step {choice.chosen.step}",
        f"- Trained on: labelled {_named(given.get('source'))}{_target_words(_named(given.get('target')), setting)}",
        f"- Estimated target accuracy: {estimate_words(choice)}",
        f"- Runner-up: {_runner_up(choice)}",
        f"- Outputs: {', '.join(class_names)}",
        "",
        "## Warnings",
        "",
        *([f"- {text}" for text in choice.warnings] or ["None."]),
        "",
        "## Candidates",
        "",
        f"| method | seeds | {choice.rule}{', lower is better' if error else ''} | estimated accuracy, % |",
        "|---|--:|--:|--:|",
        *(
            f"| {name} | {seeds} | {sign * value:.4f} | {'' if accuracy is None else f'{100 * accuracy:.1f}'} |"
            for name, value, accuracy, seeds in choice.ranking
        ),
        "",
        "## Use",
        "",
        "```bash",
        "adapt predict --config config.yaml --input NEW --output new.csv",
        "```",
        "",
        "```python",
        "import adapt",
        "",
        'model = adapt.load("this folder")',
        f"model.{'predict' if numbers else 'predict_proba'}(inputs)  # paths, Pillow images, arrays",
        "```",
        "",
        _export_words(export, "numbers" if numbers else "probabilities"),
        "",
        "## What these numbers do not know",
        "",
        "They were computed from the target's unlabelled test inputs and the source's held-out labels. A target whose "
        "classes mean something else, or new inputs from a third place, are beyond it. A few dozen labelled target "
        "samples tell more than any estimate.",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    return "\n".join(lines) + "\n"


def estimate_words(choice: Choice) -> str:
    """The estimate with its uncertainty, as a person reads it."""
    if choice.accuracy is None or choice.estimate is None:
        return "none (estimates need classes that are the same in both domains, and held-out source samples)"
    words = ESTIMATES[choice.estimate].words
    if choice.uncertainty is None or choice.upper is None:
        return f"{100 * choice.accuracy:.1f} % ({words}; its error was not measured)"
    found = measured()[choice.estimate]
    flatters = f"; on average it was {found.bias:.1f} points too high" if found.bias > _FLATTERS else ""
    return (
        f"{100 * choice.accuracy:.1f} ± {100 * choice.uncertainty:.1f} % ({words}; the mean error over {found.cells} "
        f"runs whose accuracy is known, of which 9 in 10 are within {100 * choice.upper:.1f}{flatters})"
    )


def _runner_up(choice: Choice) -> str:
    other = choice.runner_up
    if other is None:
        return "none, there is one run alone"
    value = None if choice.estimate is None else other.estimates.get(choice.estimate)
    return other.name + ("" if value is None else f", estimated at {100 * value:.1f} %")


def _target_words(target: str, setting: str) -> str:
    if setting == SOURCE_ONLY:
        return " alone"
    return f", unlabelled {target}" if setting == UNSUPERVISED else f", {target} with target labels: {setting}"


def _named(domains: Any) -> str:
    return " + ".join(map(str, domains)) if isinstance(domains, list) else str(domains or "target")


def _export_words(reason: str, outputs: str) -> str:
    if reason:
        return f"There is no `model.pt2`: {reason}."
    return (
        f"With torch alone `torch.export.load('model.pt2').module()(x)` gives the same {outputs}. Its `x` is a "
        "batch that is cut or read as `preprocessing.json` says: bytes of images `(N, 3, H, W)`, or vectors as floats."
    )

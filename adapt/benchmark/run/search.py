"""Hyperparameter search: trials on one seed, a pick per rule without target labels, reruns on fresh seeds."""

import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapt.benchmark.plan.merging import merge
from adapt.benchmark.plan.plan import Cell, Plan, setting_of, start_from
from adapt.benchmark.plan.search_space import Search, setting
from adapt.benchmark.results.results import RESULT_FILE, CellResult, read_result
from adapt.benchmark.run.engine import RunCell
from adapt.benchmark.run.grid import GridOutcome, run_grid
from adapt.benchmark.run.lock import locked
from adapt.benchmark.run.sampling import Settings, check_optuna, draw
from adapt.benchmark.statistics.trials import best_of, best_together, trial_scores
from adapt.benchmark.vocabulary import CELL_FILE, SEARCH_FILE, TRIALS_FOLDER
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.selection.checkpoint_files import share_file

Study = tuple[str, str]


@dataclass(frozen=True)
class Trial:
    """One setting of a method on a task, and the cell that tries it."""

    settings: Settings
    cell: Cell


def run_search(plan: Plan, run_cell: RunCell, *, retry: bool = False, **options: Any) -> GridOutcome:
    """Try every method's settings, pick one per rule, and rerun what was picked on the plan's seeds.

    The trials are a grid of their own, `<out>/search/<task>/<method>-trial-<number>/<seed>`. Reruns of the first rule
    are the cells of `<out>`; those of every other rule are a benchmark in `<out>/picked-by-<rule>`, where a run that an
    earlier rule asked for too is copied. A method that starts from another is searched after it, and starts from the
    trial that the first rule picked.

    With development tasks, every method's settings are tried on these alone, the same ones on each; a rule picks the
    setting with the best mean rank over them, and the other tasks are the ones that it is rerun on.

    Args:
        plan: A plan with a search.
        run_cell: As for `run_grid`.
        retry: Also run trials and reruns again that failed or diverged.
        **options: As for `run_grid`: `jobs`, `engine`, `rerun_changed`, `command` and `console`.

    Returns:
        Outcome of the reruns; of the trials, where the search was stopped among them.

    Raises:
        AdaptError: Optuna is missing, no trial has a score to pick by, or what `run_grid` raises.
    """
    assert plan.search is not None
    check_optuna()
    out = plan.cells[0].directory.parents[2]
    if any(cell.directory.parents[1].name.lower() == TRIALS_FOLDER for cell in plan.cells):
        raise AdaptError(f"A task's folder would be {out / TRIALS_FOLDER}, where the trials go; rename the task.")
    studies, outcome = _run_trials(plan, plan.search, run_cell, retry, options)
    if outcome.interrupted:
        return outcome
    finished: dict[tuple[Study, int, str], Cell] = {}
    results: list[CellResult] = []
    interrupted = False
    for rule in plan.search.rules:
        picks = _picks(plan.search, studies, rule)
        if not any(number is not None for number in picks.values()):
            raise AdaptError(
                f"No trial of any method has a finite value of {rule} in its metrics.csv, so nothing can be "
                "picked by it. The run has to compute it: see `Scores(names=...)`, or pick by another `rule`."
            )
        folder = rule_folder(out, plan.search, rule)
        cells = _reruns(plan, studies, picks, folder, rule, finished)
        _write_search(folder, plan, plan.search, studies, picks, rule)
        rerun = run_grid(cells, run_cell, retry=retry, **options)
        results += rerun.results
        interrupted = rerun.interrupted
        if interrupted:
            break
        for cell in cells:
            finished.setdefault(((cell.task, cell.method), cell.seed, cell.config_hash), cell)
    return GridOutcome(tuple(results), interrupted)


def rule_folder(out: Path, search: Search, rule: str) -> Path:
    """Where the reruns of what a rule picked are a benchmark."""
    return out if rule == search.rules[0] else out / f"picked-by-{rule}"


def pick(trials: Sequence[Trial], rule: str) -> int | None:
    """Position of the trial with the highest score, the earlier one of equals; None if none has a score."""
    return best_of([trial_scores(trial.cell.directory).get(rule) for trial in trials])


def _picks(search: Search, studies: Mapping[Study, Sequence[Trial]], rule: str) -> dict[Study, int | None]:
    """Of each study the trial that a rule picks; with development tasks the same one of all of a method's studies."""
    if not search.development:
        return {study: pick(trials, rule) for study, trials in studies.items()}
    scores: dict[str, list[list[float | None]]] = {}
    for (_, method), trials in studies.items():
        scores.setdefault(method, []).append([trial_scores(trial.cell.directory).get(rule) for trial in trials])
    return {(task, method): best_together(scores[method]) for task, method in studies}


def _run_trials(
    plan: Plan, search: Search, run_cell: RunCell, retry: bool, options: Mapping[str, Any]
) -> tuple[dict[Study, list[Trial]], GridOutcome]:
    chosen_on = search.development or plan.tasks
    templates = {(c.task, c.method): c for c in plan.cells if c.seed == plan.seeds[0] and c.task in chosen_on}
    depths: dict[Study, int] = {}
    for study, cell in templates.items():
        depths[study] = 0 if cell.init_from is None else depths[cell.task, cell.init_from] + 1
    studies: dict[Study, list[Trial]] = {study: [] for study in templates}
    # Random search knows all its settings at once; a sampler that learns has to wait for the trial before.
    rounds = [search.trials] if search.sampler == "random" else list(range(1, search.trials + 1))
    outcome = GridOutcome((), interrupted=False)
    for depth, count in itertools.product(sorted(set(depths.values())), rounds):
        begun = _picks(search, {s: t for s, t in studies.items() if depths[s] < depth}, search.rules[0])
        for study, template in templates.items():
            if depths[study] != depth:
                continue
            start = None
            if template.init_from is not None:
                number = begun[template.task, template.init_from]
                if number is None:
                    continue
                start = studies[template.task, template.init_from][number].cell
            values = [trial_scores(trial.cell.directory).get(search.rules[0]) for trial in studies[study]]
            task = "" if search.development else template.task
            drawn = itertools.islice(draw(search, task, template.method, values), count)
            studies[study] = [
                Trial(settings, _trial(template, settings, number, start, search))
                for number, settings in enumerate(drawn)
            ]
        cells = [trial.cell for trials in studies.values() for trial in trials]
        # A round begins with the cells of the rounds before, which must not run again in each.
        known = {(result.task, result.method) for result in outcome.results}
        if retry:
            _forget_failures([cell for cell in cells if (cell.task, cell.method) not in known])
        outcome = run_grid(cells, run_cell, **options)
        if outcome.interrupted:
            break
    return studies, outcome


def _trial(template: Cell, settings: Settings, number: int, start: Cell | None, search: Search) -> Cell:
    *_, task, method, _ = template.directory.parts
    out = template.directory.parents[2] / TRIALS_FOLDER
    config = merge(merge(template.config, setting(settings)), {"seed_everything": search.seed})
    config, identity = start_from(start, config)
    return replace(
        template,
        method=f"{template.method}, trial {number:03d}",
        seed=search.seed,
        config=config,
        directory=out / task / f"{method}-trial-{number:03d}" / str(search.seed),
        benchmark=f"{template.benchmark}, search",
        init_from=None if start is None else start.method,
        setting=template.written_setting or setting_of(config, start),
        config_hash=identity,
        embedding=False,
    )


def _reruns(
    plan: Plan,
    studies: Mapping[Study, Sequence[Trial]],
    picks: Mapping[Study, int | None],
    folder: Path,
    rule: str,
    finished: Mapping[tuple[Study, int, str], Cell],
) -> list[Cell]:
    """The cells of what was picked; those that an earlier rule asked for too are copied into place."""
    out = plan.cells[0].directory.parents[2]
    cells: dict[tuple[str, str, int], Cell] = {}
    development = plan.search.development if plan.search is not None else ()
    for template in plan.cells:
        if template.task in development:
            continue
        study = (development[0] if development else template.task, template.method)
        number = picks[study]
        start = None
        if template.init_from is not None:
            start = cells.get((template.task, template.init_from, template.seed))
        if number is None or (start is None and template.init_from is not None):
            continue
        config = merge(template.config, setting(studies[study][number].settings))
        if start is not None:
            # Of a copied run the start is where it was made, so that its cell reads as before.
            key = ((start.task, start.method), start.seed, start.config_hash)
            config, identity = start_from(finished.get(key, start), config)
        else:
            config, identity = start_from(None, config)
        cell = replace(
            template,
            config=config,
            directory=folder / template.directory.relative_to(out),
            benchmark=template.benchmark if folder == out else f"{template.benchmark}, picked by {rule}",
            setting=template.written_setting or setting_of(config, start),
            config_hash=identity,
        )
        cells[cell.task, cell.method, cell.seed] = cell
        if (twin := finished.get(((cell.task, cell.method), cell.seed, identity))) is not None:
            _copy(twin, cell)
    return list(cells.values())


def _copy(twin: Cell, cell: Cell) -> None:
    known = cell.directory / RESULT_FILE
    if known.exists() or not (twin.directory / RESULT_FILE).exists():
        return
    if cell.directory.exists() and not (cell.directory / CELL_FILE).exists():
        return  # somebody else's files, which the grid is about to refuse
    shutil.rmtree(cell.directory, ignore_errors=True)
    # The result comes last: a copy stopped half-way is a cell that never ran.
    ignored = shutil.ignore_patterns(RESULT_FILE, "checkpoints", "wandb")
    shutil.copytree(twin.directory, cell.directory, ignore=ignored)
    # Weights as links, which take no space: `adapt choose` and `adapt test` look for them beside the result.
    for path in sorted(twin.directory.glob("checkpoints/*.ckpt")):
        (cell.directory / "checkpoints").mkdir(exist_ok=True)
        share_file(path, cell.directory / "checkpoints" / path.name)
    write_atomically(known, (twin.directory / RESULT_FILE).read_text(encoding="utf-8"))


def _forget_failures(cells: Sequence[Cell]) -> None:
    if not cells:
        return
    with locked(cells[0].directory.parents[2]):
        for path in (cell.directory / RESULT_FILE for cell in cells):
            try:
                if read_result(path).status != "ok":
                    path.unlink()
            except AdaptError:
                continue


def _write_search(
    folder: Path,
    plan: Plan,
    search: Search,
    studies: Mapping[Study, Sequence[Trial]],
    picks: Mapping[Study, int | None],
    rule: str,
) -> None:
    # Like the plan's file: a report is made from files alone.
    trials = plan.cells[0].directory.parents[2] / TRIALS_FOLDER
    content = {
        "trials": search.trials,
        "seed": search.seed,
        "sampler": search.sampler,
        "rule": rule,
        "rules": list(search.rules),
        "seeds": list(plan.seeds),
        "development": list(search.development),
        "folder": TRIALS_FOLDER if folder == trials.parent else f"../{TRIALS_FOLDER}",
        "studies": [
            {
                "task": task,
                "method": method,
                "picked": picks[task, method],
                "trials": [
                    {
                        "folder": trial.cell.directory.relative_to(trials).as_posix(),
                        "setting": trial.cell.setting,
                        "settings": dict(trial.settings),
                    }
                    for trial in found
                ],
            }
            for (task, method), found in studies.items()
        ],
    }
    write_atomically(folder / SEARCH_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

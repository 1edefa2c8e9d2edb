"""`adapt choose`: which of several runs to deploy."""

from dataclasses import replace
from pathlib import Path

import wandb
from rich.console import Console

from adapt.benchmark.outputs.terminal import say
from adapt.benchmark.vocabulary import CHOICE_FILE, DEFAULT_RULE
from adapt.commands.options import choose_options
from adapt.deployment.candidates import (
    datamodules,
    find_runs,
    judge,
    not_judged,
    of_one_task,
    reads_all_labels,
    told_apart,
)
from adapt.deployment.card import estimate_words
from adapt.deployment.choice import Choice, choose
from adapt.deployment.folder import CARD_FILE, check_free, write_folder
from adapt.errors import AdaptError
from adapt.estimation import ESTIMATES, default_estimate
from adapt.selection import SCORES
from adapt.selection.own import own_rules
from adapt.training.quiet import quiet
from adapt.training.tracking import settled_mode


def choose_command(argv: list[str]) -> int:
    """Choose a run, write a folder that stands alone, and log it.

    Args:
        argv: Arguments after `adapt choose`.

    Returns:
        0.

    Raises:
        AdaptError: There are no runs, they do not fit together, or the folder cannot be written.
    """
    given = choose_options().parse_args(argv)
    known = [*SCORES, *(name for name, found in ESTIMATES.items() if found.compute is not None)]
    check_free(given.out)
    every = find_runs(given.runs)
    runs = of_one_task(every, given.task)
    own = {name for run in runs for name in own_rules(run.config)}
    known += sorted(own)
    if given.rule is not None and given.rule not in known and not given.rule.startswith("source_"):
        raise AdaptError(f"Expected --rule out of {', '.join(known)}, source_accuracy, found {given.rule!r}.")
    free = [run for run in runs if not reads_all_labels(run)]
    if not free:
        raise AdaptError("Expected runs that train without all target labels, found none to choose from.")
    console = Console(width=200)
    with quiet():
        free, copies = told_apart(free)
        datas, doubts = datamodules(free)
        data = datas[free[0].folder]
        # An estimate is of classes that both domains have. Where the target lacks some, the default rule of
        # checkpoints would ask for predictions of all.
        estimable = data.problem.estimable
        rule = given.rule or (default_estimate() if estimable else "silhouette")
        kept = DEFAULT_RULE if estimable else "silhouette"
        if rule in ESTIMATES and not estimable:
            raise AdaptError(
                f"Expected a --rule that needs no equal classes, found {rule}, an estimate, and domains whose classes "
                "differ, or no classes. Leave --rule out."
            )
        # Without classes there is no score of them either: the source decides.
        if not data.problem.probabilities:
            rule = kept = f"source_{data.problem.headline}"
        choice = choose(list(judge(free, given.checkpoints or kept, datas, given.device, rule in own)), rule)
        absent = not_judged(given.runs, choice.chosen.run.task, every)
        choice = replace(choice, warnings=(*choice.warnings, *copies, *doubts, *absent))
        write_folder(choice, datas[choice.chosen.run.folder], given.out, given.device)
    for line in _lines(choice, len(free), given.out):
        say(console, line)
    _log(choice, given.out, given.wandb, given.project, console)
    return 0


def _lines(choice: Choice, count: int, out: Path) -> list[str]:
    run, other = choice.chosen.run, choice.runner_up
    lines = [
        f"Chosen for {run.task}, out of {count} runs: {choice.chosen.name} (checkpoint {choice.chosen.rule}), by "
        f"{choice.rule}.",
        f"Estimated target accuracy: {estimate_words(choice)}",
    ]
    if other is not None:
        lines.append(f"Runner-up: {other.name}")
    lines += [f"Warning: {text}" for text in choice.warnings]
    return [*lines, f"{out}: {CHOICE_FILE}, {CARD_FILE}, weights, predictions.csv of the target"]


def _log(choice: Choice, out: Path, mode: str, project: str, console: Console) -> None:
    settled = settled_mode(mode)  # type: ignore[arg-type]  # the parser knows the choices
    if settled == "disabled":
        return
    run = choice.chosen.run
    try:
        logged = wandb.init(
            project=project,
            job_type="choose",
            name=f"{run.task} choice",
            mode=settled,
            config=choice.as_json(),
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )
        try:
            name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in run.task)
            artifact = wandb.Artifact(f"model-{name}", type="model", metadata=choice.as_json())
            for path in sorted(path for path in out.rglob("*") if path.is_file()):
                artifact.add_file(str(path), name=path.relative_to(out).as_posix())
            logged.log_artifact(artifact)
        finally:
            logged.finish()
    except Exception as error:
        # The folder is written by now: a network that is down must not make the choice look failed.
        say(console, f"The model was not logged to Weights & Biases ({type(error).__name__}: {error}).")

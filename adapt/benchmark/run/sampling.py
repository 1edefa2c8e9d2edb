"""Settings to try, drawn by Optuna; the same seed draws the same ones, and more trials begin with the fewer."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adapt.benchmark.plan.merging import config_hash
from adapt.benchmark.plan.search_space import Choice, Range, Search
from adapt.extras import optional

Settings = Mapping[str, Any]


def check_optuna() -> None:
    """Make sure that settings can be drawn, before anything runs.

    Raises:
        AdaptError: Optuna is not installed.
    """
    optional("optuna", "Optuna", "search", "`search` in a benchmark's file")


def draw(search: Search, task: str, method: str, values: Sequence[float | None] = ()) -> Iterator[Settings]:
    """Settings of the trials of one method on one task, without end.

    Each study has its own seed, made of the search's seed, the task's name and the method's, so that what it draws does
    not depend on which others there are. Random search never draws a setting twice.

    Args:
        search: What to draw from.
        task: Name of the task.
        method: Name of the method.
        values: The score of every trial so far, None for one without; Optuna's TPE
            (https://proceedings.neurips.cc/paper/2011/hash/86e8f7ab32cfd12577bc2619bc635690-Abstract.html) learns from
            it, and gives one setting more than there are scores.

    Raises:
        AdaptError: Optuna is not installed.
    """
    check_optuna()
    import optuna

    seed = int.from_bytes(hashlib.sha256(f"{search.seed}/{task}/{method}".encode()).digest()[:4], "big")
    space = search.spaces[method]
    distributions: dict[str, Any] = {key: _distribution(dimension) for key, dimension in space.items()}
    samplers: dict[str, Callable[[], Any]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
    }
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=samplers[search.sampler]())
    finally:
        optuna.logging.set_verbosity(before)
    seen: set[str] = set()
    for number in itertools.count():
        trial = study.ask(distributions)
        settings = {
            key: dimension.values[trial.params[key]] if isinstance(dimension, Choice) else trial.params[key]
            for key, dimension in space.items()
        }
        known = config_hash(settings) in seen
        seen.add(config_hash(settings))
        if search.sampler == "random" and known:
            continue
        yield settings
        if search.sampler == "random":
            continue
        if number == len(values):
            return
        value = values[number]
        if value is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)


def _distribution(dimension: Range | Choice) -> Any:
    from optuna import distributions

    if isinstance(dimension, Choice):
        # Optuna warns of values that are lists; positions in the list are none.
        return distributions.CategoricalDistribution(range(len(dimension.values)))
    if dimension.whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)

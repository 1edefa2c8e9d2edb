"""What a benchmark's `search` says: how many trials, out of which settings, picked by which rule."""

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from adapt.benchmark.plan.checks import check_keys, hint, listed
from adapt.benchmark.plan.classes import resolve
from adapt.benchmark.plan.merging import Config
from adapt.benchmark.results.units import domain_pair
from adapt.benchmark.vocabulary import DEFAULT_RULE, LAST
from adapt.errors import AdaptError
from adapt.problems import Classification, MultiLabel, Regression
from adapt.seeds import check_seed
from adapt.selection import rules_by
from adapt.training.explain import arguments

Sampler = Literal["random", "tpe"]

DEFAULT_SEED = 1000

_KEYS = ("trials", "seed", "rule", "sampler", "space", "development")
_RANGE_KEYS = ("low", "high", "log", "int")
_SEARCHED = ("model", "data", "trainer")
_CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, both included, drawn evenly, or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def size(self) -> float:
        """How many different values there are."""
        return self.high - self.low + 1 if self.whole else math.inf


@dataclass(frozen=True)
class Choice:
    """One of several values of any kind that YAML has."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """How many different values there are."""
        return len(self.values)


Space = Mapping[str, Range | Choice]


@dataclass(frozen=True)
class Search:
    """The search of a benchmark.

    Attributes:
        trials: Settings tried per method and task, the same number for every method.
        seed: Seeds the draw of the settings and every trial's training; no rerun has it.
        rules: Rules that pick a setting. The first is the one whose reruns are the result, that a sampler learns from,
            and by which a method's start was picked.
        sampler: `random` draws all trials up front; `tpe` learns from the trials before.
        spaces: Settings by dotted key, per method.
        development: Tasks that settings are chosen on, the same for all others, where these alone are the result; empty
            where every task chooses its own.
    """

    trials: int
    seed: int
    rules: tuple[str, ...]
    sampler: Sampler
    spaces: Mapping[str, Space]
    development: tuple[str, ...] = ()


def read_search(
    entry: Any,
    own: Mapping[str, Any],
    configs: Mapping[str, Config],
    seeds: Sequence[int],
    where: str,
    tasks: Mapping[str, Config] | None = None,
    own_scores: Iterable[str] = (),
) -> Search | None:
    """Read `search` of a plan and of its methods.

    Args:
        entry: The plan's own `search`; None without one.
        own: `search` of each method, None without one, which extends the plan's `space`.
        configs: The configuration of each method, which the dotted keys are looked up in.
        seeds: Seeds of the reruns.
        where: Names the file in errors.
        tasks: A configuration per task.
        own_scores: Names of a person's own scores that the runs compute.

    Returns:
        None where nothing is searched.

    Raises:
        AdaptError: Something in it is unknown, missing, or cannot be.
    """
    if entry is None:
        for method, space in own.items():
            if space is not None:
                raise AdaptError(
                    f"{where}, method {method!r}: `search` needs to know how many trials every method gets; "
                    "add `search: {trials: 8}` to the plan."
                )
        return None
    place = f"{where}, search"
    content = _mapping(entry, place, "`trials` and `space`")
    check_keys(content, _KEYS, place)
    trials = content.get("trials")
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise AdaptError(f"{place}: expected `trials`, a whole number of at least 1, found {trials!r}.")
    seed = check_seed(content.get("seed", DEFAULT_SEED), f"the seed of {place}")
    if seed in seeds:
        raise AdaptError(
            f"{place}: seed {seed} is also one of `seeds`; a rerun on the seed that chose the setting is no fresh one. "
            f"Give another, such as `seed: {max([*seeds, DEFAULT_SEED]) + 1}`."
        )
    sampler = content.get("sampler", "random")
    if sampler not in get_args(Sampler):
        raise AdaptError(f"{place}: expected `sampler` out of {', '.join(get_args(Sampler))}, found {sampler!r}.")
    shared = content.get("space") or {}
    spaces = {}
    for method, space in own.items():
        whose = f"{where}, method {method!r}, search"
        joined = {
            **_space(shared, configs[method], f"{place}, space, for method {method!r}"),
            **_space(space or {}, configs[method], whose),
        }
        if not joined:
            raise AdaptError(
                f"{whose}: found nothing to try. Every method gets {trials} trials: give it a `search`, or all of them "
                "a shared `search.space`, such as {model.init_args.optimizer.init_args.lr: {low: 1e-4, high: 1e-1, "
                "log: true}}."
            )
        size = math.prod(dimension.size for dimension in joined.values())
        if size < trials:
            raise AdaptError(
                f"{whose}: {trials} trials need as many different settings, found {size:.0f}. Widen the space of this "
                "method, or lower `trials`."
            )
        # A study draws key by key: the order in a file must not decide what it draws.
        spaces[method] = dict(sorted(joined.items()))
    development = _development(content.get("development", []), tasks or {}, sampler, place)
    rules = _rules(content.get("rule", DEFAULT_RULE), place, own_scores)
    return Search(trials, seed, rules, sampler, spaces, development)


def setting(settings: Mapping[str, Any]) -> Config:
    """Dotted keys as a nested configuration."""
    nested: Config = {}
    for key, value in settings.items():
        *parents, last = key.split(".")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return nested


def _development(found: Any, tasks: Mapping[str, Config], sampler: str, where: str) -> tuple[str, ...]:
    names = [str(task) for task in found] if isinstance(found, list) else [str(found)]
    for task in names:
        if task not in tasks:
            raise AdaptError(f"{where}, development: unknown task {task!r}{hint(task, list(tasks))}")
    others = [task for task in tasks if task not in names]
    if names and not others:
        raise AdaptError(f"{where}, development: expected tasks that are left for the result, found all {len(names)}.")
    if names and sampler != "random":
        raise AdaptError(
            f"{where}, development: expected `sampler: random`, found {sampler}: settings are drawn once for all tasks."
        )
    pairs = {task: domain_pair(config) for task, config in tasks.items()}
    for task in names:
        twin = next((other for other in others if pairs[other] is not None and pairs[other] == pairs[task]), None)
        if twin is not None:
            raise AdaptError(
                f"{where}, development: {task!r} and {twin!r} are the same pair of domains ({pairs[task]}).\n"
                "Settings that were chosen on a pair cannot be judged on it: put both among the development tasks."
            )
    return tuple(names)


def _rules(found: Any, where: str, own_scores: Iterable[str]) -> tuple[str, ...]:
    rules = found if isinstance(found, list) else [found]
    for rule in rules:
        if rule == LAST:
            raise AdaptError(f"{where}: `last` has no score to compare settings by; name another rule.")
        check_rule(rule, where, without=LAST, own_scores=own_scores)
    if not rules or len(set(rules)) < len(rules):
        raise AdaptError(f"{where}: expected each `rule` once and at least one, found {found!r}.")
    return tuple(rules)


def check_rule(rule: Any, where: str, without: str, own_scores: Iterable[str] = ()) -> None:
    """Refuse what is no selection rule of any problem.

    Args:
        rule: What was found.
        where: The place in the file.
        without: A rule that cannot be taken here, and so is not offered.
        own_scores: Names of a person's own scores that the runs compute.

    Raises:
        AdaptError: It is none; with the nearest name.
    """
    headlines = [problem.measures()[0] for problem in (Classification(2), MultiLabel(2), Regression(1))]
    rules = [name for measure in headlines for name in rules_by(measure, own=own_scores)]
    known = [name for name in dict.fromkeys(rules) if name != without]
    # A person's own problem has a headline of its own, which is told from a slip of the pen.
    own = str(rule).startswith("source_") and not difflib.get_close_matches(str(rule), known, 1, 0.8)
    if rule not in known and not own:
        raise AdaptError(f"{where}: unknown rule {rule!r}{hint(str(rule), known)}")


def _space(entry: Any, config: Config, where: str) -> Space:
    content = _mapping(entry, where, "dotted keys")
    space = {}
    for key, value in content.items():
        _check_key(str(key), config, content, where)
        space[str(key)] = _dimension(value, f"{where}, {key}")
    return space


def _dimension(value: Any, where: str) -> Range | Choice:
    if isinstance(value, list):
        if not value or any(value.count(item) > 1 for item in value):
            raise AdaptError(f"{where}: expected a list of different values, found {value!r:.80}.")
        return Choice(tuple(value))
    content = _mapping(value, where, "a list of values, or {low: ..., high: ...}")
    check_keys(content, _RANGE_KEYS, where)
    for bound in ("low", "high"):
        number = content.get(bound)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise AdaptError(f"{where}: expected a number as `{bound}`, found {number!r}; give both `low` and `high`.")
    for flag in ("log", "int"):
        if not isinstance(content.get(flag, False), bool):
            raise AdaptError(f"{where}: expected `{flag}` true or false, found {content[flag]!r}.")
    low, high = content["low"], content["high"]
    log, whole = content.get("log", False), content.get("int", False)
    if low >= high:
        raise AdaptError(f"{where}: expected `low` below `high`, found {low} and {high}.")
    if log and low <= 0:
        raise AdaptError(f"{where}: expected `low` above 0 on a logarithmic scale, found {low}.")
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise AdaptError(f"{where}: expected whole bounds with `int: true`, found {low} and {high}.")
    return Range(low, high, log, whole)


def _check_key(key: str, config: Config, space: Mapping[str, Any], where: str) -> None:
    """Refuse a key that leads nowhere, as far as configuration and signatures tell; the command line knows the rest."""
    node: Any = config
    parents: list[str] = []
    owner: type | None = None
    for part in key.split("."):
        if isinstance(node, str):
            node = {"class_path": node}
        known = _known(node, parents, owner)
        if known and part not in known:
            close = difflib.get_close_matches(part, sorted(known), 1, 0.5)
            hint = f"did you mean {'.'.join([*parents, close[0]])!r}?" if close else f"expected {listed(known)}."
            raise AdaptError(f"{where}: unknown key {'.'.join([*parents, part])!r}; {hint}")
        if part == "init_args":
            if ".".join([*parents, "class_path"]) in space:
                return
            owner = resolve(node.get("class_path")) if isinstance(node, Mapping) else None
        parents.append(part)
        node = node.get(part) if isinstance(node, Mapping) else None


def _known(node: Any, parents: Sequence[str], owner: type | None) -> set[str]:
    if not parents:
        return set(_SEARCHED)
    if parents == ["trainer"]:
        from lightning.pytorch import Trainer

        return set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    if parents[-1] == "init_args":
        return arguments(owner) if owner is not None else set()
    return set(_CLASS_KEYS) if isinstance(node, Mapping) and "class_path" in node else set()


def _mapping(value: Any, where: str, expected: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise AdaptError(f"{where}: expected {expected}, found {value!r:.80}.")
    return value

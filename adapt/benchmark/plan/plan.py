"""A benchmark's YAML becomes cells: one task, one method, one seed, one configuration."""

import difflib
import itertools
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from adapt.benchmark.plan.checks import check_keys, hint
from adapt.benchmark.plan.classes import default_of, resolve
from adapt.benchmark.plan.merging import Config, config_hash, merge
from adapt.benchmark.plan.resources import NOTHING_ASKED, Resources, read_resources
from adapt.benchmark.plan.search_space import Search, check_rule, read_search
from adapt.benchmark.vocabulary import AVERAGE, ORACLE, SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.errors import AdaptError
from adapt.names import slug
from adapt.seeds import check_seed
from adapt.selection.own import own_rules
from adapt.shipped import config_file
from adapt.training.tracking import WandbMode
from adapt.yaml_files import read_yaml

Checkpoints = Literal["all", "last"]


_PLAN_KEYS = (
    *("name", "seeds", "metric", "rule", "embeddings", "checkpoints", "resources"),
    *("base", "tasks", "methods", "search", "streams"),
)
_METHOD_KEYS = ("config", "init_from", "setting", "resources", "search")
_PAIR_KEYS = ("pairs", "domains")
_CONFIG_KEYS = ("seed_everything", "trainer", "model", "data")


@dataclass(frozen=True)
class Cell:
    """One run of a benchmark.

    Attributes:
        task: Name of the task, as written in the plan.
        method: Name of the method, as written in the plan.
        seed: Seed of the run.
        config: What `adapt fit --config` receives.
        directory: `<out>/<task>/<method>/<seed>`.
        benchmark: Name of the benchmark, the group in Weights & Biases.
        init_from: Method whose last checkpoint of the same task and seed is the start, if any.
        setting: `source-only`, `target labels`, `unsupervised` or `few-shot (k per class)`, or what the plan wrote.
        written_setting: What the plan wrote as the method's `setting`; None where it follows from the classes.
        config_hash: Hash of the configuration and of what it starts from; the same in every output directory.
        wandb_mode: How the run logs to Weights & Biases; `auto` is online when a key is configured.
        project: Project in Weights & Biases.
        embedding: Whether the cell draws its features in the plane. The report shows one seed of each method, and the
            t-SNE takes as long as a small network's training: a grid draws it for its first seed, or, with
            `embeddings: false` in its file, for none.
        checkpoints: Which checkpoints the cell keeps once they are tested: `all`, one per selection rule, or, with
            `checkpoints: last` in a benchmark's file, the last step's alone, from which other methods may start.
        metric: The metric of the tables, the benchmark's `metric`; None for the headline of the problem.
        rule: The selection rule that heads the report, the benchmark's `rule`; None for the default.
        resources: CPUs and GPUs that it asks for; they are no part of what is compared.
    """

    task: str
    method: str
    seed: int
    config: Config
    directory: Path
    benchmark: str
    init_from: str | None = None
    setting: str = UNSUPERVISED
    written_setting: str | None = None
    config_hash: str = ""
    wandb_mode: WandbMode = "auto"
    project: str = "adapt"
    embedding: bool = True
    checkpoints: Checkpoints = "all"
    metric: str | None = None
    rule: str | None = None
    resources: Resources = NOTHING_ASKED

    @property
    def name(self) -> str:
        """The cell as a person reads it."""
        return f"{self.task} / {self.method} / seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """A benchmark: its name and its cells, in the order in which they run.

    With a `search` the cells are those of the configurations that the search is around. `streams` is what the file says
    of streams through the trained runs, see `adapt.streaming.planned`.
    """

    name: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    search: Search | None = None
    streams: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Method:
    config: Config
    init_from: str | None
    setting: str | None
    search: Any = None
    resources: Any = None


def read_plan(path: Path, out: Path | None = None, wandb_mode: WandbMode = "auto", project: str = "adapt") -> Plan:
    """Read a benchmark's YAML.

    The configuration of a cell is base, task, method and `seed_everything`, merged in this order. Seeds come outermost,
    so that a grid stopped early has whole comparisons of its first seeds.

    Args:
        path: The YAML file; paths inside it are relative to it.
        out: Folder of the results; by default `runs/<name>`.
        wandb_mode: Handed on to every cell.
        project: Handed on to every cell.

    Raises:
        AdaptError: When the file or one that it names is missing or malformed.
    """
    content = _mapping(read_yaml(path), str(path))
    check_keys(content, _PLAN_KEYS, str(path))
    name = str(content.get("name") or path.stem)
    seeds = _seeds(content.get("seeds"), path)
    embeddings = content.get("embeddings", True)
    if not isinstance(embeddings, bool):
        raise AdaptError(f"{path}, embeddings: expected true or false, found {embeddings!r}.")
    checkpoints = content.get("checkpoints", "all")
    if checkpoints not in get_args(Checkpoints):
        known = " or ".join(get_args(Checkpoints))
        raise AdaptError(f"{path}, checkpoints: expected {known}, found {checkpoints!r}.")
    metric = content.get("metric")
    if metric is not None and not isinstance(metric, str):
        raise AdaptError(f"{path}, metric: expected the name of a metric such as macro_f1, found {metric!r}.")
    rule = content.get("rule")
    if rule == ORACLE:
        raise AdaptError(
            f"{path}, rule: expected a rule that reads no target label to head the report, found {rule!r}."
        )
    resources = read_resources(content.get("resources"), f"{path}, resources")
    base = _configuration(content.get("base") or {}, f"{path}, base", path.parent)
    tasks: dict[str, Config] = {}
    for task, entry in _entries(content, "tasks", path).items():
        for each, config in _tasks(str(task), entry, f"{path}, task {str(task)!r}", path.parent).items():
            if each in tasks:
                raise AdaptError(f"{path}: task {each!r} is there twice, by its name and from `pairs`. Rename one.")
            tasks[each] = config
    methods = {
        str(method): _method(entry, f"{path}, method {method!r}", path.parent)
        for method, entry in _entries(content, "methods", path).items()
    }
    asked = {
        method: read_resources(spec.resources, f"{path}, method {method!r}, resources", resources)
        for method, spec in methods.items()
    }
    every = [base, *tasks.values(), *(spec.config for spec in methods.values())]
    own_scores = [name for part in every for name in own_rules(part)]
    if rule is not None:
        check_rule(rule, f"{path}, rule", without=ORACLE, own_scores=own_scores)
    if AVERAGE in tasks:
        raise AdaptError(f"{path}: a task named {AVERAGE!r} would hide the average over tasks in tables; rename it.")
    task_slugs, method_slugs = _slugs(list(tasks), "tasks", path), _slugs(list(methods), "methods", path)
    out = Path("runs") / (slug(name) or "benchmark") if out is None else out
    cells: dict[tuple[str, str, int], Cell] = {}
    for seed in seeds:
        for task, task_config in tasks.items():
            for method in _ordered(methods, path):
                spec = methods[method]
                config = merge(merge(merge(base, task_config), spec.config), {"seed_everything": seed})
                start = None if spec.init_from is None else cells[task, spec.init_from, seed]
                _refuse_processes(config, f"{path}, method {method!r} on {task!r}")
                config, identity = start_from(start, config)
                cells[task, method, seed] = Cell(
                    task=task,
                    method=method,
                    seed=seed,
                    config=config,
                    directory=out / task_slugs[task] / method_slugs[method] / str(seed),
                    benchmark=name,
                    init_from=spec.init_from,
                    setting=spec.setting or setting_of(config, start),
                    written_setting=spec.setting,
                    config_hash=identity,
                    wandb_mode=wandb_mode,
                    project=project,
                    embedding=embeddings and seed == seeds[0],
                    checkpoints=checkpoints,
                    metric=metric,
                    rule=rule,
                    resources=asked[method],
                )
    _warn_of_idle(base, tasks, [cell for cell in cells.values() if cell.seed == seeds[0]], path)
    configs = {method: cells[next(iter(tasks)), method, seeds[0]].config for method in methods}
    for task in tasks if metric is not None else ():
        metrics = metrics_of(cells[task, next(iter(methods)), seeds[0]].config)
        if metrics and metric not in metrics:
            raise AdaptError(f"{path}, metric: task {task!r} has no {metric!r}; it has {', '.join(metrics)}.")
    spaces = {method: spec.search for method, spec in methods.items()}
    of_tasks = {task: cells[task, next(iter(methods)), seeds[0]].config for task in tasks}
    search = read_search(content.get("search"), spaces, configs, seeds, str(path), of_tasks, own_scores)
    streams = _mapping(content["streams"], f"{path}, streams") if "streams" in content else None
    return Plan(name, tuple(tasks), tuple(methods), tuple(seeds), tuple(cells.values()), search, streams)


def _refuse_processes(config: Config, where: str) -> None:
    """Refuse cells of several processes: each would start the whole grid again, as Lightning starts a command's copies.

    Raises:
        AdaptError: The trainer asks for some.
    """
    trainer = config.get("trainer") or {}
    devices, nodes = trainer.get("devices"), trainer.get("num_nodes")
    listed = [name for name in str(devices or "").strip("[]").split(",") if name.strip()]
    alone = len(listed) < 2 and not (listed and listed[0].isdecimal() and int(listed[0]) > 1)
    if not alone or nodes not in (None, 1):
        found = ", ".join(f"trainer.{key}: {trainer[key]}" for key in ("devices", "num_nodes") if key in trainer)
        raise AdaptError(
            f"{where}: expected a cell of one process, found {found}. A grid runs a cell on each GPU instead; "
            "`adapt fit` trains on several."
        )


def _warn_of_idle(base: Config, tasks: Mapping[str, Config], cells: Sequence[Cell], path: Path) -> None:
    """Say which settings of `base` and of the tasks change no run, because what is merged later has otherwise."""
    merged = [_leaves(merge(base, task)) for task in tasks.values()]
    ran = {task: [_leaves(cell.config) for cell in cells if cell.task == task] for task in tasks}
    # Data are what tasks are for.
    given = {key: value for key, value in _leaves(base).items() if not key.startswith("data.")}
    _warn_of(given, merged, f"{path}, base", "task")
    given = {key: value for key, value in given.items() if value in [leaves.get(key) for leaves in merged]}
    _warn_of(given, [leaves for found in ran.values() for leaves in found], f"{path}, base", "method")
    for task, config in tasks.items():
        _warn_of(_leaves(config), ran[task], f"{path}, task {task!r}", "method")


def _warn_of(given: Mapping[str, Any], merged: Sequence[Mapping[str, Any]], where: str, later: str) -> None:
    idle = {key for key, value in given.items() if value not in [leaves.get(key) for leaves in merged]}
    for key in sorted(idle):
        # The arguments of a class that another one takes the place of go with it.
        if any(f"{key[: end.start()]}.class_path" in idle for end in re.finditer(r"\.init_args\.", key)):
            continue
        others = ", ".join(dict.fromkeys(repr(leaves.get(key)) for leaves in merged))
        more = ", or with the methods" if later == "task" else ""
        warnings.warn(
            f"{where}: {key} {given[key]!r} has no effect, because every {later} sets its own ({others:.100}). Set it "
            f"behind each {later}, [file.yaml, {{...}}]{more}.",
            stacklevel=4,
        )


def _leaves(config: Any, key: str = "") -> dict[str, Any]:
    """The values of a configuration by their dotted keys; a list is one value."""
    if not isinstance(config, Mapping):
        return {key: config}
    return {k: v for name, part in config.items() for k, v in _leaves(part, f"{key}.{name}".lstrip(".")).items()}


def only_seeds(plan: Plan, seeds: Sequence[int]) -> Plan:
    """A plan's part with some of its seeds; parts that lie in folders of their own can be put together afterwards.

    Args:
        plan: The plan.
        seeds: Which seeds.

    Raises:
        AdaptError: The plan has not all of them, or it searches settings, which belongs to no seed.
    """
    if missing := [seed for seed in seeds if seed not in plan.seeds]:
        known = ", ".join(map(str, plan.seeds))
        raise AdaptError(f"Expected --seeds of the benchmark ({known}), found {', '.join(map(str, missing))}.")
    if plan.search is not None:
        raise AdaptError("--seeds takes a part of a benchmark, and a `search` has none: leave --seeds out.")
    kept = tuple(seed for seed in plan.seeds if seed in seeds)
    return replace(plan, seeds=kept, cells=tuple(cell for cell in plan.cells if cell.seed in kept))


def start_from(start: Cell | None, config: Config) -> tuple[Config, str]:
    """The configuration with the last checkpoint of its start, if it has one, and its hash.

    The hash knows the start by what made it, not by where it lies.
    """
    if start is None:
        return config, config_hash(config)
    portable = merge(config, {"model": {"init_args": {"init_from": start.config_hash}}})
    checkpoint = str(start.directory / "checkpoints" / "last.ckpt")
    return merge(config, {"model": {"init_args": {"init_from": checkpoint}}}), config_hash(portable)


def metrics_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The metrics of the problem that a configuration's data poses, the headline first.

    Empty where the data cannot be built from these values alone: then its run says why, or the report does.
    """
    data, options = _chosen(config, "data")
    try:
        return tuple(measure.name for measure in data(**options).problem.measures()) if data is not None else ()
    except Exception:
        return ()


def setting_of(config: Mapping[str, Any], start: Cell | None = None) -> str:
    """Which target labels training may see.

    The classes say it, never their names: the method's `target_labels` and `baseline`, its penalties' `target_labels`,
    and how many labels the data hands out. Whoever is given labels counts as one who uses them. A method without the
    source's samples sees no more labels for it, so `source_free` changes nothing but that it is no baseline. A class
    that cannot be found counts as one that asks for nothing: its run will fail and say why.

    Args:
        config: The configuration of a run.
        start: The run whose network this one starts from, if any: labels that were seen once stay seen.
    """
    method, options = _chosen(config, "model")
    penalties = _penalties(method, options)
    asked = {getattr(part, "target_labels", "none") for part in (method, *penalties)}
    data, arguments = _chosen(config, "data")
    shots = arguments["shots"] if "shots" in arguments else data and default_of(data, "shots")
    # The command line asks the data for all labels where a method needs them, unless a number is given.
    if shots == "all" or (shots is None and "all" in asked):
        own = TARGET_LABELS
    elif shots is not None:
        own = f"few-shot ({shots} per class)"
    elif "few" in asked:
        own = "few-shot"
    elif getattr(method, "baseline", False) and not penalties and not getattr(method, "source_free", False):
        own = SOURCE_ONLY
    else:
        own = UNSUPERVISED
    return own if start is None else max(own, start.setting, key=labels_seen)


def follows_from_classes(setting: str) -> bool:
    """Whether a setting is one that `setting_of` gives, and not a person's own words.

    Args:
        setting: As a result has it.
    """
    return setting in (SOURCE_ONLY, UNSUPERVISED, TARGET_LABELS, "few-shot") or shots_of(setting) is not None


def shots_of(setting: str) -> int | None:
    """How many labelled target samples of each class a setting has that `setting_of` gives; None where it says none."""
    few = re.fullmatch(r"few-shot \((\d+) per class\)", setting)
    return None if few is None else int(few[1])


def labels_seen(setting: str) -> float:
    """How many target labels of a class a setting has, to compare settings by.

    Args:
        setting: As `setting_of` gives it.
    """
    few = re.search(r"\d+", setting)
    known = {SOURCE_ONLY: 0.0, UNSUPERVISED: 1.0, TARGET_LABELS: float("inf")}
    return known.get(setting, 2.0 + (int(few[0]) if few else 0))


def _chosen(config: Mapping[str, Any], key: str) -> tuple[type | None, Mapping[str, Any]]:
    """The class at `model` or `data`, and the arguments that the configuration gives it."""
    entry = config.get(key)
    if not isinstance(entry, Mapping):
        return resolve(entry), {}
    options = entry.get("init_args")
    return resolve(entry.get("class_path")), options if isinstance(options, Mapping) else {}


def _penalties(method: type | None, options: Mapping[str, Any]) -> list[type | None]:
    given = [options[key] for key in ("penalties", "penalties+") if key in options]
    if "penalties" not in options and method is not None:
        given.append(default_of(method, "penalties"))
    entries = [entry for part in given for entry in (part if isinstance(part, list | tuple) else [part])]
    names = [entry.get("class_path") if isinstance(entry, Mapping) else entry for entry in entries]
    return [resolve(name) if isinstance(name, str) else type(name) for name in names if name is not None]


def _configuration(entry: Any, where: str, folder: Path) -> Config:
    """A file, a mapping, or a list of those, merged in order."""
    merged: Config = {}
    for part in entry if isinstance(entry, list) else [entry]:
        place = where
        if isinstance(part, str):
            # The user's own file first; `methods/dann` is also the name of a shipped one.
            own = next((path for path in (folder / part, folder / f"{part}.yaml") if path.is_file()), None)
            named = part if own is not None else config_file(part)
            place = str(folder / part if named == part and own is None else own or named)
            part = read_yaml(Path(place))
        mapping = _mapping(part, place)
        for key in mapping:
            # The command line has the last word on keys; only what looks like a slip of the pen is refused this early.
            if key not in _CONFIG_KEYS and (close := difflib.get_close_matches(str(key), _CONFIG_KEYS, 1, 0.75)):
                raise AdaptError(f"{place}: unknown key {key!r}; did you mean {close[0]!r}?")
        merged = merge(merged, mapping)
    return merged


def _tasks(name: str, entry: Any, where: str, folder: Path) -> dict[str, Config]:
    """One task, or every ordered pair of domains where the entry says `pairs: all`."""
    if not isinstance(entry, Mapping) or not set(entry) & set(_PAIR_KEYS):
        return {name: _configuration(entry, where, folder)}
    check_keys(entry, (*_PAIR_KEYS, "config"), where)
    if entry.get("pairs") != "all" or "config" not in entry:
        raise AdaptError(
            f"{where}: expected `pairs: all` with `config` (a file, a mapping or a list of those), found "
            f"{dict(entry)!r:.80}."
        )
    config = _configuration(entry["config"], where, folder)
    data, _ = _chosen(config, "data")
    domains = entry.get("domains") or list(getattr(data, "known_domains", ()))
    # A mapping gives domains the short names that tables have.
    listed = domains if isinstance(domains, list) else []
    named = list(domains.items()) if isinstance(domains, Mapping) else [(domain, domain) for domain in listed]
    _check_names([name for name, _ in named], f"{where}: expected names of domains")
    short = {str(name): domain for name, domain in named}
    if len(short) < 2 or not all(isinstance(domain, str) for domain in short.values()):
        raise AdaptError(
            f"{where}: expected `domains` for `pairs: all`, a list of two or more or a mapping from short name to "
            f"domain, found {domains!r:.80}."
        )
    return {
        f"{one} → {other}": merge(config, {"data": {"init_args": {"source": short[one], "target": short[other]}}})
        for one, other in itertools.permutations(short, 2)
    }


def _method(entry: Any, where: str, folder: Path) -> _Method:
    if not isinstance(entry, Mapping) or not set(entry) & set(_METHOD_KEYS):
        return _Method(_configuration(entry, where, folder), None, None)
    check_keys(entry, _METHOD_KEYS, where)
    if "config" not in entry:
        raise AdaptError(f"{where}: expected `config` (a file, a mapping or a list of those), found none.")
    init_from, setting = entry.get("init_from"), entry.get("setting")
    return _Method(
        _configuration(entry["config"], where, folder),
        None if init_from is None else str(init_from),
        None if setting is None else str(setting),
        entry.get("search"),
        entry.get("resources"),
    )


def _ordered(methods: Mapping[str, _Method], path: Path) -> list[str]:
    """Methods in the plan's order, each after the one it starts from."""
    order: list[str] = []

    def place(method: str, chain: tuple[str, ...]) -> None:
        if method in chain:
            raise AdaptError(f"{path}: init_from goes in a circle: {' → '.join([*chain, method])}.")
        start = methods[method].init_from
        if start is not None and start not in methods:
            raise AdaptError(
                f"{path}, method {method!r}: init_from names the unknown method {start!r}{hint(start, list(methods))}"
            )
        if start is not None and start not in order:
            place(start, (*chain, method))
        if method not in order:
            order.append(method)

    for method in methods:
        place(method, ())
    return order


def _seeds(seeds: Any, path: Path) -> list[int]:
    if not isinstance(seeds, list) or not seeds:
        raise AdaptError(f"{path}: expected `seeds`, a list such as [0, 1, 2], found {seeds!r}.")
    for seed in seeds:
        check_seed(seed, f"each of the seeds in {path}")
        if seeds.count(seed) > 1:
            raise AdaptError(f"{path}: seed {seed} is listed twice; the same run would count twice.")
    return seeds


def _entries(content: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    entries = content.get(key)
    if not isinstance(entries, Mapping) or not entries:
        found = "none" if not entries else f"a {type(entries).__name__}"
        raise AdaptError(f"{path}: expected `{key}`, a mapping from name to configuration, found {found}.")
    _check_names(entries, f"{path}: expected names in `{key}`")
    return entries


def _check_names(names: Iterable[Any], expected: str) -> None:
    for name in names:
        if name is None or isinstance(name, bool):
            raise AdaptError(f"{expected}, found {name}: put a name such as no, on or null into quotes.")


def _slugs(names: Sequence[str], kind: str, path: Path) -> dict[str, str]:
    folders: dict[str, str] = {}
    for name in names:
        # Folder names that differ by case alone are one folder on some systems.
        folder = slug(name)
        if not folder:
            raise AdaptError(f"{path}: {kind[:-1]} {name!r} has no letter or digit to name its folder by; rename it.")
        for earlier, other in folders.items():
            if other.lower() == folder.lower():
                raise AdaptError(
                    f"{path}: {kind} {earlier!r} and {name!r} would share the folder {folder!r}; rename one."
                )
        folders[name] = folder
    return folders


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        found = "nothing" if value is None else f"{type(value).__name__} {value!r:.60}"
        raise AdaptError(f"{where}: expected a mapping of keys to values, found {found}.")
    return value

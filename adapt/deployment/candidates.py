"""Trained runs, and what can be said of each without a target label."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.benchmark.plan.seen import target_labels_of
from adapt.benchmark.results.results import RESULT_FILE, read_result
from adapt.benchmark.statistics.analysis import read_planned
from adapt.benchmark.vocabulary import SOURCE_ONLY, TARGET_LABELS
from adapt.data import DomainDataModule
from adapt.data.base import LOADING
from adapt.encoding import DomainEncoding, RandomShare
from adapt.errors import AdaptError
from adapt.estimation import estimate
from adapt.methods.checkpoints import read_checkpoint
from adapt.monitor.log import warnings_of
from adapt.selection import SCORES, Samples, checkpoint_path, evaluate
from adapt.training.model import TrainedModel, data_of, load, own_scores_of, read_config
from adapt.training.run_folder import CONFIG_FILE
from adapt.training.saved_config import PATHS

_SAMPLES = 2000
_MOST_NAMES = 6
_LENGTH = (
    *("max_steps", "max_epochs", "max_time", "limit_train_batches", "precision", "accumulate_grad_batches"),
    *("gradient_clip_val", "gradient_clip_algorithm"),
)


@dataclass(frozen=True)
class Run:
    """A run's folder, and what it is a run of.

    Attributes:
        folder: Where its `config.yaml` lies.
        task: Name of the task.
        method: Name of the method, as its grid calls it.
        setting: Which target labels it trained on; empty where no grid says so.
        seed: Its seed.
        config: Its configuration.
    """

    folder: Path
    task: str
    method: str
    setting: str
    seed: int
    config: dict[str, Any] = field(repr=False)


@dataclass
class Candidate:
    """A run with one of its checkpoints, judged without target labels.

    Attributes:
        run: The run.
        rule: The rule whose checkpoint it is.
        step: Training steps that the checkpoint has seen.
        scores: Values of the label-free scores, higher is better, with `source_<headline>`.
        estimates: Estimates of target accuracy.
        estimable: Whether there can be any, see `Problem.estimable`.
        baseline: Whether it is trained on the source alone.
        counts: How many target samples are predicted as each class `(K,)`; None where there are no classes.
        source_counts: The same of the source.
        target_logits: Of the judged target samples `(M, K)`.
        warned: What the monitor said while it trained.
        notes: What a reader should know of it.
    """

    run: Run
    rule: str
    step: int
    scores: dict[str, float]
    estimates: dict[str, float]
    estimable: bool
    baseline: bool
    counts: Tensor | None
    source_counts: Tensor | None
    target_logits: Tensor
    warned: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The run as a person reads it."""
        return f"{self.run.method}, seed {self.run.seed}"


def find_runs(paths: Sequence[Path]) -> list[Run]:
    """The trained runs below some folders: grids, or runs themselves.

    Raises:
        AdaptError: There is none in one of them.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        folders = [path] if (path / CONFIG_FILE).is_file() else _folders(path)
        runs = [run for folder in folders if (run := _run(folder)) is not None]
        if not runs:
            what = "no trained run in it" if path.is_dir() else "no such folder"
            raise AdaptError(
                f"Expected a grid's folder or a run's in {path}, found {what}. `adapt benchmark` and `adapt fit` write "
                "them."
            )
        found |= {run.folder.resolve(): run for run in runs}
    return list(found.values())


def not_judged(paths: Sequence[Path], task: str, runs: Sequence[Run]) -> list[str]:
    """What the grids planned for a task and no run can be judged of, in words: a choice knows nothing of it.

    Args:
        paths: Grids, or runs.
        task: The task.
        runs: All runs that were found.
    """
    there = {(run.task, run.method, run.seed) for run in runs}
    sentences = []
    for path in paths:
        planned = read_planned(path)
        cells = [(method, seed) for method in planned.methods for seed in planned.seeds if task in planned.tasks]
        absent = Counter(method for method, seed in cells if (task, method, seed) not in there)
        if absent:
            named = ", ".join(f"{method} {n} of {len(planned.seeds)}" for method, n in absent.most_common(_MOST_NAMES))
            sentences.append(
                f"{absent.total()} of the {len(cells)} planned runs in {path.name} failed, or are not done, and were "
                f"not judged: {named}{', ...' if len(absent) > _MOST_NAMES else ''}."
            )
    return sentences


def of_one_task(runs: Sequence[Run], task: str | None) -> list[Run]:
    """The runs of the task that is asked for, or of the only one.

    Raises:
        AdaptError: There are several, or the one that is asked for is not among them.
    """
    tasks = list(dict.fromkeys(run.task for run in runs))
    if task is None and len(tasks) > 1:
        raise AdaptError(f"Expected runs of one task, found {', '.join(tasks)}. Say which: --task '{tasks[0]}'.")
    if task is not None and task not in tasks:
        raise AdaptError(f"Expected --task out of {', '.join(tasks)}, found {task!r}.")
    return [run for run in runs if run.task == (task or tasks[0])]


def told_apart(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs of which each is another one: copies are left out, and other settings have another name.

    The mean over a method's seeds would otherwise be one over settings, and a run would agree with its copy. A copy has
    the same weights, too: of a run from Python the configuration lacks some settings, such as its optimizer. Where the
    weights of two such runs differ, nobody knows which other seeds belong to which, and each run stands for itself.

    Args:
        runs: Runs of one task.

    Returns:
        The runs, and what was left out, in sentences.
    """
    settings = {run.folder: _settings(run) for run in runs}
    alike: dict[tuple[str, str, int], list[Run]] = defaultdict(list)
    copies: dict[str, list[str]] = defaultdict(list)
    kept = []
    for run in runs:
        others = alike[run.method, settings[run.folder], run.seed]
        known = next((other for other in others if _weights(other) == _weights(run)), None)
        if known is None:
            others.append(run)
            kept.append(run)
        else:
            copies[known.folder.name].append(run.folder.name)
    unclear = {(method, setting): several for (method, setting, _), several in alike.items() if len(several) > 1}
    for run in kept:
        if (run.method, settings[run.folder]) in unclear:
            settings[run.folder] += str(run.folder)
    kinds: dict[str, dict[str, Run]] = defaultdict(dict)
    for run in kept:
        kinds[run.method].setdefault(settings[run.folder], run)
    found = []
    for run in kept:
        several = kinds[run.method]
        names = [each.folder.name for each in several.values()]
        own = several[settings[run.folder]]
        called = own.folder.name if names.count(own.folder.name) == 1 else str(own.folder)
        found.append(replace(run, method=f"{run.method} ({called})") if len(several) > 1 else run)
    said = [
        f"{', '.join(others[:_MOST_NAMES])} has the settings and the seed of {name}, and was left out as its copy"
        for name, others in copies.items()
    ] + [
        f"{', '.join(run.folder.name for run in several[:_MOST_NAMES])} have the same settings in config.yaml and the "
        "same seed, and other weights: each run of these settings is judged by itself"
        for several in unclear.values()
    ]
    return found, [f"{sentence}." for sentence in said]


def datamodules(runs: Sequence[Run]) -> tuple[dict[Path, DomainDataModule], list[str]]:
    """Each run's own data, with its preprocessing: what one network was trained on is not what another was.

    Args:
        runs: Runs of one task.

    Returns:
        The datamodule of each run's folder, and what a reader should know of them, in sentences.

    Raises:
        AdaptError: The runs have other classes, or held out other samples.
    """
    built: dict[str, DomainDataModule] = {}
    found: dict[Path, DomainDataModule] = {}
    for run in runs:
        key = json.dumps(_without(run.config["data"], LOADING), sort_keys=True, default=str)
        if key not in built:
            # A method without source trained without it; held-out source samples judge it all the same.
            built[key] = data_of(run.config["data"], source_free=False, shots=None)
        found[run.folder] = built[key]
    one = runs[0]
    for run in runs[1:]:
        if found[run.folder] is found[one.folder]:
            continue
        for what, held in (("predict the same", _predicted), ("were tested on the same samples", _tested)):
            if held(found[run.folder]) != held(found[one.folder]):
                raise AdaptError(
                    f"Expected runs that {what}, found others in {one.folder.name} and {run.folder.name}: their values "
                    "cannot be compared. Give the runs of one of them."
                )
    roots = list(dict.fromkeys(str(each.root.resolve()) for each in found.values()))
    said = f"The runs read their data from {len(roots)} folders ({', '.join(roots[:3])}): are these the same data?"
    return found, [said] if len(roots) > 1 else []


def _predicted(data: DomainDataModule) -> object:
    return data.problem.describe()


def _tested(data: DomainDataModule) -> object:
    return [list(data.taken_names(name, "test")) for name in (*data.sources, data.target)]


def _settings(run: Run) -> str:
    trainer = run.config.get("trainer") or {}
    data = _without(run.config["data"], (*LOADING, *PATHS))
    parts = [_without(run.config["model"], PATHS), data, {name: trainer.get(name) for name in _LENGTH}]
    return json.dumps(parts, sort_keys=True, default=str)


def _weights(run: Run) -> str:
    """A digest of what a run kept last; the same of its copies alone."""
    files = sorted(run.folder.glob("checkpoints/*.ckpt"))
    last = checkpoint_path(run.folder, "last")
    if not files:
        return ""
    found = hashlib.sha256()
    for name, value in sorted(read_checkpoint(last if last in files else files[0])["state_dict"].items()):
        found.update(name.encode())
        # As bytes, for NumPy knows not every type of torch.
        found.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _without(node: Any, names: Sequence[str]) -> Any:
    if isinstance(node, Mapping):
        return {key: _without(value, names) for key, value in node.items() if key not in names}
    return [_without(part, names) for part in node] if isinstance(node, list) else node


def judge(
    runs: Sequence[Run], rule: str, datas: Mapping[Path, DomainDataModule], device: str = "auto", own: bool = False
) -> Iterator[Candidate]:
    """Each run's checkpoint under a rule, judged on the same held-out source and target test samples.

    The labels of the source are read, those of the target are not.

    Args:
        runs: Runs of one task.
        rule: A selection rule; runs that kept no checkpoint of it give their last one.
        datas: The datamodule of each run's folder, see `datamodules`.
        device: PyTorch's name of a device.
        own: Whether to compute the runs' own scores, too, whose files have to be there.
    """
    for run in runs:
        data = datas[run.folder]
        notes = []
        kept = rule if checkpoint_path(run.folder, rule).is_file() else "last"
        if kept != rule:
            notes.append(f"kept no checkpoint of the rule {rule}; its last one is judged")
        planned = int((run.config.get("trainer") or {}).get("max_steps") or -1)
        reached = _step(last) if (last := checkpoint_path(run.folder, "last")).is_file() else planned
        if reached < planned:
            notes.append(f"its training stopped at step {reached} of {planned}")
        model = load(run.folder, kept, device)
        source, target = encode(model, data)
        scores, estimates = {}, {}
        counts = source_counts = None
        if model.problem.probabilities:
            samples = Samples(target, source)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                names = [name for name, score in SCORES.items() if source is not None or not score.needs_source]
                known = own_scores_of(run.config) if own else {}
                more = {n: score for n, score in known.items() if source is not None or not score.needs_source}
                scores = _finite(evaluate(samples, names, more))
                if source is not None and model.problem.estimable:
                    estimates = _finite(estimate(samples))
            width = target.logits.shape[1]
            counts = target.logits.argmax(1).bincount(minlength=width)
            source_counts = None if source is None else source.logits.argmax(1).bincount(minlength=width)
        if source is not None and source.y is not None:
            scores[f"source_{model.problem.headline}"] = _headline(model, source)
        yield Candidate(
            run=run,
            rule=kept,
            step=_step(checkpoint_path(run.folder, kept)),
            scores=scores,
            estimates=estimates,
            estimable=model.problem.estimable,
            baseline=type(model.method).baseline or run.setting == SOURCE_ONLY,
            counts=counts,
            source_counts=source_counts,
            target_logits=target.logits,
            warned=tuple(warned.text for warned in warnings_of(run.folder)),
            notes=tuple(notes),
        )


@torch.no_grad()
def encode(model: TrainedModel, data: DomainDataModule) -> tuple[DomainEncoding | None, DomainEncoding]:
    """Encodings of held-out source samples with their labels, and of target test samples without.

    Args:
        model: The trained run.
        data: The task's datamodule; `source_free` leaves the source out.
    """
    loaders = data.test_dataloader()
    found: list[DomainEncoding | None] = [None, None]
    for place, loader in enumerate(loaders, start=2 - len(loaders)):
        share = RandomShare(_SAMPLES, torch.Generator().manual_seed(0))
        for batch in loader:
            x = model.moved(data.on_after_batch_transfer(batch, 0).x)
            encoding = model.method.answered(model.method.evaluated(x, place))
            columns = [encoding.features.flatten(1).float().cpu(), encoding.logits.float().cpu()]
            share.add(*columns, *([batch.y] if place == 0 else []))
        kept = share.columns
        found[place] = DomainEncoding(kept[0], kept[1], kept[2] if place == 0 else None)
    source, target = found
    assert target is not None  # every datamodule has a target
    return source, target


def reads_all_labels(run: Run) -> bool:
    """Whether a run, or its start, trained on all target labels, and so is no way for whoever has none."""
    return (run.setting or target_labels_of(run.config, run.folder)) == TARGET_LABELS


def _folders(path: Path) -> list[Path]:
    depths = ("*", "*/*", "*/*/*")
    return sorted({file.parent for depth in depths for file in path.glob(f"{depth}/{CONFIG_FILE}")})


def _run(folder: Path) -> Run | None:
    if not list((folder / "checkpoints").glob("*.ckpt")):
        return None
    config = read_config(folder / CONFIG_FILE)
    if (folder / RESULT_FILE).is_file():
        result = read_result(folder / RESULT_FILE)
        if result.status != "ok":
            return None
        return Run(folder, result.task, result.method, result.setting, result.seed, config)
    given = config["data"].get("init_args") or {}
    source: Any = given.get("source")
    sources = source if isinstance(source, list) else [source]
    task = f"{'+'.join(map(str, sources))}-{given.get('target')}"
    method = config["model"]["class_path"].rpartition(".")[2]
    return Run(folder, task, method, "", int(config.get("seed_everything") or 0), config)


def _headline(model: TrainedModel, source: DomainEncoding) -> float:
    metric = model.problem.metrics()[model.problem.headline]
    metric.update(model.problem.predict(source.logits), source.y)
    # Higher is better, as of every score.
    return float(metric.compute()) if model.problem.measures()[0].higher else -float(metric.compute())


def _step(path: Path) -> int:
    return int(read_checkpoint(path).get("global_step", 0))


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}

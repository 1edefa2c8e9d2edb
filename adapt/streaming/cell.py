"""One cell of `adapt stream`: a method on a stream, with its files and its log."""

import csv
import io
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import wandb

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import Row, Tested
from adapt.benchmark.results.streams import write_stream
from adapt.data import Unlabelled
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.measures import ACCURACY
from adapt.monitor.log import write_warnings
from adapt.names import slug
from adapt.streaming.base import StreamMethod
from adapt.streaming.run import Streamed, run_stream
from adapt.streaming.settings import arguments_of, checkpoint_rule, method_class, no_number, run_folder
from adapt.streaming.target import Arrivals, arrivals, source_batches
from adapt.training.model import TrainedModel, load, read_config
from adapt.training.run_folder import CONFIG_FILE
from adapt.training.tracking import PATIENCE_SECONDS, settled_mode
from adapt.trees import Tree, size

UNFINISHED = ".unfinished"
"""Folder below the results that keeps where streams were stopped."""

PREDICTIONS_FILE = "predictions.csv"
_POINTS = 300


def run_cell(cell: Cell) -> Tested:
    """Stream a cell's target through its method, and write its files.

    Args:
        cell: What to run, and where.

    Returns:
        One row; the target's accuracy is that of the predictions as they were made.

    Raises:
        AdaptError: The settings do not fit the run.
        DivergedError: The predictions are no numbers any more.
    """
    stream = cell.config["stream"]
    model, arriving = prepared(stream, cell.seed)
    method = build_method(model, cell.config["method"])

    def begin(beginning: StreamMethod) -> None:
        wanted = int(getattr(beginning, "fisher_samples", 2000))
        content = read_config(run_folder(Path(stream["run"])) / CONFIG_FILE)
        found = [model.moved(x) for x in source_batches(content["data"], wanted, stream["batch_size"])]
        beginning.begin([x for x in found if size(x) > 1])

    streamed = run_stream(
        method,
        arriving,
        cell.seed,
        device=model.device,
        checkpoint=checkpoint_of(cell),
        identity=cell.config_hash,
        begin=begin if method.reads_source else None,
    )
    write_files(cell.directory, streamed, arriving)
    log(cell, streamed)
    total = len(arriving.order)
    rule, accuracy = checkpoint_rule(stream), streamed.accuracy
    row: Row = {"rule": rule, "step": len(arriving), "target_accuracy": accuracy, "source_accuracy": None}
    counts = () if streamed.labelled == total else (streamed.labelled, total)
    return Tested([row], (ACCURACY,), *counts)


def prepared(stream: Mapping[str, Any], seed: int) -> tuple[TrainedModel, Arrivals]:
    """A run and the arrivals of its target; methods that come one after the other get the same ones."""
    return _prepared(json.dumps(dict(stream), sort_keys=True), seed)


# One alone: its images are kept.
@lru_cache(maxsize=1)
def _prepared(stream: str, seed: int) -> tuple[TrainedModel, Arrivals]:
    settings = json.loads(stream)
    run = Path(settings["run"])
    model = load(run, rule=settings["rule"])
    content = read_config(run_folder(run) / CONFIG_FILE)
    return model, arrivals(model, content, settings, seed)


def build_method(model: TrainedModel, entry: Mapping[str, Any]) -> StreamMethod:
    """A method around a run's network.

    Raises:
        AdaptError: An argument is wrong, or the network lacks what the method adapts.
    """
    cls = method_class(entry["class_path"])

    def prepare(x: Tree) -> Tree:
        at = torch.arange(size(x))
        return model.data.on_after_batch_transfer(Unlabelled(x, at), 0).x

    arguments = dict(entry["init_args"])
    if "flip" in arguments_of(cls):
        # Whether a mirrored image is still of its class is what the run's own augmentation says.
        arguments.setdefault("flip", bool(getattr(model.data, "augment", False)))
    try:
        return cls(model.method, prepare, **arguments)
    except (TypeError, ValueError) as error:
        if (name := no_number(cls, entry["init_args"])) is not None:
            raise AdaptError(
                f"Expected a number for {name} of {cls.__name__}, found {entry['init_args'][name]!r}."
            ) from error
        raise AdaptError(
            f"Expected arguments that fit {cls.__name__}, found {entry['init_args']} ({error})."
        ) from error


def checkpoint_of(cell: Cell) -> Path:
    """Where an unfinished stream is kept: not in its own folder, which a grid empties before it runs."""
    out = cell.directory.parents[2]
    return out / UNFINISHED / slug(cell.task) / slug(cell.method) / f"{cell.seed}.ckpt"


def write_files(folder: Path, streamed: Streamed, arriving: Arrivals) -> None:
    """Write batches, shifts, warnings, and a line per sample in the order in which they came."""
    write_stream(folder, streamed.batches, streamed.shifts)
    write_warnings(folder, streamed.warnings)
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["position", "sample", "shift", "prediction", "class", "probability"])
    shifts, answers = arriving.order.shifts, arriving.problem.answers
    names = arriving.sample_names(slice(0, len(arriving.order)))
    columns = (arriving.order.shift.tolist(), streamed.prediction.tolist(), streamed.probability.tolist())
    for position, (name, shift, prediction, probability) in enumerate(zip(names, *columns, strict=True)):
        rows.writerow([position, name, shifts[shift].name, prediction, answers[prediction], f"{probability:.6f}"])
    write_atomically(folder / PREDICTIONS_FILE, text.getvalue())


def log(cell: Cell, streamed: Streamed) -> None:
    """One run in Weights & Biases: running accuracy and entropy over the samples, and the warnings."""
    mode = settled_mode(cell.wandb_mode)
    if mode == "disabled":
        return
    try:
        run = wandb.init(
            project=cell.project,
            group=cell.benchmark,
            job_type=cell.method,
            name=cell.name,
            tags=[cell.task[:64], f"seed {cell.seed}"],
            dir=str(cell.directory.resolve()),
            mode=mode,
            config=cell.config,
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True, init_timeout=PATIENCE_SECONDS),
        )
        try:
            _log_curve(run, streamed)
            run.summary["target_accuracy"] = streamed.accuracy
            for warned in streamed.warnings:
                run.summary[f"warnings/{warned.kind}"] = warned.text
        finally:
            run.finish()
    except Exception as error:
        # The files are written by now: a network that is down must not make a finished stream look failed.
        print(f"adapt: not logged to Weights & Biases ({type(error).__name__}: {error}).")


def _log_curve(run: Any, streamed: Streamed) -> None:
    from adapt.benchmark.outputs.pictures.streams import running_accuracy

    samples, values = running_accuracy(streamed.batches)
    every = max(1, len(samples) // _POINTS)
    run.define_metric("stream/*", step_metric="stream/samples")
    for k in range(every - 1, len(samples), every):
        point = {"stream/samples": int(samples[k]), "stream/entropy": streamed.batches[k].entropy}
        if values[k] == values[k]:
            point["stream/accuracy"] = float(values[k])
        run.log(point)

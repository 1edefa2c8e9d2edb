"""Streams through the runs that a benchmark trains: what its file says under `streams`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.benchmark.plan.checks import check_keys, hint
from adapt.benchmark.plan.plan import Cell, Plan
from adapt.benchmark.results.results import RESULT_FILE, read_result
from adapt.benchmark.vocabulary import SOURCE_ONLY
from adapt.errors import AdaptError
from adapt.streaming.settings import DEFAULT_METHODS, DEFAULTS, cells_of, method_entries, settings_of, with_lists

STREAMS_FOLDER = "streams"
_KEYS = (*DEFAULTS, "method")


@dataclass(frozen=True)
class PlannedStreams:
    """Which streams, through the networks of which of a benchmark's methods.

    Attributes:
        trained_by: The benchmark's method whose runs are streamed through.
        methods: What adapts to the streams, see `method_entries`.
        scenarios: Each makes a task of its own.
        settings: The other options of `adapt stream`.
    """

    trained_by: str
    methods: Sequence[Mapping[str, Any]]
    scenarios: Sequence[str]
    settings: Mapping[str, Any]


def read_streams(plan: Plan, path: Path) -> PlannedStreams | None:
    """The `streams` of a benchmark; None without. All that needs no trained run is checked, before hours of training.

    Args:
        plan: The benchmark.
        path: Its file, for messages.

    Raises:
        AdaptError: An option is unknown or wrong, or no method of the plan trains the runs.
    """
    if plan.streams is None:
        return None
    where = f"{path}, streams"
    check_keys(plan.streams, _KEYS, where)
    options = with_lists({key: value for key, value in plan.streams.items() if key != "run"})
    baselines = list(dict.fromkeys(cell.method for cell in plan.cells if cell.setting == SOURCE_ONLY))
    trained_by = plan.streams.get("run", baselines[0] if len(baselines) == 1 else None)
    if trained_by not in plan.methods:
        found = "none" if trained_by is None else f"{trained_by!r}{hint(str(trained_by), plan.methods)}"
        raise AdaptError(
            f"{where}: expected as `run` the method whose runs the target streams through, out of "
            f"{', '.join(plan.methods)}, found {found}"
        )
    folders = {cell.directory.parents[1].name.lower() for cell in plan.cells}
    if STREAMS_FOLDER in folders:
        raise AdaptError(f"{where}: a task would have the folder {STREAMS_FOLDER!r}, where they go; rename the task.")
    methods = method_entries(options.pop("method", None) or DEFAULT_METHODS)
    scenarios = options.pop("scenario", None) or ["single"]
    for scenario in scenarios:
        settings_of(options, scenario)
    return PlannedStreams(str(trained_by), methods, scenarios, options)


def folder_of(plan: Plan) -> Path:
    """Where the streams of a benchmark are a benchmark of their own."""
    return plan.cells[0].directory.parents[2] / STREAMS_FOLDER


def planned_cells(plan: Plan, streams: PlannedStreams) -> list[Cell]:
    """The streams through those runs that have a result, each with the seed that its run was trained with.

    Args:
        plan: The benchmark, whose grid has run.
        streams: Its streams.

    Raises:
        AdaptError: As for `cells_of`.
    """
    first = plan.cells[0]
    runs = [cell.directory for cell in plan.cells if cell.method == streams.trained_by and _finished(cell)]
    return cells_of(
        runs,
        streams.methods,
        streams.scenarios,
        None,
        streams.settings,
        folder_of(plan),
        f"{plan.name}, streams",
        first.wandb_mode,
        first.project,
        own_seeds=True,
    )


def _finished(cell: Cell) -> bool:
    path = cell.directory / RESULT_FILE
    return path.is_file() and read_result(path).status == "ok"

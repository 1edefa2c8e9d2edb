"""What a page says of single cells: warnings, failures, command and configuration, and what all of it took."""

import html
import shlex
from collections.abc import Iterable, Mapping, Sequence

from adapt.benchmark.grid import CELL_FILE
from adapt.benchmark.progress import duration
from adapt.benchmark.results import CellResult
from adapt.benchmark.tables import count
from adapt.monitor import warnings_of

# A folder of 900 cells repeats its configurations; a page that is opened on a phone must not.
MOST_CONFIG_CHARACTERS = 1_000_000


def warnings_section(results: Sequence[CellResult]) -> str:
    """Warnings per cell; cells with the same ones stand together."""
    cells: dict[tuple[str, str, str], list[int]] = {}
    for result in results:
        for warning in warnings_of(result.directory):
            seeds = cells.setdefault((result.task, result.method, warning.text), [])
            if result.seed not in seeds:
                seeds.append(result.seed)
    if not cells:
        return ""
    entries = "".join(
        f"<li><strong>{html.escape(f'{task} / {method}')}</strong>, {_seeds(seeds)}: {html.escape(warning)}</li>"
        for (task, method, warning), seeds in cells.items()
    )
    return f'<ul class="warnings">{entries}</ul>'


def failures(results: Sequence[CellResult]) -> str:
    """Cells without a result, and why."""
    failed = [result for result in results if result.status != "ok"]
    if not failed:
        return ""
    entries = "".join(
        f'<div class="failed"><p>{html.escape(result.name)}: {result.status}</p>'
        f"<pre>{html.escape((result.error or 'no reason known')[:2000])}</pre></div>"
        for result in failed
    )
    return f'<p class="note">Tracebacks: error.txt of each run.</p>{entries}'


def cells_section(results: Sequence[CellResult], order: Sequence[str], command: str) -> str:
    """Command and configuration of each cell, folded per task and method; equal ones are written once.

    Args:
        results: Results of a grid.
        order: Tasks in the page's order.
        command: The grid's command, which cells that were run by another one differ from.
    """
    budget = MOST_CONFIG_CHARACTERS
    parts = [
        '<p class="note">cell.yaml and result.json in each run\'s folder hold the same. '
        "The command of a run repeats it alone.</p>"
    ]
    for task in order:
        own = [result for result in results if result.task == task]
        methods = []
        for method in dict.fromkeys(result.method for result in own):
            text = _method([result for result in own if result.method == method], command, budget > 0)
            budget -= len(text)
            methods.append(text)
        name = f"{html.escape(task)}<small>{count(len(own), 'run')}</small>"
        parts.append(f"<details><summary>{name}</summary>{''.join(methods)}</details>")
    return "".join(parts)


def provenance(results: Sequence[CellResult], command: str) -> str:
    """Command, commit, versions, device and time of the whole."""
    seconds = sum(result.wall_seconds for result in results)
    mean = duration(seconds / len(results))
    rows: Mapping[str, Sequence[str]] = {
        "commit": _distinct(result.commit or "unknown" for result in results),
        "device": _distinct(f"{result.device}, {count(result.threads, 'thread')}" for result in results),
        "versions": _distinct(", ".join(f"{k} {v}" for k, v in result.versions.items()) for result in results),
        "started": [min(result.started for result in results)],
        "total time of all runs": [f"{duration(seconds)} ({count(len(results), 'run')}, {mean} each on average)"],
    }
    listed = "".join(f"<dt>{key}</dt><dd>{html.escape('; '.join(values))}</dd>" for key, values in rows.items())
    return f"<pre>{html.escape(command)}</pre><dl>{listed}</dl>"


def _method(results: Sequence[CellResult], command: str, with_config: bool) -> str:
    groups: dict[str, list[CellResult]] = {}
    for result in results:
        groups.setdefault(_config(result), []).append(result)
    parts = []
    for config, same in groups.items():
        lines = "\n".join(_line(result, command) for result in same)
        parts.append(f"<pre>{html.escape(lines)}</pre>")
        if not config:
            continue
        if with_config:
            parts.append(f"<pre>{html.escape(config)}</pre>")
        else:
            parts.append('<p class="note">Configuration by file only, to keep this page small.</p>')
    first = results[0]
    bad = sum(result.status != "ok" for result in results)
    state = f'<small class="bad">{bad} without a result</small>' if bad else ""
    time = duration(sum(result.wall_seconds for result in results))
    summary = f"{html.escape(first.method)}<small>{_seeds([r.seed for r in results])}, {time}</small>{state}"
    return f"<details><summary>{summary}</summary>{''.join(parts)}</details>"


def _line(result: CellResult, command: str) -> str:
    time = duration(result.wall_seconds)
    words = ["adapt", "fit", "--config", str(result.directory / CELL_FILE), "--run_dir", "runs/again"]
    lines = [f"# seed {result.seed}: {result.status}, {time}, config {result.config_hash[:12]}"]
    if result.command != command:
        lines.append(f"# made by: {result.command}")
    return "\n".join([*lines, shlex.join(words)])


def _config(result: CellResult) -> str:
    """The cell's configuration, with the seed named as such where it stands at its beginning or end."""
    try:
        text = (result.directory / CELL_FILE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    own = f"seed_everything: {result.seed}"
    return "\n".join("seed_everything: <seed>" if line == own else line for line in text.splitlines())


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))

"""What every cell of a plan would fail on, refused once before the first one runs."""

import json
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapt.benchmark.plan.classes import out_of_reach, resolve
from adapt.benchmark.plan.merging import merge
from adapt.benchmark.plan.plan import Plan
from adapt.benchmark.vocabulary import LAST, ORACLE
from adapt.data import DomainDataModule
from adapt.errors import AdaptError
from adapt.selection import SCORES
from adapt.selection.own import computed
from adapt.training.model import check_arguments


def check_own_classes(plan: Plan, path: Path) -> None:
    """Refuse own classes that lie beside the plan, and not where they are looked for, before each cell fails.

    Args:
        plan: The plan.
        path: Its file.

    Raises:
        AdaptError: There is one.
    """
    folder = path.resolve().parent
    found = out_of_reach([cell.config for cell in plan.cells], folder)
    if found is not None:
        here = shlex.join(["cd", str(folder)])
        raise AdaptError(
            f"{path} names a class of {found.relative_to(folder)}, which lies beside it. Own classes are looked for in "
            f"the working folder and on PYTHONPATH: {here}, or set PYTHONPATH={shlex.quote(str(folder))}."
        )


def check_data(plan: Plan, path: Path) -> None:
    """Refuse arguments that a task's data do not take before any cell runs: each of its cells would fail.

    Args:
        plan: The plan.
        path: Its file, for the message.

    Raises:
        AdaptError: There are some.
    """
    seen: set[str] = set()
    for cell in plan.cells:
        content = cell.config.get("data")
        # A class that is not found here may lie on the machines that run the cells; if not, they say so.
        if not isinstance(content, Mapping) or resolve(content.get("class_path")) is None:
            continue
        options = content.get("init_args")
        # Between the tasks of `pairs` only the domains differ.
        types = {key: type(options[key]).__name__ for key in ("source", "target") if options and key in options}
        if (kind := json.dumps(merge(content, {"init_args": types}), sort_keys=True)) in seen:
            continue
        seen.add(kind)
        try:
            check_arguments(DomainDataModule, "data", content)
        except AdaptError as error:
            raise AdaptError(f"{path}, task {cell.task!r}, method {cell.method!r}: {error}") from error


def check_rules(plan: Plan, path: Path) -> None:
    """Refuse a rule that no run will have a value of, and warn of one that the runs of some methods lack.

    Nothing could be picked by it afterwards: its checkpoints are not kept.

    Args:
        plan: The plan.
        path: Its file, for the message.

    Raises:
        AdaptError: There is one.
    """
    places = {} if plan.search is None else dict.fromkeys(plan.search.rules, "search, rule")
    places |= {cell.rule: "rule" for cell in plan.cells[:1] if cell.rule is not None}
    for rule, place in places.items():
        lacking = [cell for cell in plan.cells if not _has(cell.config, rule)]
        if not lacking:
            continue
        mend = "Callbacks of a method or a task take the place of those of `base`: list `Scores` with them."
        if all(_reads_source_without(cell.config, rule) for cell in lacking):
            mend = "Methods without source samples have no rule that reads them."
        elif rule in SCORES and not any(rule in computed(cell.config) for cell in plan.cells):
            callback = f"{{class_path: Scores, init_args: {{names: [information_maximisation, {rule}]}}}}"
            mend = f"Below `base`, trainer: {{callbacks: [{callback}]}} has them do so."
        if len(lacking) == len(plan.cells):
            raise AdaptError(f"{path}, {place}: expected a rule that the runs compute, found {rule}. {mend}")
        methods = ", ".join(dict.fromkeys(cell.method for cell in lacking))
        warnings.warn(f"{path}, {place}: no {rule} in the runs of {methods}. {mend}", stacklevel=2)


def _has(config: Mapping[str, Any], rule: str) -> bool:
    if _reads_source_without(config, rule):
        return False
    return rule in (LAST, ORACLE, *computed(config)) or rule.startswith("source_")


def _reads_source_without(config: Mapping[str, Any], rule: str) -> bool:
    model = config.get("model")
    method = resolve(model.get("class_path") if isinstance(model, Mapping) else model)
    reads = rule.startswith("source_") or (rule in SCORES and SCORES[rule].needs_source)
    return reads and bool(getattr(method, "source_free", False))

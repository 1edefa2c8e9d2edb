"""What every cell of a plan would fail on, refused once before the first one runs."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from adapt.benchmark.plan.classes import out_of_reach, resolve
from adapt.benchmark.plan.merging import merge
from adapt.benchmark.plan.plan import Plan
from adapt.data import DomainDataModule
from adapt.errors import AdaptError
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

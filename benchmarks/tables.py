"""The tables of a committed grid, made again from its rows.

    python benchmarks/tables.py pixels OUT
    python benchmarks/tables.py class_sets/open OUT pacs_open     # rows in a file of that name, and the plan's name

OUT gets `table.md`, `table.tex` and what else `adapt report` writes, but for pictures that need the runs' own files.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import read_csv, write_result
from adapt.benchmark.results.units import domain_pair, shared_pairs
from adapt.benchmark.vocabulary import CELL_FILE, PLAN_FILE
from adapt.names import slug
from adapt.yaml_files import to_yaml

ROOT = Path(__file__).resolve().parents[1]


def rebuild(grid: str, out: Path, named: str = "") -> Path:
    """Write a folder of results from `benchmarks/<grid>/results.csv` or `benchmarks/<grid>.csv`, then its report.

    Args:
        grid: Name of the folder or file in `benchmarks`.
        out: The folder.
        named: Name of the plan in `configs/benchmarks`, if it is another.
    """
    rows = ROOT / "benchmarks" / f"{grid}.csv"
    results = read_csv(rows if rows.is_file() else ROOT / "benchmarks" / grid / "results.csv")
    for result in results:
        folder = out / slug(result.task) / slug(result.method) / str(result.seed)
        folder.mkdir(parents=True, exist_ok=True)
        write_result(replace(result, directory=folder))
    plan = read_plan(ROOT / "configs" / "benchmarks" / f"{named or grid}.yaml")
    # What every table has to say of its data (test sets that were trained on, tasks that are one pair of domains).
    for cell in {cell.task: cell for cell in plan.cells}.values():
        for folder in (out / slug(cell.task)).glob("*/*"):
            (folder / CELL_FILE).write_text(to_yaml({"data": cell.config.get("data", {})}), encoding="utf-8")
            break
    content = {
        "benchmark": plan.name,
        "command": f"adapt benchmark --config configs/benchmarks/{named or grid}.yaml",
        "tasks": list(plan.tasks),
        "methods": list(plan.methods),
        "seeds": sorted({result.seed for result in results}),
        "metric": plan.cells[0].metric,
        "rule": plan.cells[0].rule,
        "units": shared_pairs({cell.task: domain_pair(cell.config) for cell in plan.cells}),
    }
    (out / PLAN_FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    build_report(out)
    return out / "table.md"


if __name__ == "__main__":
    print(rebuild(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))

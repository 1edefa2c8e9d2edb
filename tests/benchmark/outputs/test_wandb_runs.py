import json
from pathlib import Path

from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.wandb_runs import log_comparison, unsent_runs
from adapt.benchmark.results.results import CSV_COLUMNS
from tests.benchmark.synthetic import write_benchmark
from tests.wandb_file import config_of, history_of, read_records, run_files


def test_one_offline_run_holds_table_charts_and_pictures(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    write_benchmark(out)
    report = build_report(out)
    log_comparison(report, "adapt", "demo", offline=True)

    (path,) = run_files(out)
    records = read_records(path)
    (run,) = [record.run for record in records if record.HasField("run")]
    assert (run.project, run.run_group, run.job_type) == ("adapt", "demo", "comparison")
    assert config_of(records)["benchmark"] == "demo"
    assert [record.exit.exit_code for record in records if record.HasField("exit")] == [0]

    history = history_of(records)
    assert history["results.nrows"] == [22]
    (table,) = (out).rglob("media/table/results*.json")
    content = json.loads(table.read_text())
    assert content["columns"] == list(CSV_COLUMNS)
    assert sum(row[1] == "DANN" and row[4] == "last" and row[6] == 0.8 for row in content["data"]) == 1
    assert any(row[7] == "failed" and row[6] is None for row in content["data"])
    assert (history["selection.nrows"], history["significance.nrows"]) == ([12], [6])
    assert any("bars" in key for key in history)
    assert len(list((out).rglob("media/images/**/*.png"))) == len(report.pictures)

    log_comparison(report, "adapt", "demo", offline=True)
    (again,) = run_files(out)
    assert again.name == path.name, "a grid has one comparison"
    assert unsent_runs(out) == [f"{out}/wandb/offline-run-*"]
    (out / "search/a/DANN-trial-000/7/wandb/offline-run-1").mkdir(parents=True)
    assert unsent_runs(out) == [f"{out}/search/*/*/*/wandb/offline-run-*", f"{out}/wandb/offline-run-*"]

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from adapt.benchmark.outputs.tables.changes import changes_sentences, changes_table
from adapt.benchmark.results.results import write_result
from adapt.benchmark.statistics.changes import compare_grids
from adapt.commands.grids import compare_command
from adapt.errors import AdaptError
from adapt.yaml_files import to_yaml
from tests.benchmark.synthetic import result

ACCURACIES = {"SourceOnly": 0.5, "DANN": 0.7}


def write(out: Path, gain: float = 0.0, weight: float = 1.0, commit: str = "c0ffee", seeds: int = 6) -> Path:
    """A grid whose DANN differs by a gain, a little more with each seed, and by a weight."""
    for method, accuracy in ACCURACIES.items():
        for seed in range(seeds):
            ours = method == "DANN"
            directory = out / "a-to-b" / method / str(seed)
            found = result("a → b", method, seed, accuracy + ours * gain * (1 + seed / 10), directory)
            changed = f"{method}{weight}" if ours else method
            write_result(replace(found, commit=commit, config_hash=changed))
            start = str(out / "a-to-b" / "SourceOnly" / str(seed) / "checkpoints" / "last.ckpt")
            arguments = {"weight": weight, "init_from": start} if ours else {}
            (directory / "cell.yaml").write_text(to_yaml({"model": {"class_path": method, "init_args": arguments}}))
    return out


def test_the_change_per_method_is_paired_and_tested(tmp_path: Path) -> None:
    changes = compare_grids(write(tmp_path / "a"), write(tmp_path / "b", gain=0.1))
    source_only, dann = changes.comparisons
    assert changes.matched == 12
    # 0.1 · (1 + 0.25): the mean of the seeds 0 to 5 is 2.5. The headline's rule is 0.01 under the last step.
    assert (dann.method, dann.mean, dann.effect) == ("DANN", pytest.approx(0.125), 1.0)
    # Six seeds of one task are one observation.
    assert (dann.n, dann.runs, dann.p, dann.p_holm, dann.verdict) == (1, 6, None, None, "")
    assert (source_only.mean, source_only.p) == (0.0, None)
    assert changes.means["DANN"] == (pytest.approx(0.69), pytest.approx(0.815))
    row = next(entries for method, _, entries in changes_table(changes).rows if method == "DANN")
    assert [entry.plain for entry in row[:3]] == ["69.0", "81.5", "1"]


def test_it_names_the_values_that_differ_and_not_the_folders(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b", weight=0.5, commit="beef")
    sentences = changes_sentences(compare_grids(first, second))
    assert sentences == [
        "model.init_args.weight: 1.0 → 0.5 (DANN)",
        "commit: c0ffee → beef",
        "Both have the same cells.",
    ]
    assert changes_sentences(compare_grids(first, first))[:2] == [
        "The configurations are equal.",
        "Commit, device, threads and versions are equal.",
    ]


def test_missing_configurations_are_said_to_be_gone(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b", weight=0.5)
    (second / "a-to-b" / "DANN" / "3" / "cell.yaml").unlink()
    found = compare_grids(first, second).configurations
    assert found == (
        "model.init_args.weight: 1.0 → 0.5 (DANN: 5 of 6 cells)",
        "the configuration differs, but a cell.yaml is gone (DANN: 1 of 6 cells)",
    )


def test_cells_of_one_grid_alone_and_failures_are_named(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b", seeds=4)
    shutil.rmtree(first / "a-to-b" / "DANN" / "0")
    write_result(result("a → b", "SourceOnly", 1, None, second / "a-to-b" / "SourceOnly" / "1"))
    changes = compare_grids(first, second)
    assert changes.matched == 7
    assert changes.outcomes == (f"Finished in {first} alone: SourceOnly (a → b; seed 1).",)
    assert changes.alone == (
        f"Only in {first}: DANN (a → b; seeds 4, 5); SourceOnly (a → b; seeds 4, 5).",
        f"Only in {second}: DANN (a → b; seed 0).",
    )
    assert [entry.plain for _, _, entries in changes_table(changes).rows for entry in entries[2:3]] == ["1", "1"]
    assert any("no verdict" in e.plain for _, _, entries in changes_table(changes).rows for e in entries)


def test_the_command_prints_the_table_and_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b", gain=0.1, weight=0.5)
    assert compare_command([str(first), str(second), "--rule", "oracle"]) == 0
    shown = capsys.readouterr().out
    for part in ("71.0", "83.5", "+12.5 ±", "1 / 0 / 0", "no verdict", "+1.00", "model.init_args.weight: 1.0 → 0.5"):
        assert part in shown, part


def test_nothing_to_compare_is_an_error_of_at_most_two_lines(tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    other = tmp_path / "other"
    write_result(result("c → d", "DANN", 0, 0.5, other / "c-to-d" / "DANN" / "0"))
    for arguments, words in (
        ([str(first), str(tmp_path / "none")], "no such folder"),
        ([str(first), str(first), "--rule", "entropy"], r"last, source_accuracy, oracle.*--rule entropy"),
        ([str(first), str(other)], "no cell of the same task, method and seed"),
    ):
        with pytest.raises(AdaptError, match=words) as caught:
            compare_command(arguments)
        assert str(caught.value).count("\n") <= 1


@pytest.mark.parametrize("where", [("a",), ("b",), ("a", "b"), ()])
def test_a_comparison_says_that_a_test_set_was_trained_on_in_either_grid(
    where: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write(tmp_path / name)
        for path in (tmp_path / name).rglob("cell.yaml"):
            data = {"class_path": "Features", "init_args": {"transductive": name in where}}
            path.write_text(path.read_text() + to_yaml({"data": data}))
    assert compare_command([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for sentence in ("the test set was trained on", "the oracle's validation set is the test set"):
        assert (sentence in said) == bool(where)


def test_the_rule_of_both_plans_is_compared(tmp_path: Path) -> None:
    grids = [write(tmp_path / name) for name in ("first", "second")]
    for grid in grids:
        (grid / "plan.json").write_text('{"rule": "last"}')
    assert compare_grids(*grids).rule == "last"
    (grids[0] / "plan.json").write_text('{"rule": "oracle"}')
    assert compare_grids(*grids).rule == "source_accuracy"

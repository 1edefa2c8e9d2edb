import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.benchmark.plan.plan import Plan, read_plan, setting_of
from adapt.errors import AdaptError
from adapt.names import slug

ROOT = Path(__file__).resolve().parents[3]
GOOD = """
name: quick
seeds: [0, 1]
base: {trainer: {max_steps: 600}}
tasks:
  optdigits → photo: tasks/photo.yaml
  inline: {data: {class_path: Moons}}
methods:
  FineTuning: {config: [fine.yaml, {data: {init_args: {shots: 3}}}], init_from: SourceOnly}
  SourceOnly: {model: {class_path: SourceOnly}}
"""


def plan(folder: Path, text: str = GOOD, out: Path = Path("out")) -> Plan:
    (folder / "tasks").mkdir(exist_ok=True)
    (folder / "tasks" / "photo.yaml").write_text("data: {class_path: Digits, init_args: {source: optdigits}}\n")
    (folder / "fine.yaml").write_text("model: {class_path: FineTuning, init_args: {head_only: true}}\n")
    (folder / "b.yaml").write_text(text, encoding="utf-8")
    return read_plan(folder / "b.yaml", out)


def test_a_cell_is_base_task_method_and_seed_merged(tmp_path: Path) -> None:
    cells = {(c.task, c.method, c.seed): c for c in plan(tmp_path).cells}
    assert len(cells) == 8
    cell = cells["optdigits → photo", "FineTuning", 1]
    assert cell.directory == Path("out/optdigits-to-photo/FineTuning/1")
    assert cell.setting == "few-shot (3 per class)"
    assert cell.config == {
        "trainer": {"max_steps": 600},
        "data": {"class_path": "Digits", "init_args": {"source": "optdigits", "shots": 3}},
        "model": {
            "class_path": "FineTuning",
            "init_args": {"head_only": True, "init_from": "out/optdigits-to-photo/SourceOnly/1/checkpoints/last.ckpt"},
        },
        "seed_everything": 1,
    }


def test_what_base_sets_and_every_task_sets_otherwise_is_told(tmp_path: Path) -> None:
    own = "  inline: {data: {class_path: Moons}, trainer: {max_steps: %d}}\n"
    text = GOOD.replace("tasks/photo.yaml", "[tasks/photo.yaml, {trainer: {max_steps: 50}}]")
    idle = r"base: trainer.max_steps 600 has no effect.*every task sets its own \(50, 70\)"
    with pytest.warns(UserWarning, match=idle):
        plan(tmp_path, text.replace("  inline: {data: {class_path: Moons}}\n", own % 70))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan(tmp_path, text.replace("  inline: {data: {class_path: Moons}}\n", own % 600))  # of use in one task
        plan(tmp_path, GOOD.replace("{trainer:", "{data: {init_args: {source: a}}, trainer:"))  # data are the task's
        for shipped in (ROOT / "configs" / "benchmarks").glob("*.yaml"):
            read_plan(shipped)


def test_what_base_or_a_task_sets_and_every_method_sets_otherwise_is_told(tmp_path: Path) -> None:
    """The files of `configs/methods` have an optimizer, so that a rate or a recipe below `base` changed nothing."""

    def told(base: Any, task: Any, *methods: Any) -> list[str]:
        content = {"seeds": [0, 1], "base": base, "tasks": {"a": {"data": "Moons"}, "b": [{"data": "Moons"}, task]}}
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump(content | {"methods": dict(zip("xyz", methods, strict=False))}))
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            read_plan(path)
        return [str(warning.message).removeprefix(f"{path}, ") for warning in found]

    rate = {"model": {"init_args": {"optimizer": {"init_args": {"lr": 0.1}}}}}
    key, mend = "model.init_args.optimizer", "Set it behind each method, [file.yaml, {...}]."
    (said,) = told(rate, {}, "methods/dann", "methods/mmd")
    assert said == f"base: {key}.init_args.lr 0.1 has no effect, because every method sets its own (0.001). {mend}"
    (said,) = told({}, rate, "methods/dann", "methods/mmd")
    assert said.startswith(f"task 'b': {key}.init_args.lr 0.1 has no effect")
    (said,) = told("recipes/sgd_decay", {}, "methods/dann", "methods/mmd")
    assert said.startswith(f"base: {key}.class_path 'torch.optim.SGD' has no effect")  # its arguments go with it
    assert told(rate, {}, "methods/dann", {"model": {"class_path": "MMD"}}) == []
    assert told({}, rate, "methods/dann", ["methods/mmd", rate]) == []


@pytest.mark.parametrize(
    ("name", "steps"),
    [("office31", 20000), ("office_home", 20000), ("visda", 30000), ("domainnet", 75000), ("gpu_digits", 10000)],
)
def test_grids_of_the_field_train_as_long_as_they_say(name: str, steps: int) -> None:
    cells = read_plan(ROOT / "configs" / "benchmarks" / f"{name}.yaml").cells
    assert {cell.config["trainer"]["max_steps"] for cell in cells if cell.method == "DANN"} == {steps}


def test_a_method_runs_after_the_one_it_starts_from_and_tables_keep_the_plans_order(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert [cell.method for cell in found.cells[:2]] == ["SourceOnly", "FineTuning"]
    assert [cell.seed for cell in found.cells] == [0] * 4 + [1] * 4
    assert [cell.embedding for cell in found.cells] == [True] * 4 + [False] * 4
    assert found.methods == ("FineTuning", "SourceOnly")


def test_the_hash_knows_the_start_and_not_the_output_folder(tmp_path: Path) -> None:
    def hashes(text: str, out: str) -> dict[str, str]:
        return {c.method: c.config_hash for c in plan(tmp_path, text, Path(out)).cells}

    here = hashes(GOOD, "out")
    assert here == hashes(GOOD, "elsewhere")
    changed = hashes(GOOD.replace("class_path: SourceOnly", "class_path: SourceOnly, init_args: {x: 1}"), "out")
    assert changed["SourceOnly"] != here["SourceOnly"]
    assert changed["FineTuning"] != here["FineTuning"]


def test_without_out_results_go_to_runs(tmp_path: Path) -> None:
    plan(tmp_path)
    assert read_plan(tmp_path / "b.yaml").cells[0].directory.parts[:2] == ("runs", "quick")


def test_embeddings_are_of_the_first_seed_or_left_out(tmp_path: Path) -> None:
    drawn = {cell.seed for cell in plan(tmp_path, GOOD).cells if cell.embedding}
    assert drawn == {0}
    assert not any(cell.embedding for cell in plan(tmp_path, GOOD + "\nembeddings: false\n").cells)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds:", "seedz:", "unknown key 'seedz'; did you mean 'seeds'"),
        ("seeds: [0, 1]", "", "expected `seeds`, a list"),
        ("seeds: [0, 1]", "seeds: [0]\ncheckpoints: none", "checkpoints: expected all or last, found 'none'"),
        ("seeds: [0, 1]", "seeds: [0]\nembeddings: none", "embeddings: expected true or false, found 'none'"),
        ("[0, 1]", "[]", "expected `seeds`, a list"),
        ("[0, 1]", "[0, 0]", "seed 0 is listed twice"),
        ("[0, 1]", "[0, true]", "a whole number from 0 to 2\\*\\*32 - 1, found True"),
        ("[0, 1]", "[-1]", "a whole number from 0 to .* found -1"),
        ("[0, 1]", "[4294967296]", "a whole number from 0 to .* found 4294967296"),
        ("  inline:", "  no:", "expected names in `tasks`, found False: .* into quotes"),
        ("tasks/photo.yaml", "tasks/foto.yaml", "found none .No such file"),
        ("init_from: SourceOnly", "init_from: SourceOnli", "unknown method 'SourceOnli'; did you mean 'SourceOnly'"),
        ("init_from: SourceOnly", "init_from: FineTuning", "circle: FineTuning → FineTuning"),
        ("init_from: SourceOnly", "initfrom: SourceOnly", "unknown key 'initfrom'; did you mean 'init_from'"),
        ("{data: {class_path: Moons}}", "3", "expected a mapping of keys to values, found int 3"),
        ("{data: {class_path: Moons}}", "{date: {}}", "unknown key 'date'; did you mean 'data'"),
        ("  inline:", "  optdigits -> photo:", "would share the folder 'optdigits-to-photo'"),
        ("  SourceOnly:", "  finetuning:", "would share the folder"),
        ("  inline:", "  Average:", "would hide the average"),
        ("  inline:", "  →:", None),
        ("tasks:\n", "tasks: {}\nx:\n", "unknown key 'x'"),
        ("  inline:", "  optdigits → photo:", "given twice"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    assert old in GOOD
    if message is None:
        assert plan(tmp_path, GOOD.replace(old, new)).cells[2].directory.parts[1] == "to"
        return
    with pytest.raises(AdaptError, match=message):
        plan(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize("key", ["tasks", "methods"])
@pytest.mark.parametrize("value", ["{}", "[a]", ""])
def test_tasks_and_methods_are_needed(tmp_path: Path, key: str, value: str) -> None:
    parts = {"tasks": "{t: {}}", "methods": "{m: {}}", key: value}
    with pytest.raises(AdaptError, match=f"expected `{key}`"):
        plan(tmp_path, "seeds: [0]\n" + "\n".join(f"{k}: {v}" for k, v in parts.items()))


@pytest.mark.parametrize("text", ["", "- a\n", "just text"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(AdaptError, match="expected a mapping"):
        plan(tmp_path, text)


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"model": {"class_path": "adapt.methods.SourceOnly"}}, "source-only"),
        ({"model": "SourceOnly"}, "source-only"),
        ({"model": {"class_path": "TargetOnly"}}, "target labels"),
        ({"model": "FineTuning", "data": {"init_args": {"shots": "all"}}}, "target labels"),
        ({"model": "FineTuning", "data": {"init_args": {"shots": 5}}}, "few-shot (5 per class)"),
        ({"model": "DANN", "data": "Moons"}, "unsupervised"),
        ({}, "unsupervised"),
    ],
)
def test_the_setting_says_which_target_labels_are_used(config: dict[str, object], setting: str) -> None:
    assert setting_of(config) == setting


def test_a_slug_has_no_separator_and_no_dots_in_front() -> None:
    assert [slug(n) for n in ("a/b", "..", "A → B", "x (1)", "é")] == ["a-b", "", "A-to-B", "x-1", "é"]


def test_a_name_that_is_long_or_has_pictures_has_a_folder_of_its_own() -> None:
    names = ["b" * 255, "b" * 254 + "c", "é" * 200, "🙂", "🙃", "🙂 a", "🙃 a", "a", "x" * 120]
    folders = [slug(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(0 < len(folder.encode()) <= 120 and "/" not in folder for folder in folders)
    assert folders[-2:] == names[-2:]
    assert folders == [slug(name) for name in names]


def test_a_benchmark_whose_name_has_no_letter_does_not_take_all_of_runs(tmp_path: Path) -> None:
    plan(tmp_path, GOOD.replace("name: quick", "name: '..'"))
    assert read_plan(tmp_path / "b.yaml").cells[0].directory.parts[:2] == ("runs", "benchmark")


def test_pairs_all_is_every_ordered_pair_of_domains(tmp_path: Path) -> None:
    text = GOOD.replace(
        "  inline: {data: {class_path: Moons}}", "  all: {pairs: all, config: tasks/photo.yaml, domains: DOMAINS}"
    )
    found = plan(tmp_path, text.replace("DOMAINS", "{A: amazon, D: dslr, W: webcam}"))
    assert found.tasks == ("optdigits → photo", "A → D", "A → W", "D → A", "D → W", "W → A", "W → D")
    cell = next(cell for cell in found.cells if cell.task == "D → A")
    assert cell.config["data"]["init_args"] == {"source": "dslr", "target": "amazon"} | (
        {"shots": 3} if cell.method == "FineTuning" else {}
    )
    assert len(plan(tmp_path, text.replace("DOMAINS", "[a, b]")).tasks) == 3
    assert plan(tmp_path, text.replace("DOMAINS", "{1: a, 2: b}")).tasks[1:] == ("1 → 2", "2 → 1")
    for odd in ("{NO: norway, SE: sweden}", "[NO, SE]"):
        with pytest.raises(AdaptError, match="found False: put a name such as no"):
            plan(tmp_path, text.replace("DOMAINS", odd))
    for wrong in ("[a]", "3", "{A: a}"):
        with pytest.raises(AdaptError, match="expected `domains`"):
            plan(tmp_path, text.replace("DOMAINS", wrong))
    with pytest.raises(AdaptError, match="expected `pairs: all`"):
        plan(tmp_path, text.replace("pairs: all", "pairs: some").replace("DOMAINS", "[a, b]"))


def test_a_plan_names_shipped_configurations_and_a_file_of_its_own_folder_comes_first(tmp_path: Path) -> None:
    text = "name: mine\nseeds: [0]\ntasks: {moons: tasks/moons}\n"
    text += "methods: {DANN: methods/dann, MMD: [methods/mmd.yaml]}\n"
    (tmp_path / "plan.yaml").write_text(text + "base: {trainer: {max_steps: 2}}\n")
    rates = {cell.method: cell.config["model"]["init_args"] for cell in read_plan(tmp_path / "plan.yaml").cells}
    assert rates["DANN"]["gamma"] == 10.0
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "dann.yaml").write_text("model: {class_path: DANN, init_args: {gamma: 3.0}}\n")
    rates = {cell.method: cell.config["model"]["init_args"] for cell in read_plan(tmp_path / "plan.yaml").cells}
    assert rates["DANN"]["gamma"] == 3.0
    (tmp_path / "plan.yaml").write_text(text.replace("methods/dann", "methods/danm"))
    with pytest.raises(AdaptError, match=r"methods/danm.*Did you mean the shipped .*methods/dann"):
        read_plan(tmp_path / "plan.yaml")


@pytest.mark.parametrize("trainer", ["{devices: 2}", "{devices: [0, 1]}", "{devices: '0,1'}", "{num_nodes: 2}"])
def test_a_cell_of_several_processes_is_refused(tmp_path: Path, trainer: str) -> None:
    with pytest.raises(AdaptError, match=r"method .* on .*: expected a cell of one process, found trainer\."):
        plan(tmp_path, GOOD.replace("{max_steps: 600}", trainer))
    plan(tmp_path, GOOD.replace("{max_steps: 600}", "{devices: 1, num_nodes: 1}"))

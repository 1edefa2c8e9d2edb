"""Configurations with something wrong in them, and wrong commands: refused in words or run, never a traceback."""

import copy
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import adapt.methods
from tests.campaign.common import SEED, Outcome, command, inside, scaled
from tests.campaign.hostile import HOSTILE

METHODS = [name for name in adapt.methods.__all__ if name != "Method"]
BASE: dict[str, Any] = {
    "seed_everything": 0,
    "data": {"class_path": "Moons", "init_args": {"source": "moons", "target": "moons_35", "batch_size": 32}},
    "model": {
        "class_path": "DANN",
        "init_args": {
            "backbone": {"class_path": "MLP", "init_args": {"hidden": [8], "dropout": 0.1}},
            "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
            "lr_scheduler": {"class_path": "adapt.schedules.InverseDecay", "init_args": {"gamma": 10.0}},
            "penalties": [{"class_path": "MCC", "init_args": {"weight": 0.1}}],
        },
    },
    "trainer": {
        "max_steps": 3,
        "max_epochs": -1,
        "val_check_interval": 2,
        "check_val_every_n_epoch": None,
        "limit_val_batches": 1,
        "enable_progress_bar": False,
        "accelerator": "cpu",
    },
}
ODD: list[Any] = [None, True, -1, 0, 1, 2.5, 1e39, float("nan"), float("inf"), 10**30, "", "x", "1e-3", "λ 🙂", [], {}]
ODD += [
    ["a"],
    [None],
    {"a": 1},
    {"class_path": "os.system"},
    {"class_path": "DANN"},
    "torch.nn.Linear",
    "../..",
    "\x00",
]
# What is right by itself must end, too.
LIMIT = ["--trainer.max_time", "00:00:00:05"]

FREE = {
    "deadline": None,
    "database": None,
    # A failure is counted and shown with its command; making it smaller would take the time of a dozen others.
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


def places(node: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield (*before, key)
        yield from places(value, (*before, key))


@st.composite
def mutations(draw: Callable[[Any], Any]) -> dict[str, Any]:
    """A right configuration with one to three changes."""
    config = copy.deepcopy(BASE)
    config["model"]["class_path"] = draw(st.sampled_from(METHODS))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(config))
        if not found:
            break
        *parents, key = draw(st.sampled_from(found))
        node = config
        for parent in parents:
            node = node[parent]
        match draw(st.sampled_from(["value", "value", "value", "delete", "rename", "add", "wrap", "move"])):
            case "value":
                node[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "delete":
                del node[key]
            case "rename" if isinstance(key, str):
                node[draw(st.sampled_from([key[:-1], key + "s", key.upper(), f" {key}", ""]))] = node.pop(key)
            case "add" if isinstance(node, dict):
                node[draw(st.sampled_from(["extra", "init_args", "class_path", "shots", "penalties"]))] = draw(
                    st.sampled_from(ODD)
                )
            case "wrap":
                node[key] = [node[key]]
            case _:
                config[str(key)] = node[key]
    return config


WORDS = [
    *("fit", "validate", "test", "predict", "benchmark", "report", "compare", "features", "style", "fi", "help", ""),
    *("--config", "good.yaml", "plan.yaml", "missing.yaml", "bad.yaml", "list.yaml", "folder", "binary.bin"),
    *("--model", "DANN", "MMD", "NoSuch", "os.system", "--model.backbone", "MLP", "LeNet", "--model.penalties+=MCC"),
    *("--data", "Moons", "--data.source", "moons", "--data.target", "moons_35", "nowhere", "--data.shots", "5", "-1"),
    *("--trainer.max_steps", "2", "x", "--trainer.accelerator", "gpu", "tpu", "--trainer.devices", "9", "--trainer"),
    *("--run_dir", "run", "--ckpt_path", "folder", "--out", "out", "--jobs", "0", "two", "--seed_everything", "-5"),
    *("--help", "-h", "--version", "--print_config", "--", "=", "--=", "--model.", "--model.weight=", "--nope", "λ"),
    *("--wandb", "disabled", "never", "--rule", "oracle", "last", "--content", "--style", "--backbone.checkpoint"),
]
COMMANDS = st.lists(st.sampled_from(WORDS), max_size=8)
# Most of all that is typed begins with a command.
TYPED = st.one_of(COMMANDS, st.builds(lambda first, rest: [first, *rest], st.sampled_from(WORDS[:9]), COMMANDS))


def bounded(words: list[str]) -> list[str]:
    return [*words, *LIMIT] if words[:1] == ["fit"] else words


def check(outcomes: list[Outcome], count: Callable[[str, int], None]) -> None:
    tracebacks = [outcome for outcome in outcomes if outcome.trace]
    count("tried", len(outcomes))
    count("refused", sum(not outcome.trace and outcome.code != 0 for outcome in outcomes))
    count("tracebacks", sum("no end after" not in outcome.trace for outcome in tracebacks))
    count("hangs", sum("no end after" in outcome.trace for outcome in tracebacks))
    assert not tracebacks, "\n\n".join(map(str, tracebacks))


@pytest.mark.timeout(1800)
def test_a_configuration_with_a_fault_is_refused_in_words_or_runs(
    tmp_path: Path, count: Callable[[str, int], None]
) -> None:
    outcomes: list[Outcome] = []
    numbers = itertools.count()

    @seed(SEED)
    @settings(max_examples=scaled(200), **FREE)
    @given(mutations())
    def mutated(config: dict[str, Any]) -> None:
        with inside(tmp_path / str(next(numbers))) as folder:
            Path("wrong.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
            outcome = command(["fit", "--config", "wrong.yaml", "--run_dir", "run", *LIMIT])
            whole = Path("run", "checkpoints", "last.ckpt").exists()
        shutil.rmtree(folder)
        if not outcome.trace and outcome.code == 0 and not whole:
            outcome = Outcome(outcome.words, 0, outcome.printed, "exit 0 without a checkpoint")
        if outcome.trace:
            shown = yaml.safe_dump(config, sort_keys=False)
            outcome = Outcome((*outcome.words, f"\n{shown}"), outcome.code, outcome.printed, outcome.trace)
        outcomes.append(outcome)

    mutated()
    check(outcomes, count)


@pytest.mark.timeout(1800)
def test_a_wrong_command_is_refused_in_words(tmp_path: Path, count: Callable[[str, int], None]) -> None:
    outcomes: list[Outcome] = []
    numbers = itertools.count()

    @seed(SEED)
    @settings(max_examples=scaled(100), **FREE)
    @given(TYPED)
    def typed(words: list[str]) -> None:
        with inside(tmp_path / str(next(numbers))) as folder:
            Path("good.yaml").write_text(yaml.safe_dump(BASE))
            methods = {"SourceOnly": BASE | {"model": BASE["model"] | {"class_path": "SourceOnly"}}}
            Path("plan.yaml").write_text(yaml.safe_dump({"seeds": [0], "tasks": {"a": {}}, "methods": methods}))
            Path("bad.yaml").write_text("model: [DANN\n")
            Path("list.yaml").write_text("- 1\n")
            Path("binary.bin").write_bytes(bytes(range(256)))
            Path("folder").mkdir()
            outcomes.append(command(bounded(words)))
        shutil.rmtree(folder)

    typed()
    check(outcomes, count)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_runs_nothing_and_is_refused(
    name: str, tmp_path: Path, count: Callable[[str, int], None]
) -> None:
    with inside(tmp_path):
        outcome = command(bounded(HOSTILE[name](tmp_path)))
    assert not (tmp_path / "ran").exists(), outcome
    check([outcome], count)
    assert outcome.code != 0, outcome

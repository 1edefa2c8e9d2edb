"""Which target labels a cell may see follows from its classes, whatever their names."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.benchmark.plan.plan import read_plan, setting_of

OWN = '''
from typing import Any, ClassVar

from adapt.data import Moons
from adapt.methods import DANN, FineTuning, Method, SourceOnly as Plain, TargetOnly
from adapt.penalties import MCC, Penalty


class Oracle(Method):
    target_labels: ClassVar[str] = "all"


class Few(Method):
    target_labels: ClassVar[str] = "few"


class FewToo(FineTuning):
    pass


class Free(Method):
    source_free: ClassVar[bool] = True


class SourceOnly(DANN):
    """A misleading name."""


class TargetOnlyInName(Plain):
    """Another."""

    family: ClassVar[str] = "bounds"


class Other(Plain):
    def losses(self, batch):
        return super().losses(batch)


class OtherHook(Plain):
    def on_train_batch_start(self, batch, batch_idx):
        pass


class OtherDefaults(Plain):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"penalties": [MCC()]} | kwargs))


class Mixin:
    def encode(self, batch):
        return super().encode(batch)


class Mixed(Mixin, Plain):
    pass


class Claims(Plain):
    baseline: ClassVar[bool] = True

    def losses(self, batch):
        return {"source": super().losses(batch)["source"] * 2}


class FreeClaims(Free):
    baseline: ClassVar[bool] = True


class Penalised(Plain):
    baseline: ClassVar[bool] = True

    def __init__(self, penalties=(MCC(),), **kwargs: Any) -> None:
        super().__init__(penalties=penalties, **kwargs)


class Labelled(Penalty):
    target_labels: ClassVar[str] = "few"


class AllLabelled(Penalty):
    target_labels: ClassVar[str] = "all"


class FiveShots(Moons):
    def __init__(self, *args: Any, shots: int | None = 5, **kwargs: Any) -> None:
        super().__init__(*args, shots=shots, **kwargs)
'''


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_classes.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("class Method(:\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield
    assert sys.path == before
    sys.modules.pop("own_classes", None)


def model(name: str, **arguments: Any) -> dict[str, Any]:
    return {"model": {"class_path": name, "init_args": arguments}}


def data(**arguments: Any) -> dict[str, Any]:
    return {"data": {"class_path": "Moons", "init_args": arguments}}


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        (model("own_classes.Oracle"), "target labels"),
        (model("own_classes.Oracle") | data(shots="all"), "target labels"),
        # It asks for all and is given five: what it sees counts.
        (model("own_classes.Oracle") | data(shots=5), "few-shot (5 per class)"),
        (model("own_classes.Few") | data(shots=3), "few-shot (3 per class)"),
        (model("own_classes.Few"), "few-shot"),
        (model("own_classes.Few") | data(shots="all"), "target labels"),
        (model("own_classes.FewToo") | data(shots=3), "few-shot (3 per class)"),
        (model("own_classes.Free"), "unsupervised"),
        (model("own_classes.FreeClaims"), "unsupervised"),
        (model("own_classes.SourceOnly"), "unsupervised"),
        (model("own_classes.TargetOnlyInName"), "source-only"),
        (model("own_classes.Other"), "unsupervised"),
        (model("own_classes.OtherHook"), "unsupervised"),
        (model("own_classes.OtherDefaults"), "unsupervised"),
        (model("own_classes.Mixed"), "unsupervised"),
        (model("own_classes.Claims"), "source-only"),
        (model("own_classes.Penalised"), "unsupervised"),
        (model("own_classes.Penalised", penalties=[]), "source-only"),
        (model("own_classes.Missing"), "unsupervised"),
        (model("broken.Method"), "unsupervised"),
        (model("os.system"), "unsupervised"),
        ({"model": "SourceOnly"}, "source-only"),
        (model("adapt.methods.source_only.SourceOnly", penalties=[]), "source-only"),
        (model("SourceOnly", penalties=["MCC"]), "unsupervised"),
        (model("SourceOnly", penalties="MCC"), "unsupervised"),
        (model("SourceOnly", penalties={"class_path": "adapt.penalties.MCC"}), "unsupervised"),
        (model("SourceOnly", penalties=[{"class_path": "MCC", "init_args": {"weight": 2.0}}]), "unsupervised"),
        (model("SourceOnly", **{"penalties+": ["MCC"]}), "unsupervised"),
        (model("SourceOnly", penalties=["own_classes.Labelled"]) | data(shots=2), "few-shot (2 per class)"),
        (model("SourceOnly", penalties=["own_classes.Labelled"]), "few-shot"),
        (model("DANN", penalties=["MCC", {"class_path": "own_classes.Labelled"}]), "few-shot"),
        (model("DANN", penalties=["own_classes.AllLabelled"]), "target labels"),
        (model("SourceOnly") | data(shots=5), "few-shot (5 per class)"),
        (model("DANN") | {"data": {"class_path": "own_classes.FiveShots"}}, "few-shot (5 per class)"),
        (model("DANN") | {"data": "own_classes.FiveShots"}, "few-shot (5 per class)"),
        (
            model("DANN") | {"data": {"class_path": "own_classes.FiveShots", "init_args": {"shots": None}}},
            "unsupervised",
        ),
    ],
)
def test_the_setting_follows_from_classes_penalties_and_shots(config: dict[str, Any], setting: str) -> None:
    assert setting_of(config) == setting


def test_labels_that_a_start_has_seen_stay_seen(tmp_path: Path) -> None:
    methods: dict[str, Any] = {
        "Source": model("SourceOnly"),
        "Target": model("TargetOnly"),
        "Few": {"config": model("FineTuning") | data(shots=3), "init_from": "Source"},
        "Free": {"config": model("TENT"), "init_from": "Source"},
        "Free, few": {"config": model("TENT"), "init_from": "Few"},
        "Free, all": {"config": model("TENT"), "init_from": "Target"},
        "Free, all, twice": {"config": model("TENT"), "init_from": "Free, all"},
        "Source, again": {"config": model("SourceOnly"), "init_from": "Source"},
        "Source, adapted": {"config": model("SourceOnly"), "init_from": "Free"},
        "Written": {"config": model("TENT"), "init_from": "Target", "setting": "unsupervised"},
    }
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"seeds": [0], "tasks": {"a": data()}, "methods": methods}, sort_keys=False))
    assert {cell.method: cell.setting for cell in read_plan(path).cells} == {
        "Source": "source-only",
        "Target": "target labels",
        "Few": "few-shot (3 per class)",
        "Free": "unsupervised",
        "Free, few": "few-shot (3 per class)",
        "Free, all": "target labels",
        "Free, all, twice": "target labels",
        "Source, again": "source-only",
        "Source, adapted": "unsupervised",
        "Written": "unsupervised",
    }

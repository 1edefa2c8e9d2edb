"""The help of the training commands, which is text and must say what the parser knows."""

import inspect

import pytest

import adapt.data
import adapt.methods
from adapt.cli import main
from adapt.commands.training_help import data_names, method_names, training_help
from adapt.data import DomainDataModule, InMemory
from adapt.methods import AlternatingMethod, HasTeacher, MappingMethod, MaskedConsistency, Method, SeveralSources


def exported(package: object, base: type, others: set[type]) -> set[str]:
    found = {name: cls for name, cls in vars(package).items() if inspect.isclass(cls) and issubclass(cls, base)}
    return {name for name, cls in found.items() if cls not in {base, *others}}


def test_it_lists_all_methods_and_data() -> None:
    bases: set[type] = {AlternatingMethod, HasTeacher, MappingMethod, MaskedConsistency, SeveralSources}
    assert set(method_names()) == exported(adapt.methods, Method, bases)
    assert set(data_names()) == exported(adapt.data, DomainDataModule, {InMemory})


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_method_and_data_come_first(command: str) -> None:
    text = training_help(command)
    places = [text.index(word) for word in ("\nMethod:", "--model.help", "\nData:", "--data.help", "\nTrainer")]
    assert places == sorted(places) and max(map(len, text.splitlines())) <= 120


def test_the_whole_list_has_the_same_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help", "all"]) == 0
    text = capsys.readouterr().out
    assert text.index("  --model ") < text.index("  --data ") < text.index("  --trainer ")
    shown = {word.rstrip(",.:;") for word in training_help("fit").split() if word.startswith("--trainer.")}
    assert shown and not [word for word in shown if word not in text]

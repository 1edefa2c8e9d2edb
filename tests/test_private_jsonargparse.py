"""The private parts of jsonargparse in use: an upgrade that moves one of them fails here, by name."""

import gc

import jsonargparse
import pytest

from adapt.training.trust import restrict_parser
from adapt.yaml_files import Loader

# The part, and who uses it for what.
PRIVATE = {
    "_loaders_dumpers.yaml_default_loader": "restrict_parser: values are read as our YAML files are",
    "_typehints.resolve_class_path_by_name": "restrict_parser: a short name is a shipped class",
    "_util.get_import_path": "restrict_parser: the path of a class as configurations have it",
    "ArgumentParser._actions": "AdaptCLI lists a command's options; argparse's own",
}


def test_the_module_has_the_default_loader_and_reads_values_with_ours() -> None:
    from jsonargparse import _loaders_dumpers

    assert "yaml_default_loader" in vars(_loaders_dumpers)
    restrict_parser()
    assert _loaders_dumpers.get_yaml_default_loader() is Loader


def test_a_short_name_is_the_shipped_class_beside_an_own_one_of_that_name() -> None:
    from jsonargparse import _typehints

    from adapt.backbones import MLP, Backbone

    own = type("MLP", (MLP,), {"__module__": "my_backbone"})
    restrict_parser()
    assert _typehints.resolve_class_path_by_name(Backbone, "MLP") == "adapt.backbones.MLP"
    assert _typehints.resolve_class_path_by_name(Backbone, "my_backbone.MLP") == f"{own.__module__}.MLP"
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--backbone", type=Backbone)
    found = parser.parse_args(["--backbone", "MLP"]).backbone
    assert found.class_path == "adapt.backbones.MLP"
    del own
    gc.collect()  # other tests name it, too


def test_a_parser_has_a_list_of_actions_with_their_option_strings() -> None:
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--rate", type=float)
    assert "--rate" in {word for action in parser._actions for word in action.option_strings}
    restrict_parser()
    assert parser.parse_args(["--rate", "1e-3"]).rate == 0.001


@pytest.mark.parametrize("word", ["1e3", "812743e5", "1e-3", "1_000", "007", "#3", "&a", "a #b", "Foo:"])
def test_a_name_that_looks_like_yaml_is_that_name_and_survives_a_saved_configuration(word: str) -> None:
    restrict_parser()
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--name", type=str | None)
    parser.add_argument("--names", type=str | list[str])
    found = parser.parse_args([f"--name={word}", f"--names={word}"])
    again = parser.parse_string(parser.dump(found))
    assert (found.name, found.names) == (again.name, again.names) == (word, word)


@pytest.mark.parametrize(
    "name", ["get_loader", "set_dumper", "set_loader", "set_parsing_settings", "ArgumentParser", "Namespace"]
)
def test_what_is_public_is_still_there(name: str) -> None:
    assert hasattr(jsonargparse, name)

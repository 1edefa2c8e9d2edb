"""The private parts of jsonargparse in use: an upgrade that moves one of them fails here, by name."""

import jsonargparse
import pytest

from adapt.training.trust import restrict_parser
from adapt.yaml_files import Loader

# The part, and who uses it for what.
PRIVATE = {
    "_loaders_dumpers.yaml_default_loader": "restrict_parser: values are read as our YAML files are",
    "ArgumentParser._actions": "AdaptCLI lists a command's options; argparse's own",
}


def test_the_module_has_the_default_loader_and_reads_values_with_ours() -> None:
    from jsonargparse import _loaders_dumpers

    assert "yaml_default_loader" in vars(_loaders_dumpers)
    restrict_parser()
    assert _loaders_dumpers.get_yaml_default_loader() is Loader


def test_a_parser_has_a_list_of_actions_with_their_option_strings() -> None:
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--rate", type=float)
    assert "--rate" in {word for action in parser._actions for word in action.option_strings}
    restrict_parser()
    assert parser.parse_args(["--rate", "1e-3"]).rate == 0.001


@pytest.mark.parametrize("name", ["set_parsing_settings", "ArgumentParser", "Namespace"])
def test_what_is_public_is_still_there(name: str) -> None:
    assert hasattr(jsonargparse, name)

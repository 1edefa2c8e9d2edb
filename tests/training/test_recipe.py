"""What a recipe sets for those methods that have it, and where texts get their tokenizer."""

from typing import Any

import pytest
from jsonargparse import Namespace

from adapt.training.cli import take_recipe, take_tokenizer


def settings(model: dict[str, Any], data: dict[str, Any], wanted: dict[str, Any] | None) -> Namespace:
    sections = {name: Namespace(init_args=Namespace(**part)) for name, part in (("model", model), ("data", data))}
    return Namespace(**sections, if_taken=wanted)


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        ({"hidden": 1024}, None, {"hidden": 64}),
        ({"hidden": 1024}, {"hidden": 1024}, {"hidden": 1024}),  # typed, so it wins
        ({"weight": 1.0}, {}, {"weight": 1.0}),  # a method without such an argument
    ],
)
def test_a_recipe_sets_what_a_method_has_and_nobody_gave(own: Any, given: Any, expected: Any) -> None:
    config = settings(dict(own), {}, {"hidden": 64})
    take_recipe(config, None if given is None else Namespace(init_args=Namespace(**given)))
    assert config.model.init_args.as_dict() == expected
    assert config.if_taken is None  # so that a saved configuration does not set it again


def test_texts_take_the_tokenizer_of_their_encoder_unless_told_otherwise() -> None:
    backbone = Namespace(class_path="x", init_args=Namespace(path="enc"))
    for given, expected in ((None, "enc"), ("other", "other")):
        config = settings({"backbone": backbone}, {"tokenizer": given}, None)
        take_tokenizer(config)
        assert config.data.init_args.tokenizer == expected
    images = settings({"backbone": backbone}, {"image_size": 32}, None)
    take_tokenizer(images)
    assert "tokenizer" not in images.data.init_args

import pytest
from jsonargparse import ArgumentParser

from adapt.methods import CDAN, DANN, MMD, Method


@pytest.mark.parametrize(
    ("method", "optimizer", "settings"),
    [
        (DANN, "adapt.methods.optimization.AdversarialAdam", {"lr": 0.001, "betas": (0.5, 0.999)}),
        (CDAN, "adapt.methods.optimization.AdversarialAdam", {"lr": 0.001, "betas": (0.5, 0.999)}),
        (MMD, "torch.optim.SGD", {"lr": 0.01, "momentum": 0.9}),
    ],
)
def test_the_default_optimizer_is_a_class_that_a_configuration_can_hold(
    method: type[Method], optimizer: str, settings: dict[str, object]
) -> None:
    # A default that jsonargparse cannot read stays a function, and a run without --model.optimizer is refused.
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(method, "model")
    parsed = parser.parse_args(["--model", method.__name__, "--model.problem", "2", "--model.backbone", "MLP"])
    found = parsed.model.init_args.optimizer
    assert found.class_path == optimizer
    assert settings.items() <= vars(found.init_args).items()

"""MME against its baseline: what the unlabelled target adds to one labelled sample of each class."""

from pathlib import Path

import pytest
import torch

from adapt.data.batches import FewShotPair, Unlabelled
from adapt.errors import AdaptError
from adapt.layers import CosineHead
from adapt.methods import MME, SourceOnly
from adapt.penalties import TargetCrossEntropy
from tests.toy import build, train
from tests.zoo.adversarial import Turned
from tests.zoo.case import UNWATCHED, Case

ONE_SHOT = UNWATCHED | {"data": {"shots": 1}, "steps": 150}


@pytest.mark.slow
def test_it_beats_source_and_labelled_target_alone(tmp_path: Path) -> None:
    plain = Case(SourceOnly, ONE_SHOT | {"penalties": [TargetCrossEntropy()]}, module=Turned)
    minimax = Case(MME, ONE_SHOT, module=Turned)
    gains = [minimax.accuracy(tmp_path / f"m{s}", s) - plain.accuracy(tmp_path / f"p{s}", s) for s in (0, 1, 2)]
    assert min(gains) > 0
    assert sum(gains) / 3 > 0.04


def test_the_classifier_maximises_the_entropy_and_the_features_minimise_it(tmp_path: Path) -> None:
    method, data, _ = train(MME, tmp_path, steps=1, data={"shots": 1}, weight=1.0)
    data.setup("fit")
    few = next(iter(data.train_dataloader().target_labelled))
    x = torch.randn(16, 8)

    def entropy() -> torch.Tensor:
        p = method(x).logits.softmax(1)
        return -(p * p.log()).sum(1).mean()

    parameters = [method.classifier.linear.weight, next(method.backbone.parameters())]
    plain = torch.autograd.grad(entropy(), parameters)
    batch = next(iter(data.train_dataloader().source))
    terms = method.losses(FewShotPair(batch, Unlabelled(x, torch.arange(16)), few))
    found = torch.autograd.grad(terms["entropy"], parameters)
    torch.testing.assert_close(found[0], -plain[0])
    torch.testing.assert_close(found[1], plain[1])


def test_the_classifier_sees_directions_alone() -> None:
    head, features = CosineHead(8, 4, temperature=0.1), torch.randn(5, 8)
    torch.testing.assert_close(head(7 * features), head(features))
    expected = torch.nn.functional.cosine_similarity(features[:, None], head.linear.weight[None], dim=2)
    expected = expected * head.linear.weight.norm(dim=1) / 0.1
    torch.testing.assert_close(head(features), expected)
    with pytest.raises(AdaptError, match="temperature above 0"):
        build(MME, temperature=0.0)

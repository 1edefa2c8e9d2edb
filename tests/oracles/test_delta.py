"""DELTA against NumPy, finite differences, and channels that do nothing."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapt.backbones import MLP, Backbone, Identity, SmallCNN
from adapt.data import Labelled
from adapt.errors import AdaptError
from adapt.losses import delta
from adapt.regularisers import DELTA, Network
from adapt.regularisers.delta import channel_attention, feature_maps


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def network(backbone: Backbone, classes: int = 3) -> Network:
    return Network(backbone, nn.Identity(), nn.Linear(backbone.num_features, classes))


def labelled(*shape: int, classes: int = 3) -> Labelled:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(3))
    return Labelled(x, torch.arange(len(x)) % classes, torch.arange(len(x)))


@pytest.mark.parametrize(("shape", "axis"), [((5, 3), 1), ((4, 3, 2, 6), 1), ((4, 7, 3), 2)])
def test_equals_numpy_for_vectors_images_and_tokens(shape: tuple[int, ...], axis: int) -> None:
    a, b, attention = maps(*shape), maps(*shape, seed=1), torch.tensor([0.7, 0.1, 0.2]).double()
    squares = (a.numpy() - b.numpy()) ** 2
    by_channel = squares.mean(tuple(k for k in range(len(shape)) if k != axis))
    assert delta(a, b, attention).item() == pytest.approx(by_channel @ attention.numpy())
    assert delta(a, b).item() == pytest.approx(squares.mean())


def test_gradient_equals_finite_differences_and_none_reaches_the_start() -> None:
    a, b = maps(3, 2, 4, 5).requires_grad_(), maps(3, 2, 4, 5, seed=1).requires_grad_()
    attention = torch.tensor([0.9, 0.1]).double()
    assert torch.autograd.gradcheck(lambda x: delta(x, b.detach(), attention), a)
    delta(a, b, attention).backward()
    assert b.grad is None


def test_half_precision_does_not_overflow() -> None:
    assert delta(torch.full((2, 3), 400.0).half(), torch.zeros(2, 3).half()).item() == pytest.approx(160_000)


def test_the_maps_are_the_blocks_outputs_from_input_to_output() -> None:
    torch.manual_seed(0)
    backbone, x = MLP((5,), (4, 6)), torch.randn(3, 5)
    first, _, _, second, *_ = backbone.layers
    found = feature_maps(backbone, x)
    torch.testing.assert_close(found[0], first(x))
    torch.testing.assert_close(found[1], second(first(x).relu()))
    assert not any(module._forward_hooks for module in backbone.modules())


def test_the_attention_is_the_softmax_of_what_each_channel_s_removal_costs() -> None:
    torch.manual_seed(0)
    whole, batch = network(MLP((5,), (4,))), labelled(7, 5)
    (found,) = channel_attention(whole, batch.x, batch.y)
    hidden = batch.x.numpy() @ whole.backbone.layers[0].weight.detach().numpy().T
    hidden = hidden + whole.backbone.layers[0].bias.detach().numpy()

    def loss(h: np.ndarray) -> float:
        z = np.maximum(h, 0) @ whole.classifier.weight.detach().numpy().T + whole.classifier.bias.detach().numpy()
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(7), batch.y.numpy()]))

    rises = np.array([loss(np.where(np.arange(4) == c, 0, hidden)) - loss(hidden) for c in range(4)])
    np.testing.assert_allclose(found, np.exp(rises) / np.exp(rises).sum(), rtol=1e-5)


def test_a_channel_that_nothing_reads_has_the_least_attention_of_a_useful_network() -> None:
    torch.manual_seed(0)
    whole, batch = network(MLP((5,), (6,))), labelled(12, 5)
    optimizer = torch.optim.Adam(whole.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        with torch.no_grad():
            whole.classifier.weight[:, 2] = 0
        nn.functional.cross_entropy(whole(batch.x).logits, batch.y).backward()
        optimizer.step()
    with torch.no_grad():
        whole.classifier.weight[:, 2] = 0
    (found,) = channel_attention(whole, batch.x, batch.y)
    assert found[2] < found.mean()


def test_the_regulariser_sums_over_blocks_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    start, now = (network(SmallCNN((1, 8, 8), width=4, dropout=0.5)).train() for _ in range(2))
    regulariser, batch = DELTA(weight=0.5).train(), labelled(6, 1, 8, 8)
    regulariser.attach(start)
    regulariser.begin(
        start, [Labelled(*(part[:4] for part in batch[:3])), Labelled(*(part[4:] for part in batch[:3]))], []
    )
    encoding = now(batch.x)
    found = regulariser(now, batch, encoding).item()
    assert now.training and found == regulariser(now, batch, encoding).item()
    start.eval(), now.eval()
    weights = channel_attention(start, batch.x, batch.y)
    pairs = zip(feature_maps(now.backbone, batch.x), feature_maps(start.backbone, batch.x), weights, strict=True)
    expected = sum((a * (m - s).square().mean((0, 2, 3))).sum() for m, s, a in pairs)
    assert found == pytest.approx(0.5 * expected.item(), rel=1e-5)


def test_the_network_as_it_started_costs_nothing_even_with_dropout() -> None:
    now, batch = network(MLP((5,), (4, 4), dropout=0.5)).train(), labelled(6, 5)
    regulariser = DELTA()
    regulariser.attach(now)
    regulariser.begin(now, [batch], [])
    assert regulariser(now, batch, now(batch.x)).item() == 0
    assert now.training and not regulariser.train().start.training


def test_the_attention_survives_saving() -> None:
    batch, regularisers = labelled(6, 5), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        now = network(MLP((5,), (4, 4)))
        regularisers.append(DELTA())
        regularisers[-1].attach(now)
    regularisers[0].begin(now, [batch], [])
    regularisers[1].load_state_dict(regularisers[0].state_dict())
    assert len(regularisers[1].attention) == 8
    assert torch.equal(regularisers[1].attention, regularisers[0].attention)


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="one layer"):
        delta(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(AdaptError, match="3 weights"):
        delta(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(AdaptError, match="blocks"):
        DELTA().attach(network(Identity((4,))))

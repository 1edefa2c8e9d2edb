"""NRC and AaD against the papers' sums in NumPy, and against the authors' use of the KL divergence."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

from adapt.errors import AdaptError
from adapt.losses import aad, nrc
from adapt.methods.memory import TargetMemory

M, N, K, NEAR, FAR = 6, 9, 4, 3, 5


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LOGITS, NEIGHBOURS, EXPANDED = 2 * draw(M, K), draw(M, NEAR, K, seed=1).softmax(2), draw(M, FAR, K, seed=2).softmax(2)
AFFINITY = torch.where(draw(M, NEAR, seed=3) > 0, 1.0, 0.1).double()


@pytest.mark.parametrize("dispersion", [0.0, 0.7])
def test_aad_equals_the_papers_sums(dispersion: float) -> None:
    p, s = softmax(LOGITS.numpy(), 1), NEIGHBOURS.numpy()
    attraction = [sum(p[i] @ s[i, k] for k in range(NEAR)) for i in range(M)]
    others = [sum(p[i] @ p[j] for j in range(M) if j != i) for i in range(M)]
    expected = np.mean([dispersion * o - a for a, o in zip(attraction, others, strict=True)])
    assert aad(LOGITS, NEIGHBOURS, dispersion=dispersion).item() == pytest.approx(expected)


def test_nrc_equals_the_papers_sums() -> None:
    p, s, e, a = softmax(LOGITS.numpy(), 1), NEIGHBOURS.numpy(), EXPANDED.numpy(), AFFINITY.numpy()
    near = [sum(a[i, k] * (p[i] @ s[i, k]) for k in range(NEAR)) for i in range(M)]
    far = [0.2 * sum(p[i] @ e[i, k] for k in range(FAR)) for i in range(M)]
    expected = -np.mean(near) - np.mean(far) - entropy(p.mean(0))
    found = nrc(LOGITS, NEIGHBOURS, AFFINITY, EXPANDED, expanded_affinity=0.2)
    assert found.item() == pytest.approx(expected)


def test_the_gradients_are_those_of_the_authors_kl_divergence() -> None:
    # Their code writes the products as `kl_div` of probabilities, which differs by a constant.
    x = LOGITS.clone().requires_grad_()
    p = x.softmax(1)
    near = functional.kl_div(p[:, None].expand(-1, NEAR, -1), NEIGHBOURS, reduction="none").sum(2)
    far = functional.kl_div(p[:, None].expand(-1, FAR, -1), EXPANDED, reduction="none").sum(2)
    (plain,) = torch.autograd.grad(near.sum(1).mean(), x, retain_graph=True)
    (found,) = torch.autograd.grad(aad(x, NEIGHBOURS, dispersion=0.0), x)
    torch.testing.assert_close(found, plain)
    mean = p.mean(0)
    theirs = (near * AFFINITY).sum(1).mean() + 0.1 * far.sum(1).mean() + (mean * mean.log()).sum()
    (expected,) = torch.autograd.grad(theirs, x)
    (found,) = torch.autograd.grad(nrc(x, NEIGHBOURS, AFFINITY, EXPANDED), x)
    torch.testing.assert_close(found, expected)


def test_gradients_equal_finite_differences() -> None:
    x = LOGITS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: aad(z, NEIGHBOURS), (x,))
    assert torch.autograd.gradcheck(lambda z: nrc(z, NEIGHBOURS, AFFINITY, EXPANDED), (x,))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match=r"aad expects predictions \(M, n, K\)"):
        aad(LOGITS, NEIGHBOURS[:, :, :2])
    with pytest.raises(AdaptError, match="dispersion of at least 0"):
        aad(LOGITS, NEIGHBOURS, dispersion=-1.0)
    with pytest.raises(AdaptError, match="one affinity per neighbour"):
        nrc(LOGITS, NEIGHBOURS, AFFINITY[:, :1], EXPANDED)


def filled() -> tuple[TargetMemory, torch.Tensor]:
    memory, features = TargetMemory(), draw(N, 5)
    memory.fill(features, draw(N, K, seed=4).softmax(1))
    return memory, features


def test_the_nearest_are_scikit_learns_by_cosine_without_the_sample_itself() -> None:
    memory, features = filled()
    index = torch.tensor([7, 2, 0])
    reference = NearestNeighbors(n_neighbors=4, metric="cosine").fit(features.numpy())
    expected = reference.kneighbors(features[index].numpy(), return_distance=False)[:, 1:]
    assert torch.equal(memory.nearest(features[index], index, 3), torch.from_numpy(expected))


def test_a_twin_is_a_neighbour_and_the_sample_itself_is_not() -> None:
    memory = TargetMemory()
    memory.fill(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.eye(3))
    assert memory.nearest(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), 1).tolist() == [[0]]


def test_new_values_replace_the_old_ones_and_a_state_brings_them_back() -> None:
    memory, features = filled()
    memory.put(torch.tensor([3, 1]), 5 * features[[0, 0]], torch.eye(K)[[2, 3]].double())
    assert set(memory.nearest(features[:1], torch.tensor([0]), 2)[0].tolist()) == {1, 3}
    other = TargetMemory()
    other.load(memory.state())
    torch.testing.assert_close(other.scores_of(torch.tensor([3, 1])), torch.eye(K)[[2, 3]].double())


def test_an_empty_memory_and_too_many_neighbours_are_refused() -> None:
    with pytest.raises(AdaptError, match="memory of the target is empty"):
        TargetMemory().scores_of(torch.tensor([0]))
    memory, features = filled()
    with pytest.raises(AdaptError, match="between 1 and 8 neighbours in a target of 9, found 9"):
        memory.nearest(features[:1], torch.tensor([0]), 9)

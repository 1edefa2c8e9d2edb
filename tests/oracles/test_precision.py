"""Every loss computes in float32 whatever its caller does: under autocast, and of half-precision inputs."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adapt import losses

N, M, D, K = 8, 6, 5, 3


def draw(*shape: int, seed: int = 0) -> Tensor:
    # Values that bfloat16 holds exactly, so that whatever it loses is lost in the computation.
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16().float()


def critic() -> nn.Module:
    network = nn.Sequential(nn.Linear(D, 4), nn.Tanh(), nn.Linear(4, 1))
    with torch.no_grad():
        for k, p in enumerate(network.parameters()):
            p.copy_(draw(*p.shape, seed=k))
    return network


S, T, LOGITS, OTHER = draw(N, D), draw(M, D, seed=1), draw(M, K, seed=2), draw(M, K, seed=3)
KERNEL = T @ T.T / D
Y, IMAGES = torch.arange(N) % K, draw(2, 3, 6, 6)
# Each loss as a function of the floating tensors that a network could give it in half precision.
CALLS: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "aad": (lambda x: losses.aad(x, OTHER.softmax(1)[:, None]), (LOGITS,)),
    "adamatch": (
        lambda s, t: losses.adamatch(s, t.softmax(1).bfloat16().float(), draw(N, K), threshold=0.3),
        (LOGITS, OTHER),
    ),
    "adda": (losses.adda, (LOGITS[:, 0],)),
    "bnm": (losses.bnm, (LOGITS,)),
    "bsp": (losses.bsp, (S, T)),
    "bss": (losses.bss, (S,)),
    "calibration_temperature": (lambda x: losses.calibration_temperature(x, Y[:M]), (LOGITS,)),
    "category_relationship": (lambda x: losses.category_relationship(x, Y[:M], K), (LOGITS,)),
    "certainty_weights": (lambda s, t: losses.certainty_weights(s, t)[0], (draw(N, K), LOGITS)),
    "charbonnier_entropy": (losses.charbonnier_entropy, (LOGITS,)),
    "class_balance": (losses.class_balance, (LOGITS,)),
    "class_shares": (losses.class_shares, (LOGITS,)),
    "classifier_discrepancy": (losses.classifier_discrepancy, (LOGITS, OTHER)),
    "cmd": (losses.cmd, (S, T)),
    "co_tuning": (losses.co_tuning, (LOGITS, OTHER.softmax(1).bfloat16().float())),
    "consistency": (losses.consistency, (LOGITS, OTHER)),
    "content_loss": (losses.content_loss, (IMAGES, IMAGES.flip(0))),
    "contrastive_discrepancy": (
        lambda s, t: losses.contrastive_discrepancy(s.view(2, 4, D), t.view(2, 3, D)),
        (S, T),
    ),
    "coral": (losses.coral, (S, T)),
    "coral, more features than samples": (losses.coral, (draw(4, 20), draw(5, 20, seed=1))),
    "critic_gap": (losses.critic_gap, (S[:, 0], T[:, 0])),
    "dare_gram": (lambda s, t: sum(losses.dare_gram(s, t)), (S, T)),
    "deepjdot": (lambda s, t, x: losses.deepjdot(s, t, Y, x), (S, T, LOGITS)),
    "delta": (losses.delta, (IMAGES, IMAGES.flip(0))),
    "domain_adversarial": (losses.domain_adversarial, (S[:, 0], T[:, 0])),
    "elastic": (lambda a, b: losses.elastic([a, b], l1=0.5, l2=0.5), (S, T)),
    "entropy": (losses.entropy, (LOGITS,)),
    "entropy_weights": (lambda s, t: losses.entropy_weights(s, t)[0], (draw(N, K), LOGITS)),
    "fixmatch": (lambda s, w: losses.fixmatch(s, w, threshold=0.3), (LOGITS, OTHER)),
    "gradient_penalty": (lambda s, t: losses.gradient_penalty(critic(), s, t, mix=torch.full((N, 1), 0.5)), (S, T)),
    "gram": (losses.gram, (IMAGES,)),
    "hafn": (losses.hafn, (S, T)),
    "homm": (losses.homm, (S, T)),
    "importance_weights": (losses.importance_weights, (S[:, 0],)),
    "info_nce": (losses.info_nce, (S, S.flip(0))),
    "information_maximisation": (losses.information_maximisation, (LOGITS,)),
    "jmmd": (lambda s, t, p, q: losses.jmmd([s, p], [t, q]), (S, T, draw(N, K), LOGITS)),
    "jmmd, linear": (lambda s, t, p, q: losses.jmmd([s, p], [t, q], estimator="linear"), (S, T, draw(N, K), LOGITS)),
    "l2_sp": (lambda a, b: losses.l2_sp([a], [b]), (S, S.flip(0))),
    "label_proportions": (lambda x: losses.label_proportions(x, torch.tensor([0.5, 0.5, 0.0])), (LOGITS,)),
    "lmmd": (lambda s, t, x: losses.lmmd(s, t, Y, x), (S, T, LOGITS)),
    "masked_consistency": (losses.masked_consistency, (LOGITS, OTHER)),
    "masked_language": (lambda x: losses.masked_language(x[None], Y[None, :M], Y[None, :M] > 0), (LOGITS,)),
    "mcc": (losses.mcc, (LOGITS,)),
    "mdd": (losses.mdd, (draw(N, K), draw(N, K, seed=1), LOGITS, OTHER)),
    "mmd": (losses.mmd, (S, T)),
    "mmd, linear": (lambda s, t: losses.mmd(s, t, estimator="linear"), (S, T)),
    "nrc": (lambda x: losses.nrc(x, OTHER.softmax(1)[:, None], S[:M, :1].abs(), OTHER.softmax(1)[:, None]), (LOGITS,)),
    "nwd": (losses.nwd, (draw(N, K), LOGITS)),
    "reverse_error": (lambda s, t: losses.reverse_error(s, t, Y, OTHER, ridge=0.1), (S, T)),
    "rsd": (losses.rsd, (draw(3, D), draw(3, D, seed=1))),
    "safn": (losses.safn, (S, T)),
    "disentanglement": (
        lambda x: losses.disentanglement(x[:K, :4].reshape(K, 2, 2), OTHER.softmax(1)),
        (S,),
    ),
    "ifa": (
        lambda x, w: losses.ifa(x, w, draw(K, D, D).square(), strength=0.5),
        (LOGITS, S[:K]),
    ),
    "snc": (lambda x: losses.snc(x, OTHER.softmax(1)[:, None]), (LOGITS,)),
    "with_batch": (
        lambda x: losses.with_batch(losses.ClassMoments.empty(K, x), x, Y[:M]).covariances,
        (T,),
    ),
    "sinkhorn": (losses.sinkhorn, (S, T)),
    "sinkhorn, debiased": (lambda s, t: losses.sinkhorn(s, t, debiased=True), (S, T)),
    "sliced_wasserstein": (lambda s, t: losses.sliced_wasserstein(s, t, projections=draw(D, 7)), (S, T)),
    "style_loss": (lambda x, g: losses.style_loss([x], [g]), (IMAGES, draw(2, 3, 3))),
    "task_features": (lambda f: losses.task_features(f, S.flip(0)), (S,)),
    "total_variation": (losses.total_variation, (IMAGES,)),
    "tsallis_entropy": (losses.tsallis_entropy, (LOGITS,)),
    "entropy_separation": (lambda x: losses.entropy_separation(x, margin=0.1), (LOGITS,)),
    "moment_distance": (lambda a, b, t: losses.moment_distance([a, b], t), (S, T, draw(N, D, seed=5))),
    "neighbourhood_entropy": (
        lambda f: losses.neighbourhood_entropy(f, draw(12, D, seed=6), draw(K, D, seed=7), torch.arange(N)),
        (S,),
    ),
    "one_versus_all": (lambda x: losses.one_versus_all(x, Y[:M]), (LOGITS,)),
    "one_versus_all_entropy": (losses.one_versus_all_entropy, (LOGITS,)),
    "soft_maximum": (losses.soft_maximum, (LOGITS[:, 0],)),
    "target_class_weights": (losses.target_class_weights, (LOGITS,)),
    "unknown_boundary": (losses.unknown_boundary, (LOGITS,)),
    "affinity": (losses.affinity, (S,)),
    "certainty_diversity_weights": (
        lambda x: losses.certainty_diversity_weights(x, torch.tensor([0.5, 0.25, 0.25])),
        (LOGITS,),
    ),
    "corrected_by_prior": (losses.corrected_by_prior, (LOGITS,)),
    "differs_from_mean": (lambda x: losses.differs_from_mean(x, torch.tensor([0.5, 0.25, 0.25]), 0.8), (LOGITS,)),
    "fisher_penalty": (lambda a, b: losses.fisher_penalty([a], [b], [S.abs()]), (S, S.flip(0))),
    "laplacian_assignment": (lambda x: losses.laplacian_assignment(x, KERNEL), (LOGITS,)),
    "reliable_weights": (lambda x: losses.reliable_weights(x, margin=0.8), (LOGITS,)),
    "sample_entropy": (losses.sample_entropy, (LOGITS,)),
    "soft_cross_entropy": (losses.soft_cross_entropy, (LOGITS, OTHER)),
    "soft_likelihood_ratio": (losses.soft_likelihood_ratio, (LOGITS,)),
    "symmetric_cross_entropy": (losses.symmetric_cross_entropy, (LOGITS, OTHER)),
    "timeliness_weights": (lambda x: losses.timeliness_weights(x.abs()), (LOGITS,)),
    "virtual_adversarial": (losses.virtual_adversarial, (LOGITS, OTHER)),
    "weighted_pseudo_labels": (lambda x: losses.weighted_pseudo_labels(x, OTHER.softmax(1)), (LOGITS,)),
    "weighted_targets": (lambda x: losses.weighted_targets(x, OTHER.softmax(1), S[:M, 0].abs()), (LOGITS,)),
}
# Feature maps in the features' own precision, labels, and what is computed once, in double precision, off the step.
OTHERS = {
    "aligned",
    "sharpened",
    "ascent",
    "barycentric_map",
    "centroid_labels",
    "confident",
    "coral_map",
    "domain_accuracy",
    "multilinear",
}
OTHERS |= {
    "canonical_correlation",
    "nearest_shift",
    "subspace_alignment",
    "tca",
    "transfer_components",
    "transport_plan",
}
OTHERS |= {"virtual_adversarial_direction", "known_entropy", "memory_score", "joint_confidence", "spherical_clusters"}


def test_no_loss_is_left_out() -> None:
    functions = {name for name in losses.__all__ if inspect.isfunction(getattr(losses, name))}
    assert functions == {name.split(",")[0] for name in CALLS} | OTHERS


@pytest.mark.parametrize("name", CALLS)
def test_under_autocast_and_of_half_precision_inputs_the_value_is_float32s(name: str) -> None:
    loss, inputs = CALLS[name]
    expected = torch.as_tensor(loss(*inputs))
    for half in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=half):
            found = torch.as_tensor(loss(*inputs))
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    found = torch.as_tensor(loss(*(x.bfloat16() for x in inputs)))
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)

"""Each sign on histories written down by hand, and the counting of lost classes against NumPy."""

import numpy as np
import pytest
import torch

from adapt.monitor import SIGNS, Seen
from adapt.monitor.signs import lost_classes

FINE = Seen(used=10, lost=0, entropy=0.2, norm=5.0, source_accuracy=0.98, domain_accuracy=0.7, flat=[])


def kinds(history: list[Seen]) -> set[str]:
    return {kind for kind, sign in SIGNS.items() if sign(history)}


def drawn(shares: np.ndarray, samples: int = 2000) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).multinomial(samples, shares / shares.sum()))


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_an_unbalanced_target_is_no_collapse(exponent: float) -> None:
    """Zipf's law over ten classes, and over 65 as in Office-Home."""
    for classes in (10, 65):
        target = drawn(np.arange(1.0, classes + 1) ** -min(exponent, 1.0 if classes > 10 else 2.0))
        used, lost = lost_classes(target, drawn(np.ones(classes)))
        expected = np.sum(target.numpy() / target.sum().item() < 0.1 / classes)
        assert used == classes
        assert abs(lost - expected) <= 2  # the source's shares are drawn too
        assert kinds([FINE._replace(used=used, lost=lost)] * 3) == set()


def test_two_of_ten_classes_are_a_collapse_but_not_where_the_source_has_no_more() -> None:
    target = torch.tensor([150, 0, 50, 0, 0, 0, 0, 0, 0, 1])
    assert lost_classes(target) == (10, 8)
    assert lost_classes(target, torch.full((10,), 20)) == (10, 8)
    assert lost_classes(target, (target > 1).long()) == (2, 0)


def test_few_samples_of_many_classes_say_nothing() -> None:
    assert lost_classes(torch.tensor([19] + [0] * 9)) == (10, 0)
    assert lost_classes(torch.tensor([20] + [0] * 9)) == (10, 9)


def test_what_lasts_less_than_three_validations_is_no_sign() -> None:
    bad = {
        "collapse": FINE._replace(lost=8),
        "discriminator_wins": FINE._replace(domain_accuracy=1.0),
        "zero_gradient": FINE._replace(flat=["domain"]),
        "confident_forgetting": FINE._replace(entropy=0.05, source_accuracy=0.8),
    }
    for kind, seen in bad.items():
        assert kinds([FINE, seen, seen]) == set()
        assert kinds([FINE, seen, seen, FINE, seen]) == set()
        assert kinds([FINE, seen, seen, seen]) == {kind}


def test_a_fooled_discriminator_is_not_a_dead_one() -> None:
    chance = FINE._replace(domain_accuracy=0.5)
    assert kinds([FINE, *[chance] * 8]) == set()
    assert kinds([chance] * 3) == {"discriminator_dead"}
    assert kinds([FINE._replace(domain_accuracy=None)] * 9) == set()


def test_batches_that_were_not_looked_at_do_not_break_the_row() -> None:
    flat, unknown = FINE._replace(flat=["domain", "gap"]), FINE._replace(flat=None)
    assert kinds([flat, unknown, flat._replace(flat=["gap"]), unknown, flat]) == {"zero_gradient"}
    text = SIGNS["zero_gradient"]([flat, flat._replace(flat=["gap"]), flat])
    assert text is not None
    assert "gap" in text
    assert "domain" not in text
    assert kinds([flat, flat, flat._replace(flat=[])]) == set()


@pytest.mark.parametrize(
    ("norm", "explodes"), [(49.0, False), (51.0, True), (float("nan"), True), (float("inf"), True)]
)
def test_the_norm_is_compared_with_the_first_validations(norm: float, explodes: bool) -> None:
    assert kinds([FINE, FINE._replace(norm=norm)]) == ({"feature_norm"} if explodes else set())


def test_certainty_that_costs_no_source_accuracy_is_wanted() -> None:
    learned = [FINE._replace(entropy=0.5 - 0.1 * k, source_accuracy=0.9) for k in range(5)]
    assert kinds(learned) == set()
    assert kinds([FINE] + [FINE._replace(entropy=0.4, source_accuracy=0.5)] * 5) == set()
    assert kinds([FINE._replace(source_accuracy=None, entropy=0.5 - 0.1 * k) for k in range(5)]) == set()


def test_every_warning_says_what_to_try() -> None:
    history = [FINE._replace(lost=9, domain_accuracy=1.0, flat=["gap"], norm=float("nan"))] * 3
    texts = [SIGNS[kind](history) for kind in kinds(history)]
    texts.append(SIGNS["discriminator_dead"]([FINE._replace(domain_accuracy=0.5)] * 3))
    texts.append(SIGNS["confident_forgetting"]([FINE, *[FINE._replace(entropy=0.0, source_accuracy=0.1)] * 3]))
    assert len(texts) == len(SIGNS)
    assert all(text and ("Try" in text or "Check that" in text) for text in texts)

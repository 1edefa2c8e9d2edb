"""The loss of hidden words against scikit-learn's log loss, and which words are hidden."""

import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.layers import hide_words
from adapt.losses import masked_language


def test_equals_the_chosen_positions_log_loss() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=draw, dtype=torch.float64)
    words = torch.randint(7, (3, 5), generator=draw)
    chosen = torch.rand(3, 5, generator=draw) < 0.5
    expected = log_loss(words[chosen], softmax(logits[chosen].numpy(), 1), labels=range(7))
    assert masked_language(logits, words, chosen).item() == pytest.approx(expected)


def test_without_hidden_words_it_is_zero() -> None:
    logits = torch.randn(1, 2, 3, requires_grad=True)
    loss = masked_language(logits, torch.zeros(1, 2).long(), torch.zeros(1, 2).bool())
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()  # type: ignore[union-attr]
    with pytest.raises(AdaptError, match="logits"):
        masked_language(logits, torch.zeros(2, 2).long(), torch.zeros(1, 2).bool())


def test_berts_shares_are_hidden_and_special_tokens_never() -> None:
    torch.manual_seed(0)
    ids = torch.full((200, 200), 7)
    words = torch.zeros_like(ids).bool()
    words[:, :100] = True
    hidden, chosen = hide_words(ids, words, mask_id=4, vocabulary=1000)
    assert torch.equal(hidden[:, 100:], ids[:, 100:])
    assert chosen[:, :100].float().mean().item() == pytest.approx(0.15, abs=0.01)
    shares = [(hidden[chosen] == 4).float().mean().item(), (hidden[chosen] == 7).float().mean().item()]
    assert shares == pytest.approx([0.8, 0.1], abs=0.02)
    assert (hidden[~chosen] == 7).all()

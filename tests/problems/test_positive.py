"""AUROC and sensitivity of a positive class against scikit-learn, and that nobody else sees them."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from adapt.errors import AdaptError
from adapt.problems import Classification


@pytest.mark.parametrize(("names", "positive"), [(("cancer", "healthy"), "cancer"), (tuple("abc"), "b")])
@pytest.mark.parametrize("specificity", [0.7, 0.95])
def test_both_are_scikit_learns(names: tuple[str, ...], positive: str, specificity: float) -> None:
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(len(names), (300,), generator=draw)
    z = torch.randn(300, len(names), generator=draw) + 1.2 * torch.eye(len(names))[y]
    problem = Classification(names, positive=positive, specificity=specificity)
    found = problem.collection("test/")
    for part in torch.arange(300).split(70):
        found.update(problem.predict(z[part]), y[part])
    values = {name: value.item() for name, value in found.compute().items()}
    at = names.index(positive)
    p, true = z.softmax(1)[:, at].numpy(), (y == at).numpy()
    assert values["test/auroc"] == pytest.approx(roc_auc_score(true, p), abs=1e-5)
    wrong, right, _ = roc_curve(true, p, drop_intermediate=False)
    assert values["test/sensitivity"] == pytest.approx(right[wrong <= 1 - specificity + 1e-9].max(), abs=1e-5)
    assert values["test/accuracy"] == pytest.approx(float(np.mean(z.argmax(1).numpy() == y.numpy())), abs=1e-6)


def test_without_a_positive_class_nothing_changes_and_a_checkpoint_fits_both() -> None:
    plain, asked = Classification(["a", "b"]), Classification(["a", "b"], positive="b")
    assert set(asked.metrics()) - set(plain.metrics()) == {"auroc", "sensitivity"}
    assert plain == asked and plain.describe() == asked.describe()
    assert [m.name for m in asked.measures()][-2:] == ["auroc", "sensitivity"]
    assert all(m.high == 1 and m.higher for m in asked.measures()[-2:])


def test_a_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(AdaptError, match="out of a, b"):
        Classification(["a", "b"], positive="c")
    with pytest.raises(AdaptError, match="specificity"):
        Classification(["a", "b"], positive="a", specificity=1.0)

"""What these tests share: their pictures have to be there, so t-SNE's shortest course is enough."""

from functools import partial

import pytest
from sklearn.manifold import TSNE


@pytest.fixture(autouse=True)
def short_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.analysis.embedding.TSNE", partial(TSNE, max_iter=250))

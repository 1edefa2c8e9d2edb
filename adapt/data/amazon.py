"""Amazon reviews: sentiment in four product domains, as bags of words."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.datasets import load_svmlight_file
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.base import DomainDataModule, Split
from adapt.data.views import TensorDomain
from adapt.errors import AdaptError

_WORDS = 5000
_INSTRUCTIONS = (
    "Download the svmlight files of Chen et al.'s 5000 most frequent terms (DANN's authors distribute them) and put "
    "books_train.svmlight, books_test.svmlight and those of dvd, electronics and kitchen into <root>/amazon_reviews."
)


class AmazonReviews(DomainDataModule):
    """Positive or negative reviews of books, dvd, electronics and kitchen appliances.

    Blitzer et al., ACL 2007 (https://aclanthology.org/P07-1056), as counts of the 5000 most frequent uni- and bigrams
    (Chen et al., ICML 2012, https://arxiv.org/abs/1206.4683), the files that DANN's authors ran. Each domain has 2000
    training and 3586 to 5945 test samples. Counts stay in memory as bytes, and are scaled a batch at a time.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        scaling: `log` is log(1 + count), which keeps long reviews from drowning the others; `counts` as in the DANN
            paper; `binary` for presence. None looks at more than one sample, so nothing leaks from a test set.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: At setup, a file is missing or cannot be read.
    """

    known_domains = ("books", "dvd", "electronics", "kitchen")
    class_names = ("negative", "positive")
    input_shape = (_WORDS,)

    def __init__(
        self,
        source: str | list[str],
        target: str,
        scaling: Literal["log", "counts", "binary"] = "log",
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, **kwargs)
        self.scaling = scaling

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The authors' test set, or a share of their training set."""
        part = "test" if split == "test" else "train"
        path = self.data_path("amazon_reviews", f"{name}_{part}.svmlight", instructions=_INSTRUCTIONS)
        reviews = _read(path.resolve())
        return reviews if split == "test" else self.holdout(reviews, split)

    def transform(self, x: Tensor) -> Tensor:
        """Counts to scaled floats, on the device."""
        if self.scaling == "log":
            return x.float().log1p()
        return x.float() if self.scaling == "counts" else (x > 0).float()


@lru_cache(maxsize=8)
def _read(path: Path) -> TensorDomain:
    try:
        counts, labels = load_svmlight_file(str(path), n_features=_WORDS, zero_based=True)
    # The reader has several errors: of lines that are none, of indices out of range, of numbers that fit no integer.
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise AdaptError(
            f"Expected svmlight counts at {path}, could not read them ({what}). {_INSTRUCTIONS}"
        ) from error
    if set(np.unique(labels)) - {-1.0, 1.0}:
        raise AdaptError(f"Expected labels −1 and 1 in {path}, found {np.unique(labels)[:5].tolist()}. {_INSTRUCTIONS}")
    # NaN and infinity are no whole numbers either; as bytes −5 would be 251.
    odd = np.flatnonzero(~(np.isfinite(counts.data) & (counts.data >= 0) & (counts.data == np.floor(counts.data))))
    if len(odd):
        review = int(np.searchsorted(counts.indptr, odd[0], "right"))
        raise AdaptError(
            f"Expected counts, whole numbers of at least 0, in {path}, found {counts.data[odd[0]]:g} in review {review}"
            f" and {len(odd) - 1} more. {_INSTRUCTIONS}"
        )
    # The largest count in these files is below 256; more than that tells no reader more.
    counts.data = np.minimum(counts.data, 255).astype(np.uint8)
    return TensorDomain(torch.from_numpy(counts.toarray()), torch.from_numpy(labels > 0).long())

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_svmlight_file
from sklearn.svm import LinearSVC

from adapt.data import AmazonReviews
from adapt.data.views import in_memory
from adapt.errors import AdaptError

LINES = {"train": ["1 0:6 4999:2", "-1 1:300", "1 2:1", "-1 3:1"], "test": ["-1 7:3", "1 0:1"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "amazon_reviews").mkdir()
    for name in ("books", "dvd"):
        for part, lines in LINES.items():
            (tmp_path / "amazon_reviews" / f"{name}_{part}.svmlight").write_text("\n".join(lines))
    return tmp_path


def test_counts_and_labels_are_those_of_the_file(root: Path) -> None:
    data = AmazonReviews("books", "dvd", root=str(root), val_fraction=0.25)
    test = data.domain("dvd", "test")
    assert test.y.tolist() == [0, 1]
    assert test.x.shape == (2, 5000) and test.x.dtype == torch.uint8
    assert test.x.nonzero().tolist() == [[0, 7], [1, 0]]
    train, val = in_memory(data.domain("books", "train")), in_memory(data.domain("books", "val"))
    assert train is not None and val is not None
    seen = torch.cat([train[0], val[0]])
    assert (len(train[0]), len(val[0])) == (3, 1)
    assert sorted(seen.sum(1, dtype=torch.long).tolist()) == [1, 1, 8, 255]


@pytest.mark.parametrize(
    ("scaling", "expected"), [("log", np.log1p([0, 1, 9])), ("counts", [0, 1, 9]), ("binary", [0, 1, 1])]
)
def test_scaling(scaling: str, expected: list[float]) -> None:
    out = AmazonReviews("books", "dvd", scaling=scaling).transform(torch.tensor([[0, 1, 9]], dtype=torch.uint8))
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out[0].numpy(), expected, rtol=1e-6)


def test_missing_files_come_with_instructions(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="Download the svmlight files"):
        AmazonReviews("books", "dvd", root=str(tmp_path)).domain("books", "train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 nonsense", "could not read"),
        ("3 0:1", "labels"),
        ("0 0:1", "labels"),
        ("nan 0:1", "labels"),
        ("1 0:1\n-1 3:nan", r"found nan in review 2 and 0 more"),
        ("1 0:inf", "found inf"),
        ("1 0:-5 4:2.5", "found -5 in review 1 and 1 more"),
        ("1 7:0.5", "found 0.5"),
        ("1 5000:1", "could not read"),
        ("1 2147483646:1", "could not read"),
        ("1 99999999999999999999:1", "could not read"),
        ("1 -3:1", "could not read"),
    ],
)
def test_broken_files_are_named(root: Path, line: str, message: str) -> None:
    (root / "amazon_reviews" / "books_train.svmlight").write_text(line)
    with pytest.raises(AdaptError, match=message):
        AmazonReviews("books", "dvd", root=str(root)).domain("books", "train")


ROOT = Path(os.environ.get("ADAPT_DATA", "nowhere"))


@pytest.mark.skipif(not (ROOT / "amazon_reviews").exists(), reason="needs amazon_reviews under ADAPT_DATA")
def test_real_counts_fit_into_bytes_and_a_linear_svm_reaches_the_known_accuracy() -> None:
    data = AmazonReviews("books", "dvd")
    test = data.domain("dvd", "test")
    counts, _ = load_svmlight_file(str(ROOT / "amazon_reviews" / "dvd_test.svmlight"), n_features=5000, zero_based=True)
    np.testing.assert_array_equal(test.x.numpy(), counts.toarray())
    train = in_memory(data.domain("books", "train"))
    assert train is not None and len(train[0]) == 1800
    svm = LinearSVC(C=0.01).fit(data.transform(train[0]).numpy(), train[1].numpy())
    # 80.4 with all 2000 training reviews.
    assert svm.score(data.transform(test.x).numpy(), test.y.numpy()) > 0.78

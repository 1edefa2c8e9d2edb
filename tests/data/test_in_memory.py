"""Arrays, frames and series that a person has in Python: labels by place, columns by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

import adapt
from adapt.data import InMemory, TensorDomain
from adapt.data.checks import labels_of
from adapt.errors import AdaptError, SampleError

pandas = pytest.importorskip("pandas")
N = 60
X = np.random.default_rng(0).normal(size=(N, 3)).astype("float32")
Y = np.arange(N) % 3
SHUFFLED = np.random.default_rng(1).permutation(N)


def test_a_series_is_read_by_place_whatever_its_index() -> None:
    expected = InMemory(X, Y[SHUFFLED], X, batch_size=8).domain("source", "train")
    for index in (SHUFFLED, np.arange(N)[::-1], np.arange(N) + 7):
        found = InMemory(X, pandas.Series(Y[SHUFFLED], index=index), X, batch_size=8).domain("source", "train")
        assert torch.equal(labels_of(found).y, labels_of(expected).y)
        assert TensorDomain(X, pandas.Series(Y, index=index)).y.tolist() == Y.tolist()


def test_columns_of_frames_are_taken_by_their_names() -> None:
    source = pandas.DataFrame(X, columns=list("pqr"))
    target = pandas.DataFrame(X + 1, columns=list("pqr")).assign(more="text")[["more", "r", "p", "q"]]
    data = InMemory(source, Y, target, batch_size=8)
    expected = InMemory(X, Y, X + 1, batch_size=8)
    for role in ("source", "target"):
        for split in ("train", "test"):
            found, wanted = data.domain_samples(role, split), expected.domain_samples(role, split)  # type: ignore[arg-type]
            assert torch.equal(found[0][0], wanted[0][0])
    assert torch.equal(data.prepare(source[["r", "q", "p"]]).x, torch.from_numpy(X))
    assert data.state_dict()["columns"] == ["p", "q", "r"]
    with pytest.raises(AdaptError, match="column 'q'"):
        data.prepare(source[["r", "p"]])
    with pytest.raises(AdaptError, match="numbers in the columns of the table, found 'q'"):
        data.prepare(source.assign(q="high"))


def test_labels_may_be_texts_of_which_the_target_has_some() -> None:
    names = np.array(["cat", "dog", "cow"])
    few = [str(name) if k % 2 else None for k, name in enumerate(names[Y])]
    data = InMemory(X, names[Y], X, few, batch_size=8)
    assert data.class_names == ("cat", "cow", "dog")
    train = labels_of(data.domain("target", "train"))
    at = data.domain("target", "train").indices  # type: ignore[attr-defined]  # a share of the whole
    assert [few[k] for k in at] == [
        data.class_names[int(y)] if known else None for y, known in zip(train.y, train.known, strict=True)
    ]
    with pytest.raises(AdaptError, match="labels of the target out of cat, cow, dog, found hen"):
        InMemory(X, names[Y], X, ["hen"] * N)


@pytest.mark.parametrize("values", [[1, 2, 3], [10, 20, 30], [0, 2, 2], [0.0, 2.0, 3.0]])
def test_numbers_that_no_sample_has_are_no_classes(values: list[float]) -> None:
    labels = np.array(values)[Y]
    with pytest.raises(AdaptError, match=rf"number the classes from 0, found .* none of {0 if min(values) else 1}"):
        InMemory(X, labels, X)
    # What the line offers: other numbers, texts, or a name for each number.
    assert InMemory(X, np.unique(labels, return_inverse=True)[1], X).class_names == tuple(
        map(str, range(len(set(values))))
    )
    assert InMemory(X, labels.astype(str), X).class_names == tuple(sorted({str(value) for value in labels}))
    names = [f"class {k}" for k in range(int(max(values)) + 1)]
    assert labels_of(InMemory(X, labels, X, names=names).domain("source", "train")).y.max() == max(values)


def test_a_class_that_the_target_alone_has_is_one() -> None:
    assert InMemory(X, np.where(Y == 1, 2, Y), X, Y).class_names == ("0", "1", "2")
    for kind in (bool, float, np.uint8, "int64"):
        assert InMemory(X, (Y > 0).astype(kind), X).class_names == ("0", "1")


@pytest.mark.parametrize("mark", [np.nan, None, -1, pandas.NA])
def test_a_target_may_have_labels_of_some_samples(mark: object) -> None:
    few = [int(y) if k % 2 else mark for k, y in enumerate(Y)]
    expected = torch.tensor([k % 2 == 1 for k in range(N)])
    series = pandas.Series(few, dtype="Int64")
    for given in (few, np.array(few, dtype=object), series, series.astype(object)):
        data = InMemory(X, Y, X, given, batch_size=8)
        found = data.domain("target", "train")
        known, at = labels_of(found), torch.as_tensor(found.indices)  # type: ignore[attr-defined]  # a share
        assert torch.equal(known.known, expected[at])
        assert torch.equal(known.y[known.known], torch.from_numpy(Y)[at][known.known])
        assert data.class_names == ("0", "1", "2")
    assert labels_of(InMemory(X, Y, X, [mark] * N).domain("target", "train")).known.sum() == 0
    words = pandas.Series([f"class {y}" if k % 2 else None for k, y in enumerate(Y)], dtype="string")
    assert InMemory(X[1::2], words[1::2], X, words).class_names == ("class 0", "class 1", "class 2")
    assert not labels_of(InMemory(X, [f"class {y}" for y in Y], X, words).domain("target", "train")).known.all()


@pytest.mark.parametrize("mark", [np.nan, None, pandas.NA])
def test_a_source_sample_without_a_label_is_named(mark: object) -> None:
    labels = [*Y[:4].tolist(), mark, *Y[5:].tolist()]
    with pytest.raises(AdaptError, match="every sample of the source, found none in 1 of 60, the first at position 4"):
        InMemory(X, labels, X)


def test_what_would_be_read_otherwise_than_meant_is_refused() -> None:
    data = InMemory(X, Y, X, batch_size=8)
    with pytest.raises(SampleError, match="masked"):
        data.prepare(np.ma.masked_array(X, mask=X > 0))
    with pytest.raises(AdaptError, match="real inputs"):
        data.prepare(X.astype(complex))
    with pytest.raises(AdaptError, match=r"shape \(N, 3\)"):
        data.prepare({"p": [1.0], "q": [1.0], "r": [1.0]})
    with pytest.raises(AdaptError, match="list of arrays"):
        data.prepare([{"p": 1.0}])


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_new_inputs_are_read_in_the_type_of_training(kind: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = np.clip(draw.normal(100 + 60 * y[:, None], 20, (120, 6)), 0, 255).round()
    data = InMemory(x.astype(kind), y, x.astype(kind), batch_size=16)
    model = adapt.fit("SourceOnly", data, max_steps=5, run_dir=tmp_path / "run", device="cpu")
    for found in (model, adapt.load(tmp_path / "run", device="cpu")):
        wanted = found.predict_proba(x.astype(kind))
        for other in ("uint8", "float32", "float64", "int64"):
            np.testing.assert_allclose(found.predict_proba(x.astype(other)), wanted, atol=1e-6)
        if kind == "uint8":
            with pytest.raises(AdaptError, match=r"Expected bytes \(uint8, 0 to 255\), as in training"):
                found.predict_proba(x.astype("float32") / 255)


@pytest.mark.parametrize("backbone", ["SmallCNN", "LeNet", "TorchvisionBackbone"])
def test_images_whose_channels_stand_last_are_told_where_they_come(backbone: str) -> None:
    x, y = np.zeros((40, 32, 32, 3), np.uint8), np.arange(40) % 2
    with pytest.raises(AdaptError, match=r"found \(32, 32, 3\)|take \(32, 32, 3\)") as error:
        adapt.fit("SourceOnly", InMemory(x, y, x), backbone=backbone, max_steps=1, device="cpu")
    assert "the channels come first: x.transpose(0, 3, 1, 2)" in str(error.value) and "resize" not in str(error.value)
    with pytest.raises(AdaptError, match=r"gray images their one channel, x\[:, None\]"):
        adapt.fit("SourceOnly", InMemory(x[..., 0], y, x[..., 0]), backbone=backbone, max_steps=1, device="cpu")
    data = InMemory(x.transpose(0, 3, 1, 2), y, x.transpose(0, 3, 1, 2), batch_size=8)
    data.setup("fit")
    with pytest.raises(
        AdaptError, match=r"found \(40, 32, 32, 3\). The channels come first: x.transpose\(0, 3, 1, 2\)"
    ):
        data.prepare(x)

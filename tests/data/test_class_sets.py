"""Classes that only one of the two domains has, and several sources in one batch."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.backbones import MLP, SmallCNN
from adapt.data import Arrays, DomainDataModule, ImageFolders
from adapt.data.batches import Pair
from adapt.data.classes import relate_classes, warn_of_near_names
from adapt.data.loaders import BalancedSampler
from adapt.errors import AdaptError
from adapt.methods import CORAL, OSBP


def write(root: Path, name: str, letters: str, n: int = 60, offset: float = 0.0) -> None:
    y = np.array([letters[i % len(letters)] for i in range(n)])
    x = np.stack([[ord(k), offset, i] for i, k in enumerate(y)]).astype("float32")
    np.savez(root / f"{name}.npz", x=x, y=y)


def data(root: Path, **kwargs: Any) -> DomainDataModule:
    return Arrays("a", "b", root=str(root), **{"batch_size": 8} | kwargs)


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [("abc", "abc", "closed"), ("abc", "ab", "partial"), ("ab", "abc", "open"), ("ab", "bc", "universal")],
)
def test_class_sets_are_found_out(source: str, target: str, found: str) -> None:
    assert relate_classes({"s": list(source)}, ("t", list(target))).class_sets == found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"class_sets": "closed"}, "only 'a' has y.*\n.*--data.class_sets partial"),
        ({"class_sets": "open"}, "only 'a' has y.*\n.*--data.class_sets partial"),
        ({"source_classes": ["v", "q"]}, "out of v, w, x, y.* found 'q'"),
        ({"target_classes": []}, "class names"),
        ({"class_sets": "half"}, "found 'half'"),
        ({"source_classes": ["y"]}, "share"),
    ],
)
def test_wrong_class_sets_are_refused(tmp_path: Path, asked: dict[str, Any], words: str) -> None:
    write(tmp_path, "a", "vwxy")
    write(tmp_path, "b", "vwx")
    with pytest.raises(AdaptError, match=words) as error:
        data(tmp_path, **asked)
    assert len(str(error.value).splitlines()) <= 2


def test_a_partial_target_keeps_the_source_s_classes_and_leaves_the_other_samples_out(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name, "vwxyz", 100)
    found = data(tmp_path, target_classes=["w", "v"])
    assert found.problem.class_sets == "partial"
    assert list(found.class_names) == list("vwxyz")
    labels = torch.cat([batch.y for batch in found.test_dataloader()[1]])
    assert set(labels.tolist()) == {0, 1}
    x = torch.cat([batch.x for batch in found.predict_dataloader()])[:, 0]
    assert set(x.tolist()) == {ord("v"), ord("w")}
    names, total = found.predicted_names()
    assert len(names) == len(x) == len(labels)
    rows = torch.tensor([float(name) for name in names])
    torch.testing.assert_close(torch.cat([batch.x for batch in found.predict_dataloader()])[:, 2], rows)
    assert total == 40


def test_open_sets_make_the_other_classes_one_unknown_label(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name, "vwxyz", 100)
    found = data(tmp_path, source_classes=["w", "x"])
    assert (found.problem.class_sets, found.problem.answers) == ("open", ("w", "x", "unknown"))
    for batch in found.test_dataloader()[1]:
        expected = [{ord("w"): 0, ord("x"): 1}.get(int(letter), 2) for letter in batch.x[:, 0]]
        assert batch.y.tolist() == expected
    source = torch.cat([batch.y for batch in found.test_dataloader()[0]])
    assert set(source.tolist()) == {0, 1}
    pair = next(iter(found.batches()))
    assert isinstance(pair, Pair)
    assert pair.source.y.max() < 2


def test_open_sets_survive_in_a_checkpoint_of_the_data(tmp_path: Path) -> None:
    from adapt.data.base import standing_alone

    for name in "ab":
        write(tmp_path, name, "vwxyz", 100)
    state = data(tmp_path, source_classes=["w", "x"]).state_dict()
    with standing_alone(state):
        again = Arrays("a", "b", root="nowhere")
    assert again.problem.answers == ("w", "x", "unknown")


def test_classes_of_image_folders_are_told_apart_by_name(tmp_path: Path) -> None:
    for domain, classes in (("a", "bc"), ("b", "ab")):
        for k in classes:
            for i in range(8):
                path = tmp_path / domain / k / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((9, 9, 3), 20 * i, dtype=np.uint8)).save(path)
    found = ImageFolders("a", "b", root=str(tmp_path), dataset="", image_size=8, batch_size=2)
    assert found.problem.class_sets == "universal"
    with pytest.raises(AdaptError, match="found universal ones: only the target has 'a'; only the source has 'c'"):
        CORAL(problem=found.problem, backbone=SmallCNN(found.input_shape))
    assert list(found.class_names) == ["b", "c"]
    names, _ = found.predicted_names()
    labels = torch.cat([batch.y for batch in found.test_dataloader()[1]]).tolist()
    assert labels == [0 if name.startswith("b/b/") else 2 for name in names]


def test_statistics_are_of_the_kept_samples(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name, "vz", 100)
        write(tmp_path, name, "vwz", 99)
    found = data(tmp_path, source_classes=["v", "w"], standardise="source")
    mean = found.state_dict()["statistics"]["a"]["mean"][0]
    assert ord("v") < mean < ord("w")


@pytest.mark.parametrize("balanced", [False, True])
def test_several_sources_are_told_apart_in_batches(tmp_path: Path, balanced: bool) -> None:
    write(tmp_path, "a", "vw", 200, offset=0.0)
    write(tmp_path, "c", "vw", 60, offset=1.0)
    write(tmp_path, "b", "vw", 100)
    found = Arrays(["a", "c"], "b", root=str(tmp_path), batch_size=9, balance_sources=balanced)
    batches = list(found.batches())
    for batch in batches:
        assert isinstance(batch, Pair)
        assert batch.source.domain is not None
        torch.testing.assert_close(batch.source.domain.float(), batch.source.x[:, 1])
        assert len(batch.source.index.unique()) == 9
    counts = torch.stack([batch.source.domain.bincount(minlength=2) for batch in batches])
    assert (counts == torch.tensor([5, 4])).all() == balanced
    assert next(iter(found.test_dataloader()[0])).domain is not None


def test_one_source_has_no_domain_in_its_batches(tmp_path: Path) -> None:
    write(tmp_path, "a", "vw")
    write(tmp_path, "b", "vw")
    batch = next(iter(data(tmp_path).batches()))
    assert batch.source.domain is None


def test_balanced_batches_of_two_processes_are_disjoint_and_continue() -> None:
    parts = [BalancedSampler([40, 12], 6, 8, 3, rank, 2) for rank in (0, 1)]
    one, other = (torch.tensor(list(part)).view(8, 6) for part in parts)
    for a, b in zip(one, other, strict=True):
        assert len(torch.cat([a, b]).unique()) == 12
        assert (a >= 40).sum() == (b >= 40).sum() == 3
    parts[0].first_batch = 5
    assert torch.equal(torch.tensor(list(parts[0])).view(3, 6), one[5:])
    parts[0].set_epoch(1)
    assert not torch.equal(torch.tensor(list(parts[0])).view(8, 6), one)


def test_a_share_without_a_sample_names_classes_only_where_some_were_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "a", "xyz")
    write(tmp_path, "b", "x", n=1)
    with pytest.raises(AdaptError, match=r"Expected samples in 'b' \(train\), found none. Give the domain more"):
        data(tmp_path).domain_samples("b", "train")
    with pytest.raises(AdaptError, match=r"of the asked classes in 'b'.*Name other classes"):
        data(tmp_path, source_classes="xy", target_classes="x").domain_samples("b", "train")


def test_a_threshold_that_decides_nothing_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a", "vwx")
    np.savez(tmp_path / "b.npz", x=np.zeros((60, 3), "float32"))
    closed, opened = data(tmp_path), data(tmp_path, class_sets="open")
    with pytest.warns(UserWarning, match=r"unknown_threshold 0.9 decides nothing here.*--data.class_sets open"):
        CORAL(problem=closed.problem, backbone=MLP((3,)), unknown_threshold=0.9)
    with pytest.warns(UserWarning, match="OSBP finds unknown samples in its own way"):
        OSBP(problem=opened.problem, backbone=MLP((3,)), unknown_threshold=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CORAL(problem=opened.problem, backbone=MLP((3,)), unknown_threshold=0.9)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["cat", "Cat", "dog"], "'Cat' and 'cat'"),
        (["hot dog", "hot  dog"], "'hot  dog' and 'hot dog'"),
        (["k\xe4tz", "ka\u0308tz"], r"'ka\u0308tz' and 'k\xe4tz'"),  # on a screen they look the same
    ],
)
def test_classes_that_a_slip_may_have_made_are_told(names: list[str], told: str) -> None:
    with pytest.warns(UserWarning, match="trained as different classes") as caught:
        warn_of_near_names(names)
    assert told in str(caught[0].message)


def test_a_slip_in_a_table_is_told_in_training_and_letters_are_no_slip(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.resize(["cat", "dog", "CAT"], 60)
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    with pytest.warns(UserWarning, match="'CAT' and 'cat'"):
        data(tmp_path).setup("fit")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_near_names(["a", "A", "b", "cat"])

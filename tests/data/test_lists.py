from pathlib import Path

import pytest
import torch

import adapt
from adapt.data import ImageLists, folders
from adapt.data.lists import read_list
from adapt.errors import AdaptError
from tests.data.files import write_images


def root(folder: Path) -> Path:
    for domain in ("real", "clipart"):
        write_images(folder / domain, ["old mug", "bike"], 10, "png")
    (folder / "image_list").mkdir()
    lines = [f"real/{name}/{i}.png {k}" for k, name in enumerate(["old mug", "bike"]) for i in range(10)]
    (folder / "image_list" / "real.txt").write_text("\n".join(lines) + "\n")
    lines = [line.replace("real/", "clipart/") for line in lines]
    (folder / "image_list" / "clipart_train.txt").write_text("\n".join(lines[:8] + lines[12:]))
    (folder / "image_list" / "clipart_test.txt").write_text("\n".join(lines[8:12]))
    return folder


def test_lists_name_files_labels_classes_and_official_splits(tmp_path: Path) -> None:
    place = root(tmp_path) / "image_list"
    assert read_list(place / "real.txt", tmp_path)[1] == [0] * 10 + [1] * 10
    (place / "copy.txt").write_text("real/bike/0.png\nreal/bike/0.png copy.png\nreal/bike/0.png copy.png dog")
    assert read_list(place / "copy.txt", tmp_path)[1] == [None, None, "dog"]
    (place / "copy.txt").unlink()
    data = ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)
    assert (data.known_domains, list(data.class_names)) == (["clipart", "real"], ["old mug", "bike"])
    assert list(data.sample_names("clipart", "test")) == [
        f"clipart/{name}.png" for name in ("old mug/8", "old mug/9", "bike/0", "bike/1")
    ]
    assert [len(data.domain("clipart", split)) for split in ("train", "val", "test")] == [14, 2, 4]
    data.setup("fit")
    assert next(iter(data.test_dataloader()[1])).y.tolist() == [0, 0, 1, 1]


def test_lines_without_a_label_are_samples_without_one(tmp_path: Path) -> None:
    path = root(tmp_path) / "image_list" / "clipart_train.txt"
    path.write_text("\n".join(line.rpartition(" ")[0] for line in path.read_text().splitlines()))
    data = ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)
    assert [data.target_labels(split) for split in ("train", "test")] == [(0, 14), (4, 4)]


def test_images_elsewhere_are_named_by_their_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = root(tmp_path)
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    (place / "real").rename(elsewhere)
    path = place / "image_list" / "real.txt"
    path.write_text(path.read_text().replace("real/", f"{elsewhere}/"))
    monkeypatch.setattr(folders, "_FEWEST_STORED", 5)
    data = ImageLists("clipart", "real", root=str(place), image_size=8, batch_size=4)
    names = data.sample_names("real", "test")
    assert all(Path(name).is_file() and name.startswith(elsewhere.as_posix()) for name in names)
    first = data.domain("real", "test")[0][0]
    assert torch.equal(first, data.domain("real", "test")[0][0])
    data.predict_split = "all"
    assert len(data.predicted_names()[0]) == 20


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("real/bike/0.png 1.5", "a whole number or the name of a class as label in line 1 of .* found '1.5'"),
        ("real/bike/0.png -1", "a whole number or the name of a class as label in line 1 of .* found '-1'"),
        ("real/bike/0.png one\nreal/bike/1.png 1", "all whole numbers or all names of classes, found 1 and 'one'"),
        ("real/bike/99.png 0", "found no file at"),
        ("real/bike/0.png 1", r"found none of \[0\]"),
        ("", "found none"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(line: str, words: str, tmp_path: Path) -> None:
    (root(tmp_path) / "image_list" / "real.txt").write_text(line)
    with pytest.raises(AdaptError, match=words):
        ImageLists("real", "clipart", root=str(tmp_path), image_size=8)


def test_tabs_are_read_and_other_encodings_are_named(tmp_path: Path) -> None:
    path = root(tmp_path) / "image_list" / "real.txt"
    lines = path.read_text()
    path.write_text(lines.replace(".png ", ".png\t"))
    data = ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)
    assert list(data.class_names) == ["old mug", "bike"]
    path.write_bytes(lines.replace("old mug", "café").encode("latin-1"))
    with pytest.raises(AdaptError, match=r"real\.txt as UTF-8"):
        ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)


def test_a_target_may_lack_a_class_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "image_list").mkdir()
    for domain, labels in (("real", (0, 1, 2)), ("clipart", (0, 2))):
        write_images(tmp_path / domain, ["a", "b", "c"], 6, "png")
        lines = [f"{domain}/{'abc'[k]}/{i}.png {k}" for k in labels for i in range(6)]
        (tmp_path / "image_list" / f"{domain}.txt").write_text("\n".join(lines))
    data = ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)
    data.setup("fit")
    names = data.sample_names("clipart", "test")
    found = [data.class_names[y] for batch in data.test_dataloader()[1] for y in batch.y.tolist()]
    assert found == [Path(name).parent.name for name in names]
    assert data.class_sets == "partial"


def test_images_that_stand_twice_are_warned_of(tmp_path: Path) -> None:
    lists = root(tmp_path) / "image_list"
    test = lists / "clipart_test.txt"
    test.write_text(test.read_text() + "\n" + (lists / "clipart_train.txt").read_text().splitlines()[0])
    with pytest.warns(UserWarning, match=r"1 lines of the lists of 'clipart' .* such as 0\.png.*trained on and tested"):
        ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)


@pytest.mark.parametrize("between", [",", "\t", " ", "; "])
def test_labels_may_be_names_in_one_order_for_all_domains(between: str, tmp_path: Path) -> None:
    (tmp_path / "image_list").mkdir()
    classes = {"real": ["old mug", "bike", "Übung"], "clipart": ["Übung", "old mug", "bike"]}
    for domain, names in classes.items():
        write_images(tmp_path / domain, ["x", "y z", "w"], 10, "png")  # folders say nothing of the classes
        lines = [
            f"{domain}/{folder}/{i}.png{between}{name}"
            for folder, name in zip(["x", "y z", "w"], names, strict=True)
            for i in range(10)
        ]
        text = "\n".join(([f"path{between}label"] if between != " " else []) + lines)
        (tmp_path / "image_list" / f"{domain}.txt").write_text(text, encoding="utf-8")
    data = ImageLists("real", "clipart", root=str(tmp_path), image_size=8, batch_size=4)
    assert list(data.class_names) == ["bike", "old mug", "Übung"]
    data.setup("fit")
    of = {f"clipart/{folder}": name for folder, name in zip(["x", "y z", "w"], classes["clipart"], strict=True)}
    found = [data.class_names[y] for batch in data.test_dataloader()[1] for y in batch.y.tolist()]
    assert found == [of[name.rpartition("/")[0]] for name in data.sample_names("clipart", "test")]
    model = adapt.fit("SourceOnly", data, backbone="SmallCNN", max_steps=1, device="cpu", run_dir=tmp_path / "run")
    (tmp_path / "image_list").rename(tmp_path / "gone")
    assert adapt.load(tmp_path / "run").class_names == model.class_names == ["bike", "old mug", "Übung"]

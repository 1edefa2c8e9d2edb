"""Tables of images and texts, what is missing in them, and the digits with generated descriptions."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from PIL import Image

import adapt
from adapt.backbones import BagOfWords, FusionBackbone, SmallCNN
from adapt.backbones.words import hash_words
from adapt.cli import main
from adapt.commands.features import extract_features
from adapt.data import NO_LABEL, DescribedDigits, Features, ImageText, Pair
from adapt.data.described_digits import NAMES
from adapt.errors import AdaptError
from adapt.methods import SourceOnly

SHADES = {"dark": 40, "light": 200}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(folder: Path, name: str, n: int = 20, labels: bool = True, domain: bool = False, mode: str = "w") -> None:
    """Gray images called dark or light; every fifth has no text, every seventh no image."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    with (folder / (f"{name}.csv" if not domain else "all.csv")).open(mode, newline="") as file:
        out = csv.writer(file)
        if mode == "w":
            out.writerow(["image", "text", *(["label"] if labels else []), *(["domain"] if domain else [])])
        for row in range(n):
            what = list(SHADES)[row % 2]
            path = f"pictures/{name}-{row}.png"
            Image.new("RGB", (12, 10), (SHADES[what] + row,) * 3).save(folder / path)
            cells = ["" if row % 7 == 6 else path, "" if row % 5 == 4 else f"a {what} square, number {row}"]
            out.writerow([*cells, *([what] if labels else []), *([name] if domain else [])])


def data(root: Path, **options: Any) -> ImageText:
    kept = {"source": "shop", "target": "street", "image_size": 8, "batch_size": 4, "augment": False, "length": 8}
    return ImageText(**kept | {"root": str(root)} | options)


def test_endings_may_be_in_capitals_and_a_domain_has_one_table(tmp_path: Path) -> None:
    write(tmp_path, "shop")
    write(tmp_path, "street")
    (tmp_path / "street.csv").rename(tmp_path / "street.CSV")
    assert len(data(tmp_path).table("street").texts) == 20
    write(tmp_path, "street")
    with pytest.raises(AdaptError, match=r"one file of 'street', found street\.CSV and street\.csv"):
        data(tmp_path)


def test_rows_become_images_texts_and_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, "shop")
    write(tmp_path, "street", labels=False)
    found = data(tmp_path)
    assert found.class_names == ["dark", "light"] and found.input_shape == (3, 8, 8)
    names = [row for split in ("train", "val", "test") for row in found.sample_names("street", split)]
    assert sorted(map(int, names)) == list(range(20))
    for at, row in enumerate(map(int, found.sample_names("shop", "train"))):
        x, y = found.domain("shop", "train")[at]
        assert y == row % 2
        assert x["present"].tolist() == [row % 7 != 6, row % 5 != 4]
        if row % 7 != 6:
            assert int(x["image"][0, 0, 0]) == SHADES[("dark", "light")[row % 2]] + row
        words = hash_words([f"a dark square, number {row}"], 8)["words"][0]
        if row % 5 != 4 and row % 2 == 0:
            assert torch.equal(x["text"]["words"][: len(words)], words)
    assert found.domain("street", "train")[0][1] is NO_LABEL


def test_one_table_may_hold_all_domains_and_parquet_is_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write(tmp_path, "shop", domain=True)
    write(tmp_path, "street", domain=True, mode="a")
    apart = data(tmp_path, file="all.csv")
    assert apart.known_domains == ["shop", "street"]
    pandas.read_csv(tmp_path / "all.csv").to_parquet(tmp_path / "all.parquet")
    again = data(tmp_path, file="all.parquet")
    for one, other in zip(apart.domain("street", "test"), again.domain("street", "test"), strict=True):
        assert torch.equal(one[0]["image"], other[0]["image"]) and one[1] == other[1]
        assert torch.equal(one[0]["present"], other[0]["present"])


def test_a_steps_texts_are_cut_to_the_longest_of_both_domains(tmp_path: Path) -> None:
    write(tmp_path, "shop")
    write(tmp_path, "street")
    found = data(tmp_path)
    found.setup("fit")
    loaders = found.train_dataloader()
    batch = Pair(next(iter(loaders.source)), next(iter(loaders.target)))
    cut = found.on_before_batch_transfer(batch, 0)
    assert {part.x["text"]["words"].shape for part in cut} == {(4, 5)}
    moved = found.on_after_batch_transfer(cut, 0)
    assert moved.source.x["image"].dtype == torch.float32 and moved.source.x["text"]["words"].dtype == torch.int32
    assert moved.source.x["present"].dtype == torch.bool


def test_new_samples_come_from_a_table_a_folder_of_images_or_python(tmp_path: Path) -> None:
    write(tmp_path, "shop")
    write(tmp_path, "street", labels=False)
    found = data(tmp_path)
    table, names = found.read_inputs(tmp_path / "street.csv")
    assert list(names) == [str(row) for row in range(20)]
    x, labels = table.__getitems__([0, 4])
    assert x["present"].tolist() == [[True, True], [True, False]] and not labels.known.any()
    pictures, called = found.read_inputs(tmp_path / "pictures")
    assert len(called) == 40 and not pictures[0][0]["present"][1]
    given = found.prepare([{"image": tmp_path / "pictures" / "street-0.png", "text": "a dark square, number 0"}])
    first = given.__getitems__([0])
    assert torch.equal(first["image"][0], table[0][0]["image"])
    assert torch.equal(first["text"]["words"][0, :5], table[0][0]["text"]["words"][:5])
    assert found.prepare([{"text": "light"}]).__getitems__([0])["present"].tolist() == [[False, True]]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"image": [str(tmp_path / "pictures" / "street-0.png"), None], "text": [None, "light"]})
    assert found.prepare(frame).__getitems__([0, 1])["present"].tolist() == [[True, False], [False, True]]
    titled = found.prepare([{"title": "a dark", "text": "square"}]).__getitems__([0])["text"]["words"]
    assert torch.equal(titled, found.prepare([{"text": "a dark\nsquare"}]).__getitems__([0])["text"]["words"])
    for wrong in ([{"text": " "}], ["a text"], [{}]):
        with pytest.raises(AdaptError, match="Expected"):
            found.prepare(wrong)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", "`image` or `text`"),
        ("image,text\n", "found no row"),
        ("image,text,label\npictures/shop-0.png,one,a\n,,b\n", "neither, the first of them row 1"),
        ("image,text,label\npictures/none.png,one,a\n", "not there, the first of them in row 0"),
        ("image,text,label\npictures/shop-0.png,one,a\n", "two classes or more"),
        ("image,text,label,split\npictures/shop-0.png,one,a,training\n", "splits"),
    ],
)
def test_odd_tables_are_named(tmp_path: Path, content: str, words: str) -> None:
    write(tmp_path, "shop")
    write(tmp_path, "street")
    (tmp_path / "shop.csv").write_text(content)
    with pytest.raises(AdaptError, match=words):
        data(tmp_path)


def test_domains_that_are_not_there_are_named(tmp_path: Path) -> None:
    write(tmp_path, "shop")
    with pytest.raises(AdaptError, match="Unknown domain 'street'"):
        data(tmp_path)
    write(tmp_path, "shop", domain=True, labels=True)
    (tmp_path / "none.csv").write_text("image,text\n,a\n")
    with pytest.raises(AdaptError, match="column `domain`"):
        data(tmp_path, file="none.csv")


def test_target_labels_change_no_weight(tmp_path: Path) -> None:
    weights = []
    for swapped in (False, True):
        write(tmp_path, "shop")
        write(tmp_path, "street")
        if swapped:
            rows = (tmp_path / "street.csv").read_text().splitlines()
            other = {"dark": "light", "light": "dark"}
            kept = [row.rpartition(",") for row in rows[1:]]
            rows[1:] = [",".join((head, other[label])) for head, _, label in kept]
            (tmp_path / "street.csv").write_text("\n".join(rows) + "\n\n")
        seed_everything(0, verbose=False)
        found = data(tmp_path)
        backbone = FusionBackbone(SmallCNN((3, 8, 8), width=4), BagOfWords(64, 8), width=8, modality_dropout=0.3)
        method = SourceOnly(problem=found.problem, backbone=backbone)
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        trainer = Trainer(max_steps=3, max_epochs=-1, accelerator="cpu", logger=False, limit_val_batches=0, **quiet)
        trainer.fit(method, datamodule=found)
        weights.append(torch.cat([p.detach().flatten() for p in method.parameters()]))
    assert torch.equal(*weights)


def test_descriptions_say_what_the_image_and_its_label_are() -> None:
    found = DescribedDigits()
    clean, misheard = found.described("clean", "test"), found.described("misheard", "test")
    told = {name: k for k, name in enumerate(NAMES)}

    def said(texts: list[str]) -> list[int | None]:
        return [next((told[w] for w in text.replace(",", "").split() if w in told), None) for text in texts]

    named = said(clean.texts)
    assert all(name in (None, int(y)) for name, y in zip(named, clean.y, strict=True))
    assert 0.35 < np.mean([name is not None for name in named]) < 0.65
    wrong = [name != int(y) for name, y in zip(said(misheard.texts), misheard.y, strict=True) if name is not None]
    assert 0.3 < np.mean(wrong) < 0.7
    clean = found.described("clean", "train")
    zeros = [text for text, y in zip(clean.texts, clean.y, strict=True) if y == 0 and "loop" in text]
    assert np.mean(["single loop" in text for text in zeros]) > 0.6


def test_domains_differ_in_what_their_names_say() -> None:
    found = DescribedDigits()
    photo, noise, silent, unseen = (
        found.described(name, "test") for name in ("photo", "misheard", "no_text", "no_image")
    )
    assert torch.equal(photo.y, noise.y) and torch.equal(silent.images, noise.images)
    assert (photo.images >= noise.images).all() and not torch.equal(photo.images, noise.images)
    assert not silent.present[:, 1].any() and silent.present[:, 0].all()
    assert not unseen.present[:, 0].any() and len(unseen.images.unique()) == 1
    source = {image.numpy().tobytes() for image in found.described("clean", "train").images}
    assert not any(image.numpy().tobytes() in source for image in noise.images)
    again = found.described("misheard", "test").texts
    assert again == noise.texts
    assert not any(word in text for word in ("thin", "strokes") for text in found.described("reworded", "test").texts)


def test_features_of_pairs_are_extracted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "shops", "shop")
    write(tmp_path / "shops", "street", labels=False)
    torch.manual_seed(0)
    encoders = SmallCNN((3, 8, 8), width=4), BagOfWords(64, 8)
    backbone, out = FusionBackbone(*encoders, width=None), str(tmp_path / "out")
    for _ in range(2):
        extract_features(backbone, out, "shops", str(tmp_path), image_size=8, length=8, batch_size=7, device="cpu")
    assert capsys.readouterr().out.count("kept") == 2
    features = Features("shop", "street", root=out, batch_size=4)
    x, y = features.domain("shop", "test")[0]
    row = int(features.sample_names("shop", "test")[0].rpartition("/")[2])
    samples = data(tmp_path, dataset="shops").whole("shop")
    alone, labels = samples.__getitems__([row])
    alone = data(tmp_path, dataset="shops").transform(alone)
    assert torch.allclose(x, backbone.eval()(alone)[0], atol=1e-5) and y == labels.y[0] == row % 2


def test_a_run_is_fitted_tested_and_labels_new_samples_by_command(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", "shop")
    write(tmp_path / "data", "street", labels=False)
    quiet = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    files = ["--data", "ImageText", "--data.root", "data", "--data.source", "shop", "--data.target", "street"]
    sizes = ["--data.image_size", "8", "--data.batch_size", "4", "--data.length", "8"]
    network = ["--model.backbone", "FusionBackbone", "--model.backbone.image", "SmallCNN"]
    network += ["--model.backbone.image.width", "4", "--model.backbone.text", "BagOfWords"]
    fit = ["fit", *files, *sizes, "--model", "SourceOnly", *network, "--trainer.max_epochs", "1", "--run_dir", "run"]
    assert main([*fit, *quiet]) == 0
    new = tmp_path / "data" / "new.csv"
    new.write_text("index,image,text\na,pictures/street-0.png,\nb,,a light square\n")
    assert main(["predict", "--config", "run/config.yaml", "--input", str(new), "--output", "labels.csv"]) == 0
    with open("labels.csv", newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    assert [row["sample"] for row in rows] == ["a", "b"] and {row["class"] for row in rows} <= set(SHADES)


def test_one_persons_samples_are_never_in_two_splits(tmp_path: Path) -> None:
    lines = [f"a {list(SHADES)[row % 2]} square,{list(SHADES)[row % 2]},{row // 4}" for row in range(40)]
    for name in ("shop", "street"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label,groups", *lines]) + "\n")
    data = ImageText("shop", "street", root=str(tmp_path), batch_size=4)
    train, val, test = (
        {int(row) // 4 for row in data.sample_names("shop", split)} for split in ("train", "val", "test")
    )
    assert not train & val and not train & test and not val & test and train | val | test == set(range(10))


def test_a_trained_run_predicts_a_table_and_the_same_rows_in_python_alike(tmp_path: Path) -> None:
    write(tmp_path, "shop")
    write(tmp_path, "street", labels=False)
    backbone = FusionBackbone(SmallCNN((3, 8, 8), width=4), BagOfWords(64, 8), width=8)
    model = adapt.fit(
        "SourceOnly", data(tmp_path), max_steps=2, backbone=backbone, run_dir=tmp_path / "run", device="cpu"
    )
    with (tmp_path / "street.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    given = [{"image": row["image"] and tmp_path / row["image"], "text": row["text"]} for row in rows]
    given = [{name: value or None for name, value in row.items()} for row in given]
    for found in (model, adapt.load(tmp_path / "run", device="cpu")):
        wanted = found.predict_proba(tmp_path / "street.csv")
        np.testing.assert_allclose(found.predict_proba(given), wanted, atol=1e-6)

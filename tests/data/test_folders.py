import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from adapt.data import ImageFolders
from adapt.data.checks import labels_of
from adapt.errors import AdaptError
from tests.data.files import write_images

CLASSES = ["bike", "mug"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path / "Real World", CLASSES, 20, "jpg")
    write_images(tmp_path / "Art" / "images", CLASSES, 15, "PNG")
    return tmp_path


def make(root: Path, **kwargs: Any) -> ImageFolders:
    return ImageFolders("Real World", "Art", **{"root": str(root), "image_size": 16, "batch_size": 4} | kwargs)


def files(dataset: Any) -> list[Path]:
    return [dataset.dataset.files[i] for i in dataset.indices] if hasattr(dataset, "indices") else list(dataset.files)


def test_domains_and_classes_are_found_on_disk(root: Path) -> None:
    data = make(root)
    assert data.known_domains == ["Art", "Real World"]
    assert (list(data.class_names), data.num_classes, data.input_shape) == (CLASSES, 2, (3, 16, 16))
    moved = root / "elsewhere" / "Office"
    moved.parent.mkdir()
    for name in ("Art", "Real World"):
        (root / name).rename((moved / name) if moved.is_dir() else (moved.mkdir() or moved / name))
    assert make(root / "elsewhere", dataset="Office").task == "Real World-Art"


def test_splits_are_disjoint_complete_and_stable(root: Path) -> None:
    parts = [files(make(root).domain("Art", split)) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [22, 2, 6]
    assert len({path for part in parts for path in part}) == 30
    assert parts == [files(make(root).domain("Art", split)) for split in ("train", "val", "test")]
    assert parts[2] != files(make(root, split_seed=1).domain("Art", "test"))


def test_transductive_target_is_whole_and_source_holds_out(root: Path) -> None:
    data = make(root, transductive=True)
    whole = [files(data.domain("Art", split)) for split in ("train", "val", "test")]
    assert [len(part) for part in whole] == [30, 30, 30]
    train, val, test = (files(data.domain("Real World", split)) for split in ("train", "val", "test"))
    assert (len(train), val) == (36, test)
    assert not set(train) & set(val)


def test_labels_are_the_folders_and_cost_no_decoding(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded an image"))
    part = make(root).domain("Art", "train")
    assert labels_of(part).y.tolist() == [CLASSES.index(path.parent.name) for path in files(part)]


def test_augmentation_differs_between_samples_and_draws_from_torch(root: Path) -> None:
    gradient = Image.linear_gradient("L").convert("RGB")
    for path in (root / "Art" / "images").rglob("*.PNG"):
        gradient.save(path)
    train = make(root).domain("Art", "train")
    torch.manual_seed(0)
    first, second = train[0][0], train[0][0]
    torch.manual_seed(0)
    assert torch.equal(first, train[0][0])
    assert not torch.equal(first, second)
    assert first.dtype == torch.uint8 and first.shape == (3, 16, 16)
    for plain in (make(root).domain("Art", "test"), make(root, augment=False).domain("Art", "train")):
        assert torch.equal(plain[0][0], plain[0][0])


def test_without_a_crop_scale_training_images_are_their_centre_or_its_mirror_image(root: Path) -> None:
    sideways = Image.linear_gradient("L").rotate(90).convert("RGB")
    for path in (root / "Art" / "images").rglob("*.PNG"):
        sideways.save(path)
    centre = make(root, augment=False).domain("Art", "train")[0][0]
    train = make(root, crop_scale=None).domain("Art", "train")
    torch.manual_seed(0)
    drawn = [train[0][0] for _ in range(20)]
    mirrored = [torch.equal(image, centre.flip(-1)) for image in drawn]
    assert all(torch.equal(image, centre) or flip for image, flip in zip(drawn, mirrored, strict=True))
    assert 0 < sum(mirrored) < 20


def test_a_pass_over_a_domain_sees_the_training_images_unaugmented(root: Path) -> None:
    data = make(root)
    plain = data.unaugmented("Art")
    assert files(plain) == files(data.domain("Art", "train"))
    assert torch.equal(plain[0][0], plain[0][0])
    assert torch.equal(plain[0][0], make(root, augment=False).domain("Art", "train")[0][0])


def test_evaluation_resizes_the_shorter_side_and_cuts_the_centre(root: Path) -> None:
    path = root / "Art" / "images" / "bike" / "0.PNG"
    image = Image.new("RGB", (60, 20), "red")
    image.paste((0, 0, 255), (20, 0, 40, 20))
    image.save(path)
    data = make(root, image_size=20, resize=20, transductive=True)
    whole = data.domain("Art", "test")
    x, y = whole[files(whole).index(path)]
    assert y == 0
    assert (x == torch.tensor([0, 0, 255])[:, None, None]).all()


def test_normalisation_is_that_of_the_arguments(root: Path) -> None:
    out = make(root, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 2.0)).transform(torch.full((1, 3, 2, 2), 255).byte())
    assert out[0, :, 0, 0].tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_broken_image_is_named_in_one_line(root: Path, num_workers: int) -> None:
    data = make(root, num_workers=num_workers, transductive=True)
    (root / "Art" / "images" / "mug" / "3.PNG").write_bytes(b"not an image")
    with pytest.raises(AdaptError) as caught:
        list(data.test_dataloader()[1])
    message = str(caught.value)
    assert message.startswith("Expected an image at") and "3.PNG" in message
    assert "\n" not in message


def test_a_truncated_image_is_named(root: Path) -> None:
    path = root / "Real World" / "mug" / "0.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    whole = ImageFolders("Art", "Real World", root=str(root), transductive=True).domain("Real World", "test")
    with pytest.raises(AdaptError, match=r"0\.jpg"):
        whole[files(whole).index(path)]


def test_different_classes_are_refused_by_name(root: Path) -> None:
    write_images(root / "Clipart", ["bike", "lamp"], 3)
    with pytest.raises(AdaptError, match=r"only 'Clipart' has lamp; only 'Art' has mug"):
        ImageFolders("Clipart", "Art", root=str(root), class_sets="closed")


def test_an_empty_class_is_refused(root: Path) -> None:
    for path in (root / "Real World" / "mug").iterdir():
        path.unlink()
    with pytest.raises(AdaptError, match="images of class 'mug'"):
        make(root).domain("Real World", "train")


def test_missing_domains_and_folders_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="Did you mean 'Art'"):
        ImageFolders("Real World", "Atr", root=str(root))
    with pytest.raises(AdaptError, match="found nothing there"):
        make(root, dataset="PACS")
    (tmp_path / "bare").mkdir()
    with pytest.raises(AdaptError, match="found none"):
        make(root, dataset="bare")


@pytest.mark.parametrize(
    "kwargs",
    [
        {"resize": 8},
        {"image_size": 0},
        {"test_fraction": 1.0},
        {"test_fraction": math.nan},
        {"crop_scale": (0.9, 0.1)},
        {"crop_scale": (math.nan, 1.0)},
        {"std": (1.0, 0.0, 1.0)},
        {"std": (1.0, math.nan, 1.0)},
        {"mean": (0.5, math.inf, 0.5)},
    ],
)
def test_arguments_out_of_range_are_refused(root: Path, kwargs: dict[str, Any]) -> None:
    with pytest.raises(AdaptError, match="Expected"):
        make(root, **kwargs)


def test_setup_and_a_pair_of_batches(root: Path) -> None:
    data = make(root, num_workers=1, shots=1)
    data.setup("fit")
    source, target, few = (next(iter(loader)) for loader in data.train_dataloader())
    assert source.x.shape == target.x.shape == (4, 3, 16, 16)
    assert sorted(few.y.tolist()) == [0, 1]


def test_images_without_classes_may_lie_one_folder_deeper(root: Path) -> None:
    write_images(root / "camera", ["images"], 9, "png")
    data = ImageFolders("Art", "camera", root=str(root), image_size=8, batch_size=4)
    assert data.target_labels("test") == (0, 2)
    assert all(name.startswith("camera/images/") for name in data.sample_names("camera", "test"))


def test_what_is_hidden_is_no_domain_class_or_sample(root: Path) -> None:
    for junk in (
        "__MACOSX/Art/bike/1.jpg",
        ".git/bike/1.jpg",
        "Art/images/.ipynb_checkpoints/1.jpg",
        "Art/.cache/1.jpg",
    ):
        (root / junk).parent.mkdir(parents=True)
        Image.new("RGB", (30, 30)).save(root / junk)
    (root / "Art" / "images" / "bike" / "._0.PNG").write_bytes(b"AppleDouble")
    (root / "Art" / "images" / "bike" / "album.jpg").mkdir()
    data = make(root, transductive=True)
    assert (data.known_domains, list(data.class_names)) == (["Art", "Real World"], CLASSES)
    assert len(files(data.domain("Art", "test"))) == 30


def test_other_files_are_named_in_one_warning_and_every_readable_ending_is_read(root: Path) -> None:
    folder = root / "Art" / "images" / "mug"
    Image.new("RGB", (30, 30)).save(folder / "a.jp2")
    Image.new("RGB", (30, 30)).save(folder / "b.jfif", format="JPEG")
    for k in range(8):
        (folder / f"note{k}.txt").write_text("no image")
    os.mkfifo(folder / "pipe.png")
    data = make(root, transductive=True)
    with pytest.warns(
        UserWarning, match=r"Left out 9 files of .*Art that are no images: .*note0\.txt.*, \.\.\.\."
    ) as seen:
        for split in ("train", "val", "test"):
            assert len(files(data.domain("Art", split))) == 32
    assert len(seen) == 1 and "\n" not in str(seen[0].message)


def test_a_class_of_other_files_alone_is_refused_and_says_which(root: Path) -> None:
    for path in (root / "Art" / "images" / "mug").iterdir():
        path.unlink()
    (root / "Art" / "images" / "mug" / "raw.cr2").write_bytes(b"raw")
    with pytest.raises(AdaptError, match=r"found none, but raw\.cr2"):
        make(root).domain("Art", "train")


def test_linked_folders_and_files_are_samples(root: Path, tmp_path: Path) -> None:
    more = tmp_path.parent / f"{tmp_path.name}-more"
    write_images(more, ["mug"], 4)
    (root / "Art" / "images" / "mug" / "more").symlink_to(more / "mug")
    (root / "Art" / "images" / "mug" / "up").symlink_to(root / "Art")
    data = make(root, transductive=True)
    _, targets = data._listing("Art")[""]
    assert targets.y.bincount().tolist() == [15, 19]


def test_class_names_may_have_spaces_signs_and_two_ways_to_write_an_accent(tmp_path: Path) -> None:
    write_images(tmp_path / "a", ["caf\u00e9", "old mug", "🚲"], 6)
    write_images(tmp_path / "b", ["cafe\u0301", "old mug", "🚲"], 6)
    data = ImageFolders("a", "b", root=str(tmp_path), image_size=8, batch_size=2)
    assert list(data.class_names) == ["caf\u00e9", "old mug", "🚲"]
    data.setup("fit")
    for name in ("a", "b"):
        paths, (targets, _) = data._listing(name)[""]
        assert [data.class_names[k][0] for k in targets.tolist()] == [path.parent.name[0] for path in paths]


def test_classes_that_differ_in_case_alone_are_refused(root: Path) -> None:
    write_images(root / "Art" / "images", ["Mug"], 3)
    with pytest.raises(AdaptError, match="'Art', found 'Mug' and 'mug'"):
        make(root)


def test_a_picture_of_one_line_of_pixels_fills_no_memory(root: Path) -> None:
    Image.new("RGB", (1, 60_000)).save(root / "Art" / "images" / "bike" / "0.PNG")
    whole = make(root, image_size=224, transductive=True).domain("Art", "test")
    with pytest.raises(AdaptError, match="pixels are a line"):
        whole[0]


ROOT = Path(os.environ.get("ADAPT_DATA", "nowhere"))


@pytest.mark.skipif(not (ROOT / "PACS").exists(), reason="needs PACS under ADAPT_DATA")
def test_real_pacs_has_its_known_counts() -> None:
    data = ImageFolders("photo", "sketch", dataset="PACS", image_size=32, transductive=True)
    counts = {"art_painting": 2048, "cartoon": 2344, "photo": 1670, "sketch": 3929}
    whole = {name: make_count(data, name) for name in data.known_domains}
    assert whole == counts and data.num_classes == 7
    assert data.domain("sketch", "test")[0][0].shape == (3, 32, 32)


def make_count(data: ImageFolders, name: str) -> int:
    other = next(n for n in data.known_domains if n != name)
    return len(ImageFolders(other, name, dataset="PACS", transductive=True, root=str(data.root)).domain(name, "test"))


@pytest.mark.parametrize("parts", [("train", "val"), ("Train", "Test"), ("train", "validation", "test"), ("training",)])
def test_splits_are_no_classes(parts: tuple[str, ...], tmp_path: Path) -> None:
    for domain in ("Real World", "Art"):
        for part in parts:
            write_images(tmp_path / domain / part, CLASSES, 3, "png")
    with pytest.raises(AdaptError, match=f"the splits {', '.join(sorted(parts))} with folders.*\n.*`train` and `test`"):
        make(tmp_path)


def test_classes_may_be_called_like_splits(tmp_path: Path) -> None:
    for domain in ("Real World", "Art"):
        write_images(tmp_path / domain, ["test", "train_", "train"], 5, "png")
        write_images(tmp_path / domain / "train", ["steam"], 2, "png")
    assert list(make(tmp_path).class_names) == ["test", "train", "train_"]

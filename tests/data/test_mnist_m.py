import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data import Digits, mnist_m
from adapt.errors import AdaptError
from tests.data.files import write_mnist, write_photos


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data"


def test_strokes_invert_the_photograph_and_the_background_is_untouched() -> None:
    # By hand: a photograph with no room to move, a faint pixel, a strong one, and one in the digit's last corner.
    photo = np.arange(32 * 32 * 3, dtype=np.int64).reshape(32, 32, 3).astype(np.uint8)
    digit = np.zeros((1, 28, 28), np.uint8)
    digit[0, 0, 0], digit[0, 3, 5], digit[0, 27, 27] = 1, 255, 40
    (image,) = mnist_m.blend(digit, [photo], seed=0)
    expected = photo.copy()
    for row, column in ((2, 2), (5, 7), (29, 29)):
        expected[row, column] = 255 - photo[row, column]
    assert image.shape == (3, 32, 32)
    np.testing.assert_array_equal(image.transpose(1, 2, 0), expected)


@pytest.mark.parametrize("gray", [False, True])
def test_every_image_is_its_digit_on_a_crop_of_some_photograph(gray: bool) -> None:
    generator = np.random.default_rng(0)
    photos = [generator.integers(0, 256, (35, 37, 3), dtype=np.uint8), np.full((32, 32, 3), 9, np.uint8)]
    digits = generator.integers(0, 256, (30, 28, 28), dtype=np.uint8) * (generator.random((30, 28, 28)) < 0.5)
    side = 28 if gray else 32
    images = mnist_m.blend(digits.astype(np.uint8), photos, seed=1, gray=gray)
    for image, digit in zip(images.transpose(0, 2, 3, 1).astype(int), digits.astype(int), strict=True):
        stroke = np.pad(digit > 0, (side - 28) // 2)[..., None]
        crops = [
            photo[i : i + side, j : j + side].astype(int)
            for photo in photos
            for i in range(len(photo) - side + 1)
            for j in range(photo.shape[1] - side + 1)
        ]
        drawn = [np.abs(c - digit[..., None]) if gray else np.where(stroke, 255 - c, c) for c in crops]
        assert any(np.array_equal(image, expected) for expected in drawn)


def test_crops_use_every_position_of_every_photo_and_a_seed_repeats_them() -> None:
    # On black digits the top left pixel names the crop.
    photo = np.zeros((34, 33, 3), np.uint8)
    photo[:3, :2] = np.arange(6).reshape(3, 2, 1) + 1
    black = np.zeros((500, 28, 28), np.uint8)
    one, two, other = (mnist_m.blend(black, [photo], seed)[:, 0, 0, 0].tolist() for seed in (0, 0, 1))
    assert set(one) == {1, 2, 3, 4, 5, 6}
    assert one == two != other


def test_a_photograph_below_the_size_of_an_image_is_refused() -> None:
    small = np.zeros((31, 40, 3), np.uint8)
    with pytest.raises(AdaptError, match="at least 32 pixels"):
        mnist_m.blend(np.zeros((1, 28, 28), np.uint8), [small], seed=0)
    assert mnist_m.blend(np.zeros((1, 28, 28), np.uint8), [small], seed=0, gray=True).shape == (1, 3, 28, 28)


@pytest.mark.parametrize("layout", ["bsds500/train", "BSR/BSDS500/data/images/train"])
def test_generated_once_beside_the_data(root: Path, layout: str) -> None:
    digits = write_mnist(root)["train"]
    photos = write_photos(root / layout)
    path = mnist_m.ensure(root)
    assert path == root / "mnist_m" / "adapt_mnist_m.npz"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    made = path.stat().st_mtime_ns
    train = mnist_m.load(root, train=True)
    assert mnist_m.ensure(root).stat().st_mtime_ns == made
    assert train.y.tolist() == [i % 10 for i in range(40)]
    np.testing.assert_array_equal(train.x.numpy(), mnist_m.blend(digits, photos, seed=0))
    path.unlink()
    assert torch.equal(mnist_m.load(root, train=True).x, train.x)


def test_a_read_only_root_is_left_alone(root: Path) -> None:
    write_mnist(root)
    write_photos(root / "bsds500/train")
    root.chmod(0o555)
    try:
        path = mnist_m.ensure(root)
        assert path.parent == root.parent / "cache" / "adapt"
        assert sorted(p.name for p in root.iterdir()) == ["MNIST", "bsds500"]
        assert len(mnist_m.load(root, train=False)) == 20
    finally:
        root.chmod(0o755)


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(p.read_bytes()[:99]), lambda p: p.write_bytes(b"")])
def test_a_corrupt_file_is_made_again(root: Path, damage: object) -> None:
    write_mnist(root)
    write_photos(root / "bsds500/train")
    path = mnist_m.ensure(root)
    damage(path)  # type: ignore[operator]
    assert len(mnist_m.load(root, train=True)) == 40


def test_other_digits_make_another_file(root: Path) -> None:
    write_mnist(root)
    write_photos(root / "bsds500/train")
    mnist_m.ensure(root)
    for file in (root / "MNIST" / "raw").iterdir():
        file.unlink()
    (root / "MNIST" / "raw").rmdir()
    write_mnist(root, train=10)
    assert len(mnist_m.load(root, train=True)) == 10


def test_what_another_recipe_made_is_not_taken_for_this_one(root: Path) -> None:
    write_mnist(root)
    write_photos(root / "bsds500/train")
    gray = mnist_m.ensure(root, "mnist_m_gray")
    assert mnist_m.load(root, train=False, domain="mnist_m_gray").x.shape == (20, 3, 28, 28)
    # Under the name of the published recipe's file, with all that it is made from or with none of it.
    own = root / "mnist_m" / "adapt_mnist_m.npz"
    gray.replace(own)
    assert mnist_m.load(root, train=False).x.shape == (20, 3, 32, 32)
    mnist_m.generate(root, own, "mnist_m_gray")
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").unlink()
    with pytest.raises(AdaptError, match="Unpack"):
        mnist_m.load(root, train=False)


def test_a_generated_file_alone_is_enough(root: Path) -> None:
    write_mnist(root)
    write_photos(root / "bsds500/train")
    made = mnist_m.load(root, train=True)
    for file in (root / "bsds500/train").iterdir():
        file.unlink()
    assert torch.equal(mnist_m.load(root, train=True).x, made.x)


def write_published(root: Path, parts: dict[str, list[int]]) -> Path:
    for part, labels in parts.items():
        folder = root / "mnist_m" / f"mnist_m_{part}"
        folder.mkdir(parents=True)
        lines = []
        for i, label in enumerate(labels):
            Image.new("RGB", (32, 32), (i, label, 200)).save(folder / f"{i:08}.png")
            lines.append(f"{i:08}.png {label}")
        (folder.parent / f"mnist_m_{part}_labels.txt").write_text("\n".join(lines) + "\n")
    return root / "mnist_m"


def test_published_images_are_read_with_their_labels(root: Path) -> None:
    write_published(root, {"train": [3, 1, 4], "test": [5, 9]})
    test = Digits("mnist", "mnist_m", root=str(root), image_size=32).domain("mnist_m", "test")
    assert test.y.tolist() == [5, 9]
    assert test.x[:, :, 0, 0].tolist() == [[0, 5, 200], [1, 9, 200]]


@pytest.mark.parametrize(
    "line", ["00000000.png", "00000000.png 10", "00000000.png -1", "00000000.png 1.5", "00000000.png 1 2", "3"]
)
def test_a_published_label_that_is_no_digit_is_named_with_its_line(root: Path, line: str) -> None:
    folder = write_published(root, {"train": [3, 1], "test": [5]})
    (folder / "mnist_m_train_labels.txt").write_text(f"00000001.png 1\n{line}\n")
    with pytest.raises(AdaptError, match=r"0 to 9.*line 2"):
        mnist_m.load(root, train=True)


def test_half_of_the_published_files_is_an_error_that_names_the_other_half(root: Path) -> None:
    folder = write_published(root, {"test": [5]})
    with pytest.raises(AdaptError, match="mnist_m_train_labels"):
        mnist_m.load(root, train=True)
    (folder / "mnist_m_test" / "00000000.png").unlink()
    with pytest.raises(AdaptError, match=r"00000000\.png"):
        mnist_m.load(root, train=False)


def test_nothing_to_make_it_from_is_an_error_with_instructions(root: Path) -> None:
    write_mnist(root)
    with pytest.raises(AdaptError, match="BSDS500"):
        mnist_m.ensure(root)


def test_a_broken_photograph_is_named(root: Path) -> None:
    write_mnist(root)
    write_photos(root / "bsds500/train")
    (root / "bsds500/train/1.jpg").write_bytes(b"not a jpeg")
    with pytest.raises(AdaptError, match=r"1\.jpg"):
        mnist_m.ensure(root)


def test_command_says_where_it_lies(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mnist(root, train=70)
    write_photos(root / "bsds500/train")
    out, picture = root / "made.npz", root / "grid.png"
    mnist_m.main(["--root", str(root), "--out", str(out), "--preview", str(picture)])
    assert str(out) in capsys.readouterr().out
    with Image.open(picture) as image, np.load(out) as file:
        assert image.size == (256, 256)
        np.testing.assert_array_equal(np.asarray(image)[32:64, :32].transpose(2, 0, 1), file["train_x"][8])
    mnist_m.main(["--root", str(root), "--out", str(out), "--domain", "mnist_m_gray"])
    with np.load(out) as file:
        assert file["train_x"].shape == (70, 3, 28, 28)


def test_command_exits_with_the_instructions(root: Path) -> None:
    with pytest.raises(SystemExit, match="Unpack"):
        mnist_m.main(["--root", str(root)])


ROOT = Path(os.environ.get("ADAPT_DATA", "nowhere"))


@pytest.mark.skipif(not (ROOT / "bsds500").exists(), reason="needs MNIST and bsds500 under ADAPT_DATA")
def test_real_mnist_m_inverts_its_strokes() -> None:
    test = Digits("mnist", "mnist_m", image_size=32).domain("mnist_m", "test")
    digits = Digits("mnist", "usps").domain("mnist", "test")
    assert test.x.shape == (10000, 3, 32, 32)
    assert torch.equal(test.y, digits.y)
    assert (test.x[:, 0] != test.x[:, 2]).float().mean() > 0.5
    # Neighbours in a photograph are alike; across the edge of a stroke one is alike to the other's negative.
    x, stroke = test.x[:500].float(), torch.nn.functional.pad(digits.x[:500], (2, 2, 2, 2)) > 0
    left, right = x[..., :-1], x[..., 1:]
    edge = (stroke[..., :-1] != stroke[..., 1:]).expand_as(left)
    assert (left - right)[~edge].abs().mean() < 12
    assert (left - (255 - right))[edge].abs().mean() < 20

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


def test_every_image_is_a_photo_crop_minus_its_digit() -> None:
    generator = np.random.default_rng(0)
    photos = [generator.integers(0, 256, (31, 33, 3), dtype=np.uint8), np.full((28, 28, 3), 9, np.uint8)]
    digits = generator.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    for image, digit in zip(mnist_m.blend(digits, photos, seed=1), digits, strict=True):
        crops = [p[i : i + 28, j : j + 28] for p in photos for i in range(len(p) - 27) for j in range(p.shape[1] - 27)]
        expected = [np.abs(crop.astype(int) - digit[..., None].astype(int)).transpose(2, 0, 1) for crop in crops]
        assert any(np.array_equal(image, e) for e in expected)


def test_crops_use_every_position_of_every_photo() -> None:
    # On black digits the top left pixel names the crop.
    photo = np.zeros((30, 29, 3), np.uint8)
    photo[:3, :2] = np.arange(6).reshape(3, 2, 1) + 1
    seen = mnist_m.blend(np.zeros((500, 28, 28), np.uint8), [photo], seed=0)[:, 0, 0, 0]
    assert set(seen.tolist()) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("layout", ["bsds500/train", "BSR/BSDS500/data/images/train"])
def test_generated_once_beside_the_data(root: Path, layout: str) -> None:
    digits = write_mnist(root)["train"]
    write_photos(root / layout)
    path = mnist_m.ensure(root)
    assert path == root / "mnist_m" / "adapt_generated.npz"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    made = path.stat().st_mtime_ns
    train = mnist_m.load(root, train=True)
    assert mnist_m.ensure(root).stat().st_mtime_ns == made
    assert train.x.shape == (40, 3, 28, 28)
    assert train.y.tolist() == [i % 10 for i in range(40)]
    # |p - d| with p in [0, 255] lies at most max(d, 255 - d) from zero.
    assert (train.x.numpy() <= np.maximum(digits, 255 - digits)[:, None]).all()
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


def test_published_images_are_read_with_their_labels(root: Path) -> None:
    for part, labels in (("train", [3, 1, 4]), ("test", [5, 9])):
        folder = root / "mnist_m" / f"mnist_m_{part}"
        folder.mkdir(parents=True)
        lines = []
        for i, label in enumerate(labels):
            Image.new("RGB", (32, 32), (i, label, 200)).save(folder / f"{i:08}.png")
            lines.append(f"{i:08}.png {label}")
        (folder.parent / f"mnist_m_{part}_labels.txt").write_text("\n".join(lines) + "\n")
    test = Digits("mnist", "mnist_m", root=str(root), image_size=32).domain("mnist_m", "test")
    assert test.y.tolist() == [5, 9]
    assert test.x[:, :, 0, 0].tolist() == [[0, 5, 200], [1, 9, 200]]
    (root / "mnist_m" / "mnist_m_train_labels.txt").write_text("00000000.png\n")
    with pytest.raises(AdaptError, match="line 1"):
        mnist_m.load(root, train=True)


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
        assert image.size == (224, 224)
        np.testing.assert_array_equal(np.asarray(image)[28:56, :28].transpose(2, 0, 1), file["train_x"][8])


def test_command_exits_with_the_instructions(root: Path) -> None:
    with pytest.raises(SystemExit, match="Unpack"):
        mnist_m.main(["--root", str(root)])


ROOT = Path(os.environ.get("ADAPT_DATA", "nowhere"))


@pytest.mark.skipif(not (ROOT / "bsds500").exists(), reason="needs MNIST and bsds500 under ADAPT_DATA")
def test_real_mnist_m_is_colourful_and_complete() -> None:
    test = Digits("mnist", "mnist_m").domain("mnist_m", "test")
    assert test.x.shape == (10000, 3, 28, 28)
    assert 60 < test.x.float().mean() < 160
    assert (test.x[:, 0] != test.x[:, 2]).float().mean() > 0.5

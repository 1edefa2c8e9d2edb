"""Tiny files in the layouts of torchvision and of the data sets' authors."""

import bz2
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


def write_mnist(root: Path, train: int = 40, test: int = 20) -> dict[str, np.ndarray]:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    written = {}
    for seed, (prefix, size) in enumerate((("train", train), ("t10k", test))):
        images = np.random.default_rng(seed).integers(0, 256, (size, 28, 28), dtype=np.uint8)
        labels = np.arange(size, dtype=np.uint8) % 10
        header = b"".join(n.to_bytes(4, "big") for n in (0x803, size, 28, 28))
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = b"".join(n.to_bytes(4, "big") for n in (0x801, size))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
        written[prefix] = images
    return written


def write_usps(root: Path, train: int = 30, test: int = 20) -> None:
    for name, size in (("usps.bz2", train), ("usps.t.bz2", test)):
        pixels = np.random.default_rng(size).uniform(-1, 1, (size, 256))
        lines = [f"{i % 10 + 1} " + " ".join(f"{k + 1}:{v:.4f}" for k, v in enumerate(p)) for i, p in enumerate(pixels)]
        (root / name).write_bytes(bz2.compress("\n".join(lines).encode()))


def write_mat(path: Path, size: int, zero: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(size).integers(0, 256, (32, 32, 3, size), dtype=np.uint8)
    labels = np.arange(size) % 10
    savemat(path, {"X": images, "y": np.where(labels == 0, zero, labels)[:, None].astype(np.uint8)})
    return images, labels


def write_photos(folder: Path, count: int = 3) -> list[np.ndarray]:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(7)
    for k in range(count):
        pixels = generator.integers(0, 256, (40 + 5 * k, 60 - 5 * k, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.jpg")
    return [np.asarray(Image.open(folder / f"{k}.jpg")) for k in range(count)]


def write_features(
    path: Path, size: int, width: int = 6, classes: Sequence[str] = ("bike", "mug"), seed: int = 0
) -> None:
    """Random features whose last one never fires, with labels in the order of class folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    features = np.random.default_rng(seed).normal(seed, 1 + seed, (size, width)).astype(np.float32)
    features[:, -1] = 0
    labels = np.arange(size) * len(classes) // size
    names = np.array([f"{i}.png" for i in range(size)])
    np.savez(
        path, features=features, labels=labels, class_names=np.array(classes), files=names, settings=np.array("{}")
    )


def write_images(folder: Path, classes: list[str], per_class: int, extension: str = "png", side: int = 24) -> None:
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            Image.new("RGB", (side + 6, side), (20 * k, i, 100)).save(folder / name / f"{i}.{extension}")

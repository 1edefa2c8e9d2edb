"""`adapt features`: run a frozen backbone once over all images or texts of all domains, to train on features."""

import contextlib
import hashlib
import inspect
import json
import os
import re
from argparse import ArgumentError
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentParser
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from torch.utils.data import DataLoader

from adapt.backbones import Backbone, FusionBackbone, TransformerBackbone
from adapt.data.array_files import is_of
from adapt.data.features import FeatureFile, read_features
from adapt.data.folders import ImageDomain, ImageFolders, image_domains
from adapt.data.image_text import ImageText
from adapt.data.store import beginnings
from adapt.data.texts import TABLES, Texts, Trimmed, read_table, read_texts, table_of, text_domains
from adapt.data.views import fetch
from adapt.errors import AdaptError
from adapt.paths import data_root
from adapt.training.explain import explain
from adapt.training.trust import check_named, check_typed_configs, restrict_parser
from adapt.trees import tree_map

# Version of the decoding in `adapt.data.images`: other versions may have rotated or washed-out pictures.
_READING = 2
# Bitmaps that are rewritten keep their size.
_CONTENTS = "contents"


def features_command(argv: Sequence[str]) -> int:
    """Run `adapt features`.

    Args:
        argv: Arguments after the command.

    Returns:
        0.

    Raises:
        AdaptError: As for `extract_features`.
    """
    restrict_parser()
    check_typed_configs(argv)
    bases: dict[str, type] = {"backbone": Backbone}
    parser = ArgumentParser(
        prog="adapt features",
        exit_on_error=False,
        allow_abbrev=False,
        description="Write a frozen backbone's features, one file per domain.",
    )
    parser.add_argument("--config", action="config", help="a file with these options")
    parser.add_function_arguments(extract_features)
    # A backbone without weights has random features; make them the same every time.
    torch.manual_seed(0)
    # This name is deprecated, but the oldest allowed version has no other.
    build = getattr(parser, "instantiate", None) or parser.instantiate_classes
    try:
        parsed = parser.parse_args(list(argv))
    except ArgumentError as error:
        raise AdaptError(explain(error, bases, argv, inspect.signature(extract_features).parameters)) from error
    check_named(parsed, bases)
    options = build(parsed)
    extract_features(**{name: value for name, value in options.items() if name != "config"})
    return 0


def extract_features(
    backbone: Backbone,
    out: str,
    dataset: str = "",
    root: str | None = None,
    image_size: int = 224,
    resize: int | None = None,
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
    std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    batch_size: int = 64,
    num_workers: int = 0,
    device: str = "auto",
    length: int = 128,
) -> list[Path]:
    """Write `<out>/<domain>.npz` for every domain of an image folder; of texts, or of both, as the backbone reads.

    Each file is written completely or not at all. An existing file with the same images (their names, their sizes, and
    what begins up to 256 of them), backbone and weights is kept, so an interrupted extraction continues. Images are
    cropped as in evaluation. All images are included; training splits them (`adapt.data.Features`).

    Args:
        backbone: The network, in evaluation mode; with a `TransformerBackbone` the domains are texts, see
            `adapt.data.Texts`; with a `FusionBackbone` images and texts, see `adapt.data.ImageText`.
        out: Folder of the files; `Features` finds it as `--data.root`.
        dataset: Folder below the root that holds the domains as `<domain>/<class>/<image>`, or as `<domain>.csv`.
        root: Folder of the data; the environment variable `ADAPT_DATA` when None.
        image_size: Side of the square images, in pixels.
        resize: Length of the shorter side before the centre crop; `image_size` / 0.875 by default.
        mean: Mean per channel of images in [0, 1], to subtract; ImageNet's by default.
        std: Standard deviation per channel, to divide by; ImageNet's by default.
        batch_size: Images per batch; the features do not depend on it.
        num_workers: Processes that decode images.
        device: PyTorch's name of a device; `auto` is CUDA if available.
        length: Largest number of tokens of a text.

    Returns:
        The files.

    Raises:
        AdaptError: There are no images or texts, or an existing file has other settings.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        backbone = backbone.to(chosen).eval()
    except (RuntimeError, AssertionError) as error:  # AssertionError if torch was built without CUDA
        reason = str(error).partition("\n")[0]
        raise AdaptError(f"Expected an available device, found {device!r} ({reason}).") from error
    if isinstance(backbone, FusionBackbone):
        how: dict[str, Any] = {"image_size": image_size, "resize": resize, "length": length}
        how |= {"mean": tuple(mean), "std": tuple(std)}
        return _of_pairs(backbone, Path(out), dataset, root, how, batch_size, chosen)
    if isinstance(backbone, TransformerBackbone):
        return _of_texts(backbone, Path(out), dataset, root, length, batch_size, chosen)
    dtype = next(backbone.parameters(), torch.empty(0)).dtype
    cut: dict[str, Any] = {"image_size": image_size, "resize": resize, "mean": tuple(mean), "std": tuple(std)}
    cut |= {"batch_size": batch_size, "num_workers": num_workers}
    data = _images(dataset, root, cut)
    settings = {
        "image_size": data.image_size,
        "resize": data.resize,
        "mean": list(data.mean),
        "std": list(data.std),
        "backbone": type(backbone).__name__,
        "weights": _digest_of_network(backbone),
        "reading": _READING,
    }
    paths, todo = [], []
    for name in data.known_domains:
        images = data.domain(name, "test")
        assert isinstance(images, ImageDomain)  # not split, because `transductive` keeps the target whole
        folder = data.root / dataset / name
        files = [str(path.relative_to(folder)) for path in images.files]
        wanted = settings | {"images": _digest_of_images(folder, files), _CONTENTS: _digest_of_contents(images.files)}
        path = Path(out, f"{name}.npz")
        paths.append(path)
        if _is_there(path, wanted):
            print(f"{path}: kept")
        else:
            todo.append((path, images, files, wanted))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for path, images, files, wanted in todo:
            loader = DataLoader(images, batch_size, num_workers=num_workers, collate_fn=_stacked)
            task = progress.add_task(path.stem, total=len(images))
            found = []
            for x in loader:
                with torch.inference_mode():
                    found.append(backbone(data.transform(x.to(chosen)).to(dtype)).float().cpu())
                progress.advance(task, len(x))
            features = torch.cat(found).numpy()
            labels = images.targets.y.numpy() if images.targets.known.all() else None
            names, described = np.array(data.class_names), np.array(json.dumps(wanted, sort_keys=True))
            write_features(path, FeatureFile(features, labels, names, np.array(files), described))
            print(f"{path}: {features.shape[0]} images, {features.shape[1]} features")
    return paths


def _of_texts(
    backbone: TransformerBackbone, out: Path, dataset: str, root: str | None, length: int, batch_size: int, device: str
) -> list[Path]:
    folder = _folder_of(dataset, root, "texts", "<domain>.csv")
    names = text_domains(folder)
    if len(names) < 2:
        raise AdaptError(f"Expected two or more domains in {folder}, found {', '.join(names) or 'none'}.")
    # A domain without labels is the target of this pair, which is made to check that the classes agree.
    names.sort(key=lambda name: any(read_texts(table_of(folder, name)).labels))
    data = Texts(names[1:], names[0], tokenizer=backbone.path, folder=dataset, root=root, length=length)
    settings = {"backbone": type(backbone).__name__, "pooling": backbone.pooling, "length": length}
    settings["weights"] = _digest_of_network(backbone)
    paths = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name in names:
            texts, path = data.encoded(name), out / f"{name}.npz"
            if texts.labelled.any() and not texts.labelled.all():
                raise AdaptError(f"Expected a label for every text of {name!r} or for none, found some: label or drop.")
            labels = texts.y.numpy() if texts.labelled.any() else None
            wanted = settings | {"texts": _digest("\0".join(data.table(name).texts).encode("utf-8", "surrogatepass"))}
            paths.append(path)
            if _is_there(path, wanted):
                print(f"{path}: kept")
                continue
            task = progress.add_task(name, total=len(texts))
            # Sorted by length, so that a batch has little padding.
            order = texts.x["mask"].sum(1).argsort(descending=True, stable=True)
            features = torch.empty(len(texts), backbone.num_features)
            for at in order.split(batch_size):
                x = Trimmed(texts.x, None).__getitems__(at.tolist())[0]
                with torch.inference_mode():
                    features[at] = backbone({key: part.to(device) for key, part in x.items()}).float().cpu()
                progress.advance(task, len(at))
            files = np.array(data.table(name).names)
            described = np.array(json.dumps(wanted, sort_keys=True))
            classes = np.array(data.class_names)
            write_features(path, FeatureFile(features.numpy(), labels, classes, files, described))
            print(f"{path}: {features.shape[0]} texts, {features.shape[1]} features")
    return paths


def _of_pairs(
    backbone: FusionBackbone, out: Path, dataset: str, root: str | None, cut: dict[str, Any], size: int, device: str
) -> list[Path]:
    folder = _folder_of(dataset, root, "tables of images and texts", "<domain>.csv")
    names = sorted(path.stem for path in folder.iterdir() if is_of(path, TABLES) and path.name[0] not in "._")
    if len(names) < 2:
        raise AdaptError(f"Expected two or more tables in {folder}, found {', '.join(names) or 'none'}.")
    tokenizer = getattr(backbone.text, "path", None)
    options: dict[str, Any] = {
        "dataset": dataset,
        "root": root,
        "tokenizer": tokenizer,
        "augment": False,
        "store": "none",
    } | cut
    # Those without labels last: one of them is the target of this pair, which is made to check that the classes agree.
    labelled = {name: any(read_table(table_of(folder, name)).get("label", [])) for name in names}
    names.sort(key=lambda name: labelled[name])
    data = ImageText(names[1:], names[0], **options)
    settings = {"backbone": type(backbone).__name__, "weights": _digest_of_network(backbone), "reading": _READING}
    settings |= {name: list(value) if isinstance(value, tuple) else value for name, value in cut.items()}
    paths = []
    for name in names:
        samples, table, path = data.whole(name), data.table(name), out / f"{name}.npz"
        files = ["" if file is None else str(file) for file in table.images]
        sizes = [0 if file is None else file.stat().st_size for file in table.images]
        wanted = settings | {"samples": _digest(json.dumps([files, sizes, table.texts]).encode())}
        wanted[_CONTENTS] = _digest_of_contents([file for file in table.images if file is not None])
        paths.append(path)
        known = samples.targets.known
        if known.any() and not known.all():
            raise AdaptError(f"Expected a label for every sample of {name!r} or for none, found some: label or drop.")
        if _is_there(path, wanted):
            print(f"{path}: kept")
            continue
        found = []
        for at in range(0, len(samples), size):
            x, _ = fetch(samples, list(range(at, min(at + size, len(samples)))))
            x = data.transform(tree_map(lambda leaf: leaf.to(device), x))
            with torch.inference_mode():
                found.append(backbone(x).float().cpu())
        features, labels = torch.cat(found).numpy(), samples.targets.y.numpy() if known.all() else None
        described, classes = np.array(json.dumps(wanted, sort_keys=True)), np.array(data.class_names)
        write_features(path, FeatureFile(features, labels, classes, np.array(table.names), described))
        print(f"{path}: {features.shape[0]} samples, {features.shape[1]} features")
    return paths


def _stacked(samples: Sequence[tuple[Tensor, Any]]) -> Tensor:
    return torch.stack([x for x, _ in samples])


def write_features(path: Path, content: FeatureFile) -> None:
    """Write one domain's file completely or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            np.savez(file, **{name: value for name, value in content._asdict().items() if value is not None})
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise AdaptError(f"Expected to write features to {path}, but could not ({error.strerror}).") from error
    finally:
        with contextlib.suppress(OSError):  # if the folder could not be made
            draft.unlink(missing_ok=True)


def _folder_of(dataset: str, root: str | None, what: str, layout: str) -> Path:
    folder = data_root(root) / dataset
    if not folder.is_dir():
        raise AdaptError(
            f"Expected {what} at {folder} as {layout}, found no folder there. "
            "The root is --root, or the environment variable ADAPT_DATA; --dataset is below it."
        )
    return folder


def _images(dataset: str, root: str | None, cut: dict[str, Any]) -> "WholeDomains":
    folder = _folder_of(dataset, root, "images", "<domain>/<class>/<image>")
    names = image_domains(folder)
    if len(names) < 2:
        raise AdaptError(f"Expected two or more domains in {folder}, found only {names[0]!r}.")
    return WholeDomains(names[1:], names[0], dataset=dataset, root=root, transductive=True, augment=False, **cut)


class WholeDomains(ImageFolders):
    """All images of all domains, as in evaluation; in pairs, to check that all have the same classes."""

    def _check_sources(self) -> None:
        """None is trained on: any of them may be without labels."""

    def holdout(self, dataset: Any, split: str) -> Any:
        """The whole domain."""
        return dataset


def _is_there(path: Path, wanted: dict[str, Any]) -> bool:
    if not path.exists():
        return False
    try:
        there = dict(json.loads(str(read_features(path).settings)))
    except (ValueError, TypeError) as error:
        raise AdaptError(f"{path} holds features that `adapt features` did not write.\nGive another --out.") from error
    # Files of earlier versions say nothing of the contents.
    compared = {name: value for name, value in wanted.items() if name in there or name != _CONTENTS}
    differ = [f"{name} {there.get(name)}" for name, value in compared.items() if there.get(name) != value]
    if differ:
        shown = ", ".join(part[:60] for part in differ)
        asked = ", ".join(f"{name} {value}"[:60] for name, value in compared.items() if there.get(name) != value)
        raise AdaptError(f"{path} holds features with {shown}; expected {asked}.\nGive another --out, or remove it.")
    return True


def _digest_of_images(folder: Path, files: Sequence[str]) -> str:
    # Names and sizes; of the contents a part, below: reading every image would take too long.
    return _digest("\n".join(f"{name}:{(folder / name).stat().st_size}" for name in files).encode())


def _digest_of_contents(files: Sequence[Path]) -> str:
    return _digest(b"".join(beginnings(files)))


def _digest_of_network(backbone: Backbone) -> str:
    # The printed network shows what the weights do not, such as strides; memory addresses are removed.
    parts = [re.sub(r" at 0x[0-9a-f]+", "", repr(backbone)).encode()]
    for name, value in backbone.state_dict().items():
        parts += [name.encode(), value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()]
    return _digest(b"\0".join(parts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

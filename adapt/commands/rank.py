"""`adapt rank`: which pretrained network to take, before any training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from adapt.benchmark.outputs.terminal import say
from adapt.benchmark.results.metrics import csv_text
from adapt.commands.options import rank_options
from adapt.data.array_files import as_texts, described, load_arrays
from adapt.errors import AdaptError
from adapt.files import refuse_taken, write_atomically
from adapt.transferability import RANKINGS, rank_features

_TABLE_START = b"features,"


class _Found(NamedTuple):
    features: Tensor
    y: Tensor
    logits: Tensor | None
    files: tuple[str, ...]
    unlabelled: int


def rank_command(argv: list[str]) -> int:
    """Score each network's features of the labelled source, and print the networks, the best one first.

    Args:
        argv: Arguments after `adapt rank`.

    Returns:
        0.

    Raises:
        AdaptError: A file is not there, has no labels, or is of other samples than the first one.
    """
    given = rank_options().parse_args(argv)
    if given.by not in RANKINGS:
        raise AdaptError(f"Expected --by out of {', '.join(RANKINGS)}, found {given.by!r}.")
    if given.samples < 2:
        raise AdaptError(f"Expected --samples of at least 2, found {given.samples}.")
    if given.out is not None:
        refuse_taken(given.out, "--out", [], _TABLE_START, "table of scores")
    found = {str(folder): _read(folder, given.source) for folder in given.folders}
    first, *others = found
    for name in others:
        _check_same(found[first], found[name], first, name)
    ranked = rank_features(
        {name: each.features for name, each in found.items()},
        found[first].y,
        given.by,
        {name: each.logits for name, each in found.items() if each.logits is not None},
        given.samples,
        given.seed,
    )
    shown = [key for key in RANKINGS if any(key in scores for scores in ranked.values())]
    console = Console(width=200)
    console.print(_table(ranked, shown, given.by, {name: each.features.shape[1] for name, each in found.items()}))
    count, left = min(given.samples, len(found[first].y)), found[first].unlabelled
    say(
        console,
        f"By {RANKINGS[given.by].words} on {count} labelled samples of {given.source}: {next(iter(ranked))} first. "
        "Higher is better; a score compares networks on these labels, and knows nothing of the target."
        + (f" {left} samples without a label are left out." if left else ""),
    )
    if given.out is not None:
        rows = [[name, *(scores.get(key) for key in shown)] for name, scores in ranked.items()]
        write_atomically(given.out, csv_text(["features", *shown], rows))
        say(console, f"scores: {given.out}")
    return 0


def _table(ranked: dict[str, dict[str, float]], shown: Sequence[str], by: str, widths: dict[str, int]) -> Table:
    table = Table()
    table.add_column("features", overflow="fold")
    table.add_column("width", justify="right")
    for key in shown:
        table.add_column(RANKINGS[key].words, justify="right", style="bold" if key == by else None)
    for name, scores in ranked.items():
        table.add_row(name, str(widths[name]), *(f"{scores[key]:.4f}" if key in scores else "–" for key in shown))
    return table


def _read(folder: Path, source: str) -> _Found:
    path = folder / f"{source}.npz"
    if not path.is_file():
        there = sorted(file.stem for file in folder.glob("[!.]*.npz"))
        raise AdaptError(
            f"Expected features of {source!r} at {path}, found {', '.join(there) or 'no .npz files'} there. "
            "`adapt features` writes them, with one --out for each network."
        )
    arrays = load_arrays(path)
    x, y = (arrays.get(old, arrays.get(new)) for old, new in (("features", "x"), ("labels", "y")))
    if x is None or y is None or x.ndim != 2 or y.shape != x.shape[:1] or x.dtype.kind not in "fiub":
        raise AdaptError(
            f"Expected features (N, d) and labels (N,) in {path}, found {described(arrays)}. The source needs labels."
        )
    logits = arrays.get("logits")
    if logits is not None and (logits.ndim != 2 or len(logits) != len(x) or logits.dtype.kind not in "fiub"):
        raise AdaptError(f"Expected logits ({len(x)}, Z) in {path}, found {logits.dtype} {logits.shape}.")
    known = _known(y, path)
    files = arrays.get("files", arrays.get("index", np.array(())))
    return _Found(
        torch.from_numpy(x[known].astype(np.float64)),
        torch.from_numpy(np.unique(y[known], return_inverse=True)[1].reshape(-1)),
        None if logits is None else torch.from_numpy(logits[known].astype(np.float64)),
        tuple(map(str, files[known] if len(files) == len(known) else files)),
        int((~known).sum()),
    )


def _known(y: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Which samples have a class `(N,)`; NaN, an empty text and −1 are none."""
    if y.dtype.kind == "f":
        odd = y[~np.isnan(y) & ((y != np.round(y)) | np.isinf(y))]
        if len(odd):
            raise AdaptError(
                f"Expected classes as labels in {path}, found numbers such as {odd[0]:g}. The scores say how well "
                "features tell classes, and nothing of numbers."
            )
    if y.dtype.kind in "fi":
        # −1 beside 1 alone is one of two classes.
        marked = (y == -1) & (not np.isin(y, (-1, 1)).all())
        known: NDArray[np.bool_] = ~(np.isnan(y) | marked)
        return known
    named: NDArray[np.bool_] = np.char.strip(as_texts(y)) != ""
    return named


def _check_same(one: _Found, other: _Found, first: str, name: str) -> None:
    if one.files != other.files or not torch.equal(one.y, other.y):
        raise AdaptError(
            f"Expected the same samples and labels in {first} and {name}, found {len(one.y)} and {len(other.y)}, of "
            "which not all are the same. Run `adapt features` on the same images with both networks."
        )

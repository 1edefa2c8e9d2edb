"""Does `adapt rank` choose the backbone that adapts best? PACS, backbones with and without ImageNet weights.

ADAPT_DATA=DATA python benchmarks/rank/run.py --weights DATA/weights --work /tmp/rank [--per_class 30] [--seeds 0]
Features are made in the work folder by `adapt features`, and ranked by `adapt rank`, in this one process; features and
rows that are there already are kept. scores.csv has a row for each backbone and pair; README.md's tables are printed.
"""

import argparse
import csv
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import yaml
from lightning.pytorch import Trainer, seed_everything
from scipy.stats import kendalltau, spearmanr

from adapt.backbones import Identity
from adapt.backbones.weights import load_checkpoint
from adapt.cli import main as main_command
from adapt.commands.features import WholeDomains
from adapt.data import Features
from adapt.data.views import fetch
from adapt.methods import MMD, Method, SourceOnly
from adapt.transferability import RANKINGS

HERE = Path(__file__).parent
DOMAINS = ("photo", "art_painting", "cartoon", "sketch")
PAIRS = (("photo", "art_painting"), ("art_painting", "cartoon"), ("cartoon", "sketch"), ("sketch", "photo"))
METHODS: tuple[type[Method], ...] = (SourceOnly, MMD)
QUIET: dict[str, Any] = {
    **{"max_epochs": -1, "accelerator": "cpu", "logger": False, "limit_val_batches": 0, "num_sanity_val_steps": 0},
    **{"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False},
}
TIMM = {"mean": [0.498, 0.498, 0.498], "std": [0.502, 0.502, 0.502]}
LITE0 = {"class_path": "TimmBackbone", "init_args": {"name": "tf_efficientnet_lite0"}}
SQUEEZE = {"class_path": "TorchvisionBackbone", "init_args": {"name": "squeezenet1_1"}}
WEIGHTS = {"lite0": "tf_efficientnet_lite0.pth", "squeezenet": "squeezenet1_1.pth"}
BACKBONES: dict[str, dict] = {
    "lite0-96": {"image_size": 96, "resize": 96, "backbone": LITE0, **TIMM},
    "lite0-64": {"image_size": 64, "resize": 64, "backbone": LITE0, **TIMM},
    "squeezenet-96": {"image_size": 96, "resize": 96, "backbone": SQUEEZE},
    "squeezenet-64": {"image_size": 64, "resize": 64, "backbone": SQUEEZE},
    "random-lite0-64": {"image_size": 64, "resize": 64, "backbone": LITE0, **TIMM},
    "random-squeezenet-64": {"image_size": 64, "resize": 64, "backbone": SQUEEZE},
    "random-SmallCNN-32": {"image_size": 32, "resize": 32, "backbone": {"class_path": "SmallCNN"}},
    "random-LeNet-32": {
        "image_size": 32,
        "resize": 32,
        "backbone": {"class_path": "LeNet", "init_args": {"input_shape": [3, 32, 32]}},
    },
}
"""By name: the options of `adapt features`. Each is frozen; `random` ones never saw an image."""


def adapt(*words: object) -> None:
    """Run the command, as a person would."""
    if main_command([str(word) for word in words]) != 0:
        raise SystemExit(f"adapt {words[0]} failed.")


def link_images(pacs: Path, out: Path, per_class: int) -> None:
    """The same number of images of every class and domain, evenly over the names, as links."""
    for domain in DOMAINS:
        for folder in sorted(path for path in (pacs / domain).iterdir() if path.is_dir()):
            files = sorted(folder.iterdir())
            chosen = np.unique(np.linspace(0, len(files) - 1, min(per_class, len(files))).astype(int))
            place = out / domain / folder.name
            place.mkdir(parents=True, exist_ok=True)
            for k in chosen:
                if not (place / files[k].name).is_symlink():
                    (place / files[k].name).symlink_to(files[k].resolve())


def weights_of(name: str, folder: Path) -> Path | None:
    """The file of a backbone's weights; None of one that starts at random."""
    return next((folder / file for start, file in WEIGHTS.items() if name.startswith(start)), None)


def extract(name: str, work: Path, weights: Path) -> None:
    """`adapt features` for one backbone."""
    options = {"root": str(work / "images"), "dataset": "", "batch_size": 32} | BACKBONES[name]
    file = weights_of(name, weights)
    if file is not None:
        own = options["backbone"]
        options["backbone"] = own | {"init_args": own["init_args"] | {"checkpoint": str(file.resolve())}}
    config = work / f"{name}.yaml"
    config.write_text(yaml.safe_dump(options, sort_keys=False))
    adapt("features", "--config", config, "--out", work / "features" / name)


@torch.no_grad()
def add_logits(name: str, work: Path, weights: Path) -> None:
    """What the pretrained classifier says, which `adapt features` drops, beside the features: for LEEP and NCE."""
    file = weights_of(name, weights)
    if file is None:
        return
    state = torch.load(file, map_location="cpu", weights_only=True)
    for domain in DOMAINS:
        path = work / "features" / name / f"{domain}.npz"
        with np.load(path) as arrays:
            kept = dict(arrays)
        if "logits" in kept:
            continue
        if name.startswith("lite0"):
            x = torch.from_numpy(kept["features"])
            logits = x @ state["classifier.weight"].float().T + state["classifier.bias"].float()
        else:
            logits = squeezenet_logits(BACKBONES[name], file, work / "images", domain)
        assert len(logits) == len(kept["features"])
        np.savez(path, **kept, logits=logits.numpy().astype(np.float32))


def squeezenet_logits(options: dict, file: Path, root: Path, domain: str) -> torch.Tensor:
    """Its classifier averages after its last ReLU, so that the averaged features do not tell its logits."""
    import torchvision

    network = torchvision.models.squeezenet1_1()
    load_checkpoint(network, str(file), [])
    network.eval()
    sizes = {"image_size": options["image_size"], "resize": options["resize"]}
    data = WholeDomains(
        list(DOMAINS[1:]), DOMAINS[0], dataset="", root=str(root), transductive=True, augment=False, **sizes
    )
    images = data.domain(domain, "test")
    found = []
    for at in torch.arange(len(images)).split(32):
        x, _ = fetch(images, at.tolist())
        found.append(network(data.transform(x)))
    return torch.cat(found)


def rank(work: Path) -> dict[tuple[str, str], dict[str, float]]:
    """`adapt rank` on each source: scores by backbone and source."""
    found = {}
    for source, _ in PAIRS:
        out = work / f"rank-{source}.csv"
        folders = [work / "features" / name for name in BACKBONES]
        adapt("rank", *folders, "--source", source, "--out", out)
        with out.open(newline="") as file:
            for row in csv.DictReader(file):
                name = Path(row.pop("features")).name
                found[name, source] = {key: float(value) for key, value in row.items() if value}
    return found


def target_accuracy(cls: type[Method], name: str, pair: tuple[str, str], work: Path, seed: int, steps: int) -> float:
    """Accuracy on the whole target, in %, after a short training of bottleneck and classifier on frozen features."""
    seed_everything(seed, verbose=False)
    source, target = pair
    data = Features(source, target, root=str(work), folder=f"features/{name}", transductive=True, batch_size=64)
    method = cls(
        problem=data.problem,
        backbone=Identity((len(data.domain(source, "train")[0][0]),)),
        bottleneck=256,
        optimizer=partial(torch.optim.Adam, lr=1e-3),
    )
    trainer = Trainer(max_steps=steps, **QUIET)
    trainer.fit(method, datamodule=data)
    results = trainer.test(method, datamodule=data, verbose=False)
    return 100 * next(r["test/target_accuracy"] for r in results if "test/target_accuracy" in r)


def correlations(rows: list[dict[str, str]]) -> Iterator[list[str]]:
    """Of each score and method: how many backbones, rank correlations as mean and range over pairs, and points lost."""
    for group, wanted in (("all", ""), ("pretrained", "random")):
        for key, ranking in RANKINGS.items():
            if ranking.reads_logits and not wanted:
                continue  # random networks have no classifier: all that have one are the pretrained ones
            for method in (cls.__name__ for cls in METHODS):
                taus, rhos, picked, sizes = [], [], [], set()
                for source, target in sorted({(row["source"], row["target"]) for row in rows}):
                    of_pair = [
                        row
                        for row in rows
                        if (row["source"], row["target"]) == (source, target)
                        and row[key]
                        and not (wanted and row["backbone"].startswith(wanted))
                    ]
                    score = [float(row[key]) for row in of_pair]
                    accuracy = [float(row[method]) for row in of_pair]
                    sizes.add(len(of_pair))
                    taus.append(kendalltau(score, accuracy).statistic)
                    rhos.append(spearmanr(score, accuracy).statistic)
                    picked.append(max(accuracy) - accuracy[int(np.argmax(score))])
                size = "/".join(map(str, sorted(sizes)))
                yield [
                    *(group, ranking.words, method, size),
                    *(f"{mean(v):.2f} [{min(v):.2f}, {max(v):.2f}]" for v in (taus, rhos)),
                    f"{mean(picked):.1f}",
                ]


def read_rows(path: Path) -> list[dict[str, str]]:
    """What was written before."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, row: list[str], mode: str) -> None:
    """One more row."""
    with path.open(mode, newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)


def main() -> None:
    """Features, scores, trainings, tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of tf_efficientnet_lite0.pth and others")
    parser.add_argument("--work", type=Path, required=True, help="folder of everything that is made on the way")
    parser.add_argument("--per_class", type=int, default=30, help="images of each class and domain (default: 30)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=100, help="of each training (default: 100)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = given.work.resolve()
    link_images(Path(os.environ["ADAPT_DATA"]) / "PACS", work / "images", given.per_class)
    for name in BACKBONES:
        extract(name, work, given.weights)
        add_logits(name, work, given.weights)
    scores = rank(work)
    columns = ["backbone", "source", "target", *RANKINGS, *(cls.__name__ for cls in METHODS)]
    path = HERE / "scores.csv"
    known = {(row["backbone"], row["source"], row["target"]) for row in read_rows(path)} if path.exists() else set()
    if not known:
        append(path, columns, "w")
    for pair in PAIRS:
        for name in BACKBONES:
            if (name, *pair) in known:
                continue
            own = scores[name, pair[0]]
            found = [
                mean(target_accuracy(cls, name, pair, work, seed, given.steps) for seed in given.seeds)
                for cls in METHODS
            ]
            row = [name, *pair, *(f"{own[key]:.4f}" if key in own else "" for key in RANKINGS)]
            append(path, [*row, *(f"{value:.2f}" for value in found)], "a")
            print(*row, *found, flush=True)
    rows = read_rows(path)
    print("| backbones | score | accuracy of | n | Kendall τ | Spearman ρ | lost by the pick |")
    print("|---|---|---|--:|--:|--:|--:|")
    for line in correlations(rows):
        print(f"| {' | '.join(line)} |")
    named = [cls.__name__ for cls in METHODS]
    print("\n| backbone | " + " | ".join([r.words for r in RANKINGS.values()] + named) + " |")
    for name in BACKBONES:
        own_rows = [row for row in rows if row["backbone"] == name]
        cells = []
        for key in (*RANKINGS, *named):
            values = [float(row[key]) for row in own_rows if row[key]]
            cells.append(f"{mean(values):.2f}" if values else "–")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

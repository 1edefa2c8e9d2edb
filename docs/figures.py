"""A picture of each method beside source-only: `python docs/figures.py [NAME ...]`, half a minute each on one core.

On two moons, the target turned by 35 degrees: the shading is the predicted class, dots are the target's test samples,
coloured by their true class. Methods that need images, or domains with different classes, are shown on digits: the test
features of both domains in the plane. Left: source-only. Right: the method as its shipped configuration has it, with
the task's network.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from make import FIGURES, ON_DIGITS, ROOT, configs_of
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from adapt import overview
from adapt.analysis.embedding import draw_by_class
from adapt.methods import Method
from adapt.training.cli import AdaptCLI

# Classes of one domain alone: what is typed beside the digits' task.
_PARTIAL = ["--data.target_classes", '["0", "1", "2", "3", "4"]']
_OPEN = ["--data.source_classes", '["0", "1", "2", "3", "4", "5"]']
CLASSES = {**dict.fromkeys(("IWAN", "PADA"), _PARTIAL), **dict.fromkeys(("DANCE", "OSBP", "OVANet"), _OPEN)}
TWO_SOURCES = {name: ["--data.source", '["moons", "moons_20"]'] for name in ("M3SDA", "MDAN", "MFSAN")}
BATCH_NORM = {"ToAlign"}
# They need texts, series, pairs, numbers to predict, or weights of a network or of classes: nothing to see here.
WITHOUT = {"CCA", "LabelShift", "MaskedLanguage", "RSD", "Raincoat", "StyleTransfer"}
_COLOURS = ("#4477aa", "#ee6677")


def fit(task: str, name: str, folder: Path, *options: str) -> AdaptCLI:
    """Train one method on a task and test it."""
    config = ROOT / "configs" / "methods" / f"{name}.yaml"
    quiet = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    files = ["--config", str(ROOT / "configs" / "tasks" / f"{task}.yaml"), "--config", str(config)]
    cli = AdaptCLI(["fit", *files, *quiet, "--run_dir", str(folder), *options])
    cli.trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)
    return cli


def draw(axes: Axes, cli: AdaptCLI, title: str) -> None:
    """The predicted regions, and the target's test samples."""
    method, data = cli.model, cli.datamodule
    assert isinstance(method, Method)
    batch = next(iter(data.test_dataloader()[-1]))
    x = data.transform(batch.x)
    (left, bottom), (right, top) = (x.amin(0) - 0.3).tolist(), (x.amax(0) + 0.3).tolist()
    across, up = torch.linspace(left, right, 200), torch.linspace(bottom, top, 200)
    points = torch.cartesian_prod(up, across).flip(1)
    with torch.no_grad():
        shades = method.eval()(points).logits.softmax(1)[:, 1].reshape(200, 200)
    regions = ListedColormap(["#c6d7e8", "#f9d5da"])
    axes.contourf(across, up, shades, levels=[0, 0.5, 1], cmap=regions)
    axes.scatter(*x.T, c=[_COLOURS[k] for k in batch.y], s=6, linewidths=0)
    accuracy = 100 * float(cli.trainer.callback_metrics["test/target_accuracy"])
    axes.set(title=f"{title}: {accuracy:.1f} %", xticks=[], yticks=[])


def embed(axes: Axes, cli: AdaptCLI, folder: Path, title: str) -> None:
    """The test features of both domains in the plane, as `adapt test` draws them."""
    drawn = np.load(folder / "embedding.npz")
    draw_by_class(axes, drawn["xy_2d"], drawn["y"], drawn["domain"], len(drawn["class_names"]))
    accuracy = 100 * float(cli.trainer.callback_metrics["test/target_accuracy"])
    axes.set(title=f"{title}: {accuracy:.1f} %")


def picture(cls: type[Method], folder: Path) -> Figure:
    """Train source-only and the method on the same task, and draw one beside the other."""
    name = cls.__name__
    stem = configs_of(name)[0].stem
    digits = name in ON_DIGITS
    task = "optdigits_photo" if digits else "moons"
    options = CLASSES.get(name, TWO_SOURCES.get(name, []))
    # A method that starts from a source run needs its network; on digits the task's own has a bottleneck.
    wide = ["--model.bottleneck", "32"] if not digits and (cls.starts_from_source or name in BATCH_NORM) else []
    shots = ["--data.shots", "5"] if cls.target_labels == "few" else []
    # Source-only says "unknown" where it is not certain; the others have a way of their own.
    unknown = ["--model.unknown_threshold", "0.5"] if options is _OPEN else []
    before = fit(task, "source_only", folder / "source", *wide, *options, *unknown)
    start = ["--model.init_from", str(folder / "source" / "checkpoints" / "last.ckpt")]
    after = fit(task, stem, folder / name, *wide, *options, *shots, *(start if cls.starts_from_source else []))
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
    runs = (("SourceOnly", before, folder / "source"), (name, after, folder / name))
    for axes, (title, cli, run) in zip(panels, runs, strict=True):
        if digits:
            embed(axes, cli, run, title)
        else:
            draw(axes, cli, title)
    return figure


def main(names: list[str]) -> None:
    """Draw the pictures of the named classes, or of all."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    for cls in overview.methods():
        name = cls.__name__
        if name == "SourceOnly" or name in WITHOUT or (names and name not in names):
            continue
        with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(sys.stderr):
            figure = picture(cls, Path(place))
            figure.savefig(FIGURES / f"{name}.png", dpi=100)
            plt.close(figure)
            print(f"{name}: {FIGURES / f'{name}.png'}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])

"""A picture of each method on two moons: `python docs/figures.py [NAME ...]`, about ten seconds each on one core.

The target is the source turned by 35 degrees. Left: source-only. Right: the method as its shipped configuration has it,
with the task's network. The shading is the predicted class. Dots are the target's test samples, coloured by their true
class.
Methods that need images or an extra source of knowledge have no picture.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from adapt import overview
from adapt.methods import Method
from adapt.training.cli import AdaptCLI

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "methods" / "figures"
IMAGES = {"FDA", "FixMatch", "SelfEnsembling", "StyleTransfer"}
_COLOURS = ("#4477aa", "#ee6677")


def fit(name: str, folder: Path, *options: str) -> AdaptCLI:
    """Train one method on the moons and test it."""
    config = ROOT / "configs" / "methods" / f"{name}.yaml"
    quiet = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    task = ["--config", str(ROOT / "configs" / "tasks" / "moons.yaml"), "--config", str(config)]
    cli = AdaptCLI(["fit", *task, *quiet, "--run_dir", str(folder), *options])
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


def main(names: list[str]) -> None:
    """Draw the pictures of the named classes, or of all."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(sys.stderr):
        folder = Path(place)
        for cls in overview.methods():
            name = cls.__name__
            if name == "SourceOnly" or name in IMAGES or (names and name not in names):
                continue
            stem = Path(sys.modules[cls.__module__].__file__ or "").stem
            wide = ["--model.bottleneck", "32"] if cls.starts_from_source else []
            shots = ["--data.shots", "5"] if cls.target_labels == "few" else []
            before = fit("source_only", folder / f"{name}-source", *wide)
            start = ["--model.init_from", str(folder / f"{name}-source" / "checkpoints" / "last.ckpt")]
            after = fit(stem, folder / name, *wide, *shots, *(start if cls.starts_from_source else []))
            figure, (one, other) = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
            draw(one, before, "SourceOnly")
            draw(other, after, name)
            figure.savefig(FIGURES / f"{name}.png", dpi=100)
            plt.close(figure)
            print(f"{name}: {FIGURES / f'{name}.png'}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])

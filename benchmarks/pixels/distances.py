"""How far photographs lie from the target, before and after painting: python benchmarks/pixels/distances.py [STYLES]

In the ImageNet network of the grid, all of it frozen, on the training images: the proxy A-distance (2: told apart
without error), the distance of the mean features over the target's spread, and the target accuracy of a logistic
regression on the photographs, on the paintings of them, and on both. STYLES is the folder in which the grid kept the
painted photographs (default: runs/styles).
"""

import sys
from pathlib import Path

import torch
import yaml
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from adapt.backbones import TimmBackbone
from adapt.data import ImageFolders
from adapt.selection.scores import a_distance, domain_log_odds

ROOT = Path(__file__).resolve().parents[2]


def rows(task: str, styles: Path) -> list[str]:
    """The lines of the table for one task."""
    settings = yaml.safe_load((ROOT / "configs" / "tasks" / f"{task}.yaml").read_text())
    data = ImageFolders(**settings["data"]["init_args"])
    network = settings["model"]["init_args"]["backbone"]["init_args"]
    backbone = TimmBackbone(network["name"], checkpoint=network["checkpoint"]).eval()

    @torch.no_grad()
    def encode(images: Tensor) -> Tensor:
        return torch.cat([backbone(data.transform(batch)) for batch in images.split(32)])

    def read(domain: str) -> tuple[Tensor, Tensor]:
        samples = data.domain(domain, "train")
        images, y = zip(*(samples[i] for i in range(len(samples))), strict=True)
        return encode(torch.stack(images)), torch.tensor(y)

    (photos, y), (target, target_y) = read(data.sources[0]), read(data.target)
    file = next(styles.glob(f"{data.sources[0]}-{data.target}-*.pt"))
    painted = encode(torch.load(file, weights_only=True)["images"])
    centre, spread = photos.mean(0), photos.std(0) + 1e-6
    lines = []
    for name, features, labels in (
        ("photographs", photos, y),
        ("painted", painted, y),
        ("both", torch.cat([photos, painted]), y.repeat(2)),
    ):
        # The odd and even positions of `domain_log_odds` must not follow the classes.
        shuffled = (f[torch.randperm(len(f), generator=torch.Generator().manual_seed(0))] for f in (features, target))
        distance = -a_distance(*domain_log_odds(*shuffled)).item()
        gap = (features.mean(0) - target.mean(0)).norm() / target.std(0).norm()
        probe = LogisticRegression(C=0.01, max_iter=5000).fit((features - centre) / spread, labels)
        accuracy = 100 * probe.score((target - centre) / spread, target_y)
        lines.append(f"| {data.sources[0]} → {data.target} | {name} | {distance:.2f} | {gap:.2f} | {accuracy:.1f} |")
    return lines


def main() -> None:
    """Print the table."""
    styles = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/styles")
    print("| Task | Features of | A-distance | distance of means | accuracy of a probe |\n|---|---|--:|--:|--:|")
    for task in ("pacs_photo_art_128", "pacs_photo_sketch_128"):
        print("\n".join(rows(task, styles)), flush=True)


if __name__ == "__main__":
    main()

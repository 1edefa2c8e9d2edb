"""What DANN's discriminator sees, and what a new linear one sees in the same features: probe.py RUN...

A run is a cell's folder of configs/benchmarks/mnist_m.yaml. 4000 test images of each domain, with and without dropout
and augmentation; the linear one is fitted on half of them and read on the other half.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from adapt.backbones import LeNet
from adapt.data import Digits
from adapt.layers import Augmentation
from adapt.methods import DANN

IMAGES = 4000
AUGMENTATION = Augmentation(rotation=10.0, scale=0.15, translation=0.05, inversion=0.5, gain=0.5, offset=0.5, noise=0.2)


@torch.no_grad()
def seen(method: DANN, data: Digits, batches: list[tuple[Tensor, Tensor]], augmented: bool) -> tuple[float, float]:
    """Accuracy of the method's discriminator and of a new linear one, in mixed batches as in training."""
    features, domain = [], []
    for source, target in batches:
        x = torch.cat([source, target])
        x = data.transform(255 * AUGMENTATION(x / 255) if augmented else x)
        features.append(method(x).features)
        domain.append(torch.cat([torch.ones(len(source)), torch.zeros(len(target))]))
    z, y = torch.cat(features), torch.cat(domain)
    own = ((method.discriminator(z).flatten() > 0) == (y > 0)).float().mean()
    order = np.random.default_rng(0).permutation(len(z))
    fitted, read = np.split(order, 2)
    scaled = ((z - z.mean(0)) / (z.std(0) + 1e-6)).numpy()
    linear = LogisticRegression(max_iter=300).fit(scaled[fitted], y[fitted])
    return float(own), float(linear.score(scaled[read], y[read]))


def main(runs: list[str]) -> None:
    """Print a line for each run and way of looking."""
    torch.manual_seed(0)
    data = Digits("mnist", "mnist_m")
    domains = (torch.as_tensor(data.domain(name, "test")[:IMAGES][0]) for name in ("mnist", "mnist_m"))
    batches = list(zip(*(x.split(64) for x in domains), strict=True))
    for run in runs:
        state = torch.load(Path(run) / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
        method = DANN(num_classes=10, backbone=LeNet(data.input_shape), bottleneck=256)
        for dropout in (False, True):
            for augmented in (False, True):
                method.load_state_dict(state)  # batch norm moves while training
                own, linear = seen(method.train(dropout), data, batches, augmented)
                how = f"{'dropout' if dropout else 'no dropout'}, {'augmented' if augmented else 'plain'}"
                print(f"{run}: {how}: its discriminator {100 * own:.1f}, a new linear one {100 * linear:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""A training step and the validation of EfficientNet-lite0 on a CPU: what flags and batch sizes make of them.

Random images of 224 pixels, through DANN and a bottleneck of 256 with every block training. A training step has 16 + 16
images. One thread; processor time of this process, so that others on the machine count little; the cases take turns,
and ratios are taken within a round.

    python benchmarks/speed/image_step.py --rounds 3
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch

from adapt.backbones import TimmBackbone
from adapt.data import Labelled, Pair, Unlabelled
from adapt.methods import DANN

BATCH, SIDE, CLASSES = 16, 224, 7
EVALUATED = 256
FLAGS = {
    "default": (False, False),
    "channels_last": (True, False),
    "bf16-mixed": (False, True),
    "channels_last, bf16-mixed": (True, True),
}
"""By name: `--model.channels_last`, and `--trainer.precision bf16-mixed`."""


def build(channels_last: bool) -> DANN:
    torch.manual_seed(0)
    backbone = TimmBackbone("tf_efficientnet_lite0")
    return DANN(problem=CLASSES, backbone=backbone, bottleneck=256, channels_last=channels_last)


def seconds(run: Callable[[], None]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


class Case:
    """One setting of the flags, ready to train and to evaluate."""

    def __init__(self, channels_last: bool, half: bool) -> None:
        self.method, self.half = build(channels_last), half
        self.optimizer = torch.optim.SGD(self.method.parameters(), lr=1e-4)
        x, y, index = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(CLASSES, (BATCH,)), torch.arange(BATCH)
        self.batch = Pair(Labelled(x, y, index), Unlabelled(torch.randn_like(x), index))

    def precision(self) -> torch.autocast | nullcontext[None]:
        # What Lightning's plugin for bf16-mixed does.
        return torch.autocast("cpu", torch.bfloat16) if self.half else nullcontext()

    def train(self) -> None:
        self.method.train()
        with self.precision():
            source, target = self.method.encode(self.batch)
            loss = self.method.supervised_loss(source.logits, self.batch.source.y) + target.features.mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def evaluate(self, size: int) -> None:
        self.method.eval()
        with torch.no_grad(), self.precision():
            for x in torch.zeros(EVALUATED, 3, SIDE, SIDE).split(size):
                self.method(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 64, 32])
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = {name: Case(*flags) for name, flags in FLAGS.items()}
    work: dict[str, tuple[Callable[[], None], int]] = {}
    for name, case in cases.items():
        work[f"training, {name}"] = case.train, 2 * BATCH
        case.train()
    for size in options.sizes:
        work[f"validation, batches of {size}"] = lambda size=size: cases["default"].evaluate(size), EVALUATED
    best = cases["channels_last"]
    work[f"validation, batches of {options.sizes[-1]}, channels_last"] = (
        lambda: best.evaluate(options.sizes[-1]),
        EVALUATED,
    )
    found: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(options.rounds):
        for name in list(work) if turn % 2 == 0 else reversed(work):
            run, images = work[name]
            found[name].append(seconds(run) / images)
    base = found["training, default"]
    half = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    print(f"{options.rounds} rounds, one thread, load {os.getloadavg()[0]:.1f}; bf16 in hardware: {half}\n")
    print("| what | ms per image | against training by default |\n|---|--:|--:|")
    for name, values in found.items():
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        print(f"| {name} | {1000 * statistics.median(values):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()

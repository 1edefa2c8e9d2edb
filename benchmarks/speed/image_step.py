"""A training step and the validation of EfficientNet-lite0 on a CPU: what the allocator, flags and batch sizes do.

Random images of 224 pixels, through DANN and a bottleneck of 256 with every block training; a training step has 16 + 16
images. Each round has two processes: one that leaves freed memory to glibc, as every process of adapt did before, and
one that keeps it for the next step, as they do now. One thread; processor time, so that others on the machine count
little; ratios within a round.

    python benchmarks/speed/image_step.py --rounds 3
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import torch

from adapt.backbones import TimmBackbone
from adapt.data import Labelled, Pair, Unlabelled
from adapt.methods import DANN
from adapt.training.memory import keep_freed_memory

BATCH, SIDE, CLASSES, EVALUATED = 16, 224, 7, 256
FLAGS = {"": (False, False), ", channels_last": (True, False), ", channels_last and bf16-mixed": (True, True)}
"""By name: `--model.channels_last true`, and `--trainer.precision bf16-mixed`."""


class Case:
    """One setting of the flags, ready to train and to evaluate."""

    def __init__(self, channels_last: bool, half: bool) -> None:
        self.half, backbone = half, TimmBackbone("tf_efficientnet_lite0")
        self.method = DANN(problem=CLASSES, backbone=backbone, bottleneck=256, channels_last=channels_last)
        self.optimizer = torch.optim.SGD(self.method.parameters(), lr=1e-4)
        x, y, index = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(CLASSES, (BATCH,)), torch.arange(BATCH)
        self.batch = Pair(Labelled(x, y, index), Unlabelled(torch.randn_like(x), index))

    def precision(self) -> torch.autocast | nullcontext[None]:
        # What Lightning's plugin for bf16-mixed does.
        return torch.autocast("cpu", torch.bfloat16) if self.half else nullcontext()

    def train(self) -> int:
        self.method.train()
        with self.precision():
            source, target = self.method.encode(self.batch)
            loss = self.method.supervised_loss(source.logits, self.batch.source.y) + target.features.mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return 2 * BATCH

    def evaluate(self, size: int) -> int:
        self.method.eval()
        with torch.no_grad(), self.precision():
            self.method(torch.zeros(size, 3, SIDE, SIDE))
        return size


def child(kept: bool) -> None:
    """Print milliseconds per image of each kind of work, as JSON."""
    if kept:
        keep_freed_memory()
    torch.set_num_threads(1)
    found = {}
    for name, flags in FLAGS.items() if kept else [("", (False, False))]:
        # Without the hardware for it bf16 is emulated, many times slower.
        if flags[1] and not half_in_hardware():
            continue
        case = Case(*flags)
        found[f"training{name}"] = per_image(case.train)
        for size in (64, EVALUATED) if name == "" else (64,):
            found[f"validation, batches of {size}{name}"] = per_image(lambda case=case, size=size: case.evaluate(size))
    print(json.dumps(found))


def per_image(work: Callable[[], int]) -> float:
    """Of the second run, when the memory is there."""
    work()
    start = time.process_time()
    images = work()
    return 1000 * (time.process_time() - start) / images


def half_in_hardware() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def measure(kept: bool) -> Mapping[str, float]:
    words = [sys.executable, __file__, "--child", "kept" if kept else "as-before"]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    return found if kept else {f"before: {name}": value for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=["kept", "as-before"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child == "kept")
        return
    rounds = []
    for turn in range(options.rounds):
        first, second = (measure(kept) for kept in ((False, True) if turn % 2 == 0 else (True, False)))
        rounds.append({**first, **second})
        print(f"round {turn + 1}: load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    print(f"{options.rounds} rounds, one thread; bf16 in hardware: {'yes' if half_in_hardware() else 'no'}\n")
    print("| what | ms per image | of the training before | of the same validation before |\n|---|--:|--:|--:|")
    for name in sorted(rounds[0]):
        base, peer = "before: training", f"before: validation, batches of {EVALUATED}"
        to_training = statistics.median(found[name] / found[base] for found in rounds)
        to_peer = statistics.median(found[name] / found[peer] for found in rounds)
        shown = f"{to_peer:.2f}" if "validation" in name else ""
        ms = statistics.median(found[name] for found in rounds)
        print(f"| {name} | {ms:.1f} | {to_training:.2f} | {shown} |")


if __name__ == "__main__":
    main()

"""Options of the commands that do not train: parsing them and their help needs no torch."""

import argparse
import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from adapt.errors import AdaptError
from adapt.seeds import check_seed


class OptionParser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all our errors."""

    def error(self, message: str) -> NoReturn:
        """Raise a parser error as one line.

        Raises:
            AdaptError: Always.
        """
        raise AdaptError(f"{message[0].upper()}{message[1:]}. `{self.prog} --help` lists the options.")


def _jobs(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of cells or auto, found {text!r}") from None


def _seeds(text: str) -> tuple[int, ...]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected seeds such as 0 or 0,1,2, found {text!r}") from None
    return tuple(check_seed(seed, "a seed") for seed in found)


def seed(text: str) -> int:
    """A seed that is typed."""
    return check_seed(int(text), "--seed")


class _Seeds(argparse.Action):
    """Seeds with blanks or commas between them, as a person types either."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, tuple(seed for part in values for seed in part))


def closest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: a similar known name, if there is one."""
    close = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


GRID_KEYS = """the file (a file that is named in it is looked for beside it):
  name: mine                 # results go to runs/mine, or to --out (default: the file's name)
  seeds: [0, 1, 2]           # one run of every task and method for each
  base: {trainer: {...}}     # settings of all runs, as `adapt fit --config` takes them; those of tasks and methods win
  tasks:
    amazon → dslr: a.yaml    # a file, a mapping, or a list of those, merged in order
    all pairs:               # every ordered pair of the domains
      {pairs: all, domains: [amazon, dslr, webcam], config: {data: {class_path: ...}}}
  methods:
    SourceOnly: methods/source_only.yaml
    DANN, small: [methods/dann.yaml, {model: {init_args: {weight: 0.1}}}]
    SHOT: {config: methods/shot.yaml, init_from: SourceOnly}
                             # config: as for a task
                             # init_from: start from that method's run of the same task and seed
                             # setting: what the table says of its target labels (default: from the class)
                             # search: settings of this method alone, beside `search.space`
  metric: macro_f1           # metric of the tables (default: the problem's first one)
  rule: silhouette           # selection rule that heads the report (default: information_maximisation)
  embeddings: false          # no t-SNE pictures (default: the first seed draws one)
  resources: {cpu: 1, gpu: 0.25}
                             # what a cell has for itself; also beside the `config` of a method
  checkpoints: last          # keep one checkpoint of each run (default: all, one per selection rule)
  search:                    # try settings, choose without target labels, run the choice on the seeds
    trials: 8                # settings tried per method and task
    space:                   # what is tried: {low, high, log, int} or a list of values
      model.init_args.weight: {low: 0.1, high: 10, log: true}
    rule: information_maximisation
                             # what picks a setting; a list makes a table of each
    sampler: random          # or tpe, which learns from earlier trials
    seed: 1000               # seed of the trials
    development: [a task]    # choose on these tasks alone; the others make the table
  streams:                   # then stream the target through the trained runs: table and curves in <out>/streams
    run: SourceOnly          # whose runs (default: the method that is source-only)
    method: [BN1, TENT]      # these and all further keys as `adapt stream` has them
    scenario: continual

`adapt configs` lists grids that come with adapt, to copy or to run: benchmarks/...
"""


def benchmark_options() -> argparse.ArgumentParser:
    """Options of `adapt benchmark`."""
    parser = OptionParser(
        "adapt benchmark",
        description="Run tasks × methods × seeds, and make the table. Finished cells are never run twice: the same\n"
        "command continues a grid that was stopped.",
        epilog=GRID_KEYS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="B.yaml", help="the benchmark: tasks, methods, seeds"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: runs/<name>)")
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default="auto",
        metavar="N|auto",
        help="cells to run at once (default: auto, one for each GPU, or else for each CPU)",
    )
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="where cells run: local, this machine; ray, a Ray cluster (pip install 'adapt-lightning[ray]')",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="the Ray cluster; auto is the one of this machine (default: $RAY_ADDRESS, or else this machine alone)",
    )
    parser.add_argument(
        "--ship",
        action="store_true",
        help="with Ray: send results back even if the nodes see the folder of the results (else only if they do not)",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        nargs="+",
        action=_Seeds,
        metavar="N",
        help="only these seeds of the benchmark, for instance one in each task of a job array (default: all)",
    )
    parser.add_argument("--retry", action="store_true", help="run failed and diverged cells again")
    parser.add_argument(
        "--rerun-changed", action="store_true", help="run finished cells again if their config has changed"
    )
    modes = ["auto", "online", "offline", "disabled"]
    parser.add_argument("--wandb", choices=modes, default="auto", help="auto: online when a key is configured")
    parser.add_argument("--project", default="adapt", help="project in Weights & Biases (default: adapt)")
    return parser


def report_options() -> argparse.ArgumentParser:
    """Options of `adapt report`."""
    parser = OptionParser("adapt report", description="Rebuild tables, pictures and page from files.")
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder of a benchmark, such as runs/quickstart")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--wandb", action="store_true", help="also build a report in Weights & Biases (if online)")
    parser.add_argument("--project", default="adapt", help="project in Weights & Biases (default: adapt)")
    parser.add_argument("--entity", help="owner of that project (default: the logged-in user)")
    return parser


def compare_options() -> argparse.ArgumentParser:
    """Options of `adapt compare`."""
    parser = OptionParser("adapt compare", description="Show what changed between two grids, with statistics.")
    parser.add_argument("first", type=Path, metavar="RUNS_A", help="folder of the earlier benchmark")
    parser.add_argument("second", type=Path, metavar="RUNS_B", help="folder of the later benchmark")
    parser.add_argument(
        "--rule",
        help="selection rule of the accuracies (default: the one that both plans name, else the headline's)",
    )
    return parser


def configs_options() -> argparse.ArgumentParser:
    """Options of `adapt configs`."""
    return OptionParser(
        "adapt configs",
        description="List the configurations that come with adapt. `--config methods/dann` uses one by name, from "
        "any folder; a file of that name in the current folder comes first.",
    )


def predict_options() -> argparse.ArgumentParser:
    """Options of `adapt predict` on new files."""
    parser = OptionParser(
        "adapt predict",
        description="Label new files with a trained run, whose training data may be gone. Without --input and --output "
        "the target's own test inputs are labelled, with the options of `adapt test`.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="RUN/config.yaml", help="the trained run")
    parser.add_argument(
        "--input",
        type=Path,
        metavar="PATH",
        help="a folder of images, or a file of arrays or a table, as the run's data are",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.csv", help="the table of predictions")
    parser.add_argument("--ckpt_path", type=Path, metavar="FILE", help="another checkpoint (default: the run's `last`)")
    parser.add_argument("--device", default="auto", help="auto is CUDA where there is any (default: auto)")
    return parser


def choose_options() -> argparse.ArgumentParser:
    """Options of `adapt choose`."""
    parser = OptionParser(
        "adapt choose",
        description="Which trained run to deploy, and how good it is likely to be, without target labels. Writes a "
        "folder that stands alone: weights, config, class names, model card, predictions of the target, model.pt2.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUNS", help="a grid's folder, or runs of one task")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--task", help="which task of a grid that has several")
    parser.add_argument(
        "--rule",
        help="score or estimate whose highest mean over seeds picks the method (default: the estimate "
        "with the smallest measured error; silhouette where the domains have different classes)",
    )
    parser.add_argument(
        "--checkpoints",
        metavar="RULE",
        help="rule whose checkpoint of each run is judged (default: information_maximisation)",
    )
    parser.add_argument("--device", default="auto", help="auto is CUDA where there is any (default: auto)")
    modes = ["auto", "online", "offline", "disabled"]
    parser.add_argument("--wandb", choices=modes, default="auto", help="auto: online when a key is configured")
    parser.add_argument("--project", default="adapt", help="project in Weights & Biases (default: adapt)")
    return parser


def rank_options() -> argparse.ArgumentParser:
    """Options of `adapt rank`."""
    parser = OptionParser(
        "adapt rank",
        description="Which pretrained network to take, before training: ranks networks by their features of a "
        "labelled source. Each folder holds one network's features, as `adapt features` writes them. An array `logits` "
        "in a file adds LEEP and NCE.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FEATURES", help="a folder of features per network")
    parser.add_argument("--source", required=True, metavar="DOMAIN", help="the labelled domain, <folder>/<domain>.npz")
    parser.add_argument("--by", default="log_me", help="log_me, h_score, trans_rate, leep or nce (default: log_me)")
    parser.add_argument("--samples", type=int, default=5000, metavar="N", help="most samples (default: 5000)")
    parser.add_argument("--seed", type=seed, default=0, help="of the draw of the samples (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="write the scores there, too")
    return parser


STREAM_HELP = """scenarios:
  single      one shift: the run's target, or another of --domains, or one corruption
  continual   one shift after the other; the method is not told when
  gradual     each corruption rises to --severity and falls again
  mixed       all shifts shuffled together
  correlated  continual, with samples sorted by class (Dirichlet); needs labels to lay the order
A batch size of 1 goes with any of them.

methods: Source (unadapted, always there), BN1, TENT, EATA, SAR, CoTTA, RoTTA, LAME, ROID, or my_module.MyMethod;
with arguments: TENT:lr=0.0001:optimizer=sgd

The target is predicted once, in order: a batch is predicted, then the method adapts to it. Labels are read for the
score alone. Results, tables and page are those of `adapt benchmark`; the same command goes on where it was stopped.
"""


def stream_options() -> argparse.ArgumentParser:
    """Options of `adapt stream`."""
    parser = OptionParser(
        "adapt stream",
        description="Stream a target through a trained run, which predicts each batch and then adapts to it.",
        epilog=STREAM_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="S.yaml", help="these options in a file, by name")
    parser.add_argument("--run", type=Path, nargs="+", metavar="RUN", help="trained runs, such as runs/mine")
    parser.add_argument("--rule", help="which checkpoint of a run: last, or a selection rule that it kept")
    parser.add_argument("--method", nargs="+", metavar="M", help="methods (default: BN1,TENT), commas between")
    parser.add_argument("--scenario", nargs="+", metavar="S", help="see below (default: single)")
    parser.add_argument("--domains", nargs="+", metavar="D", help="domains to stream (default: the run's target)")
    parser.add_argument("--input", metavar="PATH", help="new files instead, as `adapt predict` takes them")
    parser.add_argument(
        "--corruptions",
        nargs="+",
        metavar="C",
        help="all, none, or names (default: all, but none of a single shift or several domains)",
    )
    parser.add_argument("--severity", type=int, metavar="1..5", help="of the corruptions (default: 5)")
    parser.add_argument("--batch_size", type=int, metavar="N", help="samples of a batch (default: 64)")
    parser.add_argument("--samples", type=int, metavar="N", help="samples of each shift at most (default: all)")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often the sequence comes (default: 1)")
    parser.add_argument("--split", help="train, val or test samples of a domain (default: test)")
    parser.add_argument("--delta", type=float, help="of Dirichlet (default: 0.1; smaller is more correlated)")
    parser.add_argument(
        "--seed", type=_seeds, nargs="+", action=_Seeds, metavar="N", help="seeds of the stream of one run (default: 0)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: runs/stream)")
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N|auto", help="streams at once (default: 1)")
    parser.add_argument("--retry", action="store_true", help="run failed and diverged streams again")
    parser.add_argument("--rerun-changed", action="store_true", help="run finished streams again that have changed")
    modes = ["auto", "online", "offline", "disabled"]
    parser.add_argument("--wandb", choices=modes, default="auto", help="auto: online when a key is configured")
    parser.add_argument("--project", default="adapt", help="project in Weights & Biases (default: adapt)")
    return parser


OPTIONS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "benchmark": benchmark_options,
    "report": report_options,
    "compare": compare_options,
    "choose": choose_options,
    "stream": stream_options,
    "rank": rank_options,
    "configs": configs_options,
}

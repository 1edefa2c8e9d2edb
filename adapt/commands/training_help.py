"""Help of the commands that train or evaluate, from text alone: the parser itself takes seconds to import."""

import ast
import textwrap
from pathlib import Path

from adapt.commands.options import predict_options

_PACKAGE = Path(__file__).parents[1]
# Exported beside the classes that `--model` and `--data` take.
_NO_METHODS = {
    "AlternatingMethod",
    "Encoding",
    "Encodings",
    "HasTeacher",
    "MappingMethod",
    "MaskedConsistency",
    "Method",
}
_NO_METHODS |= {"Phase", "SeveralSources"}
_NO_DATA = {"DomainDataModule", "FewShotPair", "Labelled", "NO_LABEL", "Pair", "TargetBatch", "TensorDomain"}
_NO_DATA |= {"InMemory", "Unlabelled", "standing_alone"}  # `InMemory` takes arrays, from Python alone

_ABOUT = {
    "fit": "Train one method on one task.",
    "validate": "Evaluate a trained run on the validation sets.",
    "test": "Evaluate a trained run on the test sets.",
    "predict": "Label the target's own test inputs with a trained run.",
}
_USAGE = {
    "fit": """usage: adapt fit --config TASK --model METHOD [options]

  adapt fit --config tasks/moons --model MMD
  adapt fit --data ImageFolders --data.root PHOTOS --data.source studio --data.target phone \\
            --model CDAN --model.backbone TorchvisionBackbone
""",
    "validate": "usage: adapt validate --config RUN/config.yaml [options]\n",
    "test": "usage: adapt test --config RUN/config.yaml [options]\n",
    "predict": "usage: adapt predict --config RUN/config.yaml [options]\n",
}

_OPTIONS = """{about}

Method:
  --model METHOD             {methods}
                             or your own, such as my_method.MyMethod
  --model.help METHOD        the options of one method: adapt {command} --model.help DANN
  --model.OPTION VALUE       for example --model.backbone MLP, --model.optimizer Adam,
                             --model.optimizer.lr 0.001, --model.penalties+=MCC

Data:
  --data DATA                {data}
                             or your own, such as my_data.MyData
  --data.help DATA           the options of one kind of data: adapt {command} --data.help Features
  --data.OPTION VALUE        for example --data.source amazon, --data.target dslr, --data.batch_size 32

Run:
  --config FILE              a file with any of these options, or a shipped one (`adapt configs` lists them);
                             may be given several times, and what comes later counts
  --run_dir DIR              the run's folder (default: runs/<task>/<method>/<seed>)
  --seed_everything N        seed of weights and order (default: 0)
  --ckpt_path FILE           {checkpoint}
  --print_config             print all settings, and stop

Trainer (Lightning):
  --trainer.max_steps N      steps of training, with --trainer.max_epochs -1; or
  --trainer.max_epochs N     passes over the larger domain (default: 10)
  --trainer.val_check_interval N
                             validate every N steps, with --trainer.check_val_every_n_epoch null
  --trainer.accelerator cpu|gpu|auto
  --trainer.devices N        processes, one on each device
  --trainer.precision 16-mixed|bf16-mixed|32
  --trainer.logger false     no Weights & Biases
  --trainer.enable_progress_bar false
                             no bar and no line for each validation

`adapt {command} --help all` lists every option of the trainer too, which takes some seconds.
"""


def method_names() -> list[str]:
    """The names that `--model` takes."""
    return _exported("methods", _NO_METHODS)


def data_names() -> list[str]:
    """The names that `--data` takes."""
    return _exported("data", _NO_DATA)


def training_help(command: str) -> str:
    """The help of `fit`, `validate`, `test` or `predict`.

    Args:
        command: One of them.
    """
    text = _OPTIONS.format(
        about=_ABOUT[command],
        command=command,
        methods=_listed(method_names()),
        data=_listed(data_names()),
        checkpoint="continue this training" if command == "fit" else "another checkpoint (default: the run's `last`)",
    )
    before = predict_options().format_help() + "\n" if command == "predict" else ""
    return f"{before}{_USAGE[command]}\n{text}"


def _exported(package: str, others: set[str]) -> list[str]:
    tree = ast.parse((_PACKAGE / package / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]:
            return sorted(set(ast.literal_eval(node.value)) - others, key=str.lower)
    return []


def _listed(names: list[str]) -> str:
    return ("\n" + 29 * " ").join(textwrap.wrap(", ".join(names), 90))

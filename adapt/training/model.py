"""A trained run for prediction: network, preprocessing and class names, without the data of its training."""

from __future__ import annotations

import os
from argparse import ArgumentError
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentParser
from numpy.typing import NDArray
from torch import Tensor

from adapt.data import DomainDataModule, Unlabelled, standing_alone
from adapt.data.views import WithoutLabels, fetch_inputs
from adapt.errors import AdaptError, told
from adapt.methods import Method
from adapt.methods.checkpoints import check_checkpoint, read_checkpoint
from adapt.problems import Problem, Regression, described_problem
from adapt.selection import OwnScore, checkpoint_path
from adapt.selection.evaluation import Score
from adapt.selection.own import named, own_entries
from adapt.training.explain import explain, imported
from adapt.training.run_folder import CONFIG_FILE, folder_of
from adapt.training.saved_config import relocate
from adapt.training.trust import check_named, restrict_parser
from adapt.trees import tree_map
from adapt.yaml_files import read_yaml

_START = {"init_from": None, "checkpoint": None, "weights": None, "pretrained": False}
"""Arguments that only training needs, whose files may be gone."""


class TrainedModel:
    """What `adapt.load` and `adapt.fit` return: predicts from what a person has, with the run's preprocessing.

    Inputs are a path as `adapt predict --input` takes it (a folder of images, an array file, a table), or a list of
    image paths or Pillow images, or an array or tensor: images as bytes `(N, H, W, 3)` or `(N, 3, H, W)` of any size,
    vectors as numbers `(N, d)`.

    Args:
        method: The trained network, in evaluation mode from here on.
        data: Its datamodule, of which only the preprocessing is used.
        device: PyTorch's name of a device; `auto` is CUDA where there is any.

    Attributes:
        method: The network, a LightningModule.
        data: The datamodule.
    """

    def __init__(self, method: Method, data: DomainDataModule, device: str = "auto") -> None:
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        method.trainer = None  # whose loaders would keep the training data
        self.method, self.data = method.to(self.device).eval(), data

    @property
    def problem(self) -> Problem:
        """What is predicted."""
        return self.method.problem

    @property
    def class_names(self) -> list[str]:
        """Names of the outputs: the classes (also `unknown`, where that may be the answer), labels or quantities."""
        return list(self.problem.answers)

    def predict(self, inputs: Any) -> NDArray[Any]:
        """Class indices `(N,)`; zeros and ones `(N, K)` for several labels; numbers `(N,)` or `(N, K)` for regression.

        Args:
            inputs: See the class. `class_names` names the indices.
        """
        columns = self.columns(inputs)
        if "prediction" in columns:
            return columns["prediction"].numpy()
        found = np.stack([columns[name].numpy() for name in self.problem.answers], 1)
        return found[:, 0] if isinstance(self.problem, Regression) and found.shape[1] == 1 else found

    def predict_proba(self, inputs: Any) -> NDArray[Any]:
        """Probabilities `(N, K)`, in the order of `class_names`.

        Args:
            inputs: See the class.

        Raises:
            AdaptError: A regression has none.
        """
        if isinstance(self.problem, Regression):
            raise AdaptError("Expected classes or labels for probabilities, found a regression: use predict.")
        columns = self.columns(inputs)
        return np.stack([columns[f"p_{name}"].numpy() for name in self.problem.answers], 1)

    def columns(self, inputs: Any) -> dict[str, Tensor]:
        """The columns of `predictions.csv`, each `(N,)`, on the CPU.

        Args:
            inputs: See the class.
        """
        return self.columns_of(self.samples(inputs)[0])

    def samples(self, inputs: Any) -> tuple[Any, list[str]]:
        """The inputs as a dataset, and the name of each.

        Args:
            inputs: See the class.
        """
        if isinstance(inputs, str | os.PathLike):
            dataset, names = self.data.read_inputs(Path(inputs).expanduser())
            return WithoutLabels(dataset), list(names)
        given: Any = self.data.prepare(inputs)  # torch's Dataset does not declare __len__
        return given, [str(row) for row in range(len(given))]

    @torch.no_grad()
    def columns_of(self, dataset: Any) -> dict[str, Tensor]:
        """The columns of `predictions.csv` for a dataset of inputs.

        Args:
            dataset: What `samples` returns first.
        """
        parts: list[dict[str, Tensor]] = []
        size = self.data.eval_batch_size
        for number, start in enumerate(range(0, len(dataset), size)):
            at = list(range(start, min(start + size, len(dataset))))
            batch = Unlabelled(self.moved(fetch_inputs(dataset, at)), torch.tensor(at))
            found = self.method.predict_step(self.data.on_after_batch_transfer(batch, 0), number)
            parts.append({name: column.cpu() for name, column in found.items()})
        if not parts:
            raise AdaptError("Expected at least one sample to predict, found none.")
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def moved(self, x: Any) -> Any:
        """A batch on the model's device."""
        return tree_map(lambda leaf: leaf.to(self.device), x)


def load(
    run: str | os.PathLike[str],
    rule: str = "last",
    device: str = "auto",
    ckpt_path: str | os.PathLike[str] | None = None,
) -> TrainedModel:
    """A trained run: its network with its preprocessing and class names. Its training data may be gone.

    The run's `config.yaml` says which classes are built, as on the command line: load no folder whose configuration
    you would not run.

    Args:
        run: The run's folder, its `config.yaml`, or one of its checkpoints.
        rule: Which checkpoint of a folder: `last`, or the name of a selection rule that the run kept.
        device: PyTorch's name of a device; `auto` is CUDA where there is any.
        ckpt_path: Another checkpoint of the run, in the place of the rule's.

    Raises:
        AdaptError: There is no run, or its checkpoint does not fit its configuration.
    """
    content, checkpoint = _found(
        Path(run).expanduser(), None if ckpt_path is None else Path(ckpt_path).expanduser(), rule
    )
    return _build(content["model"], content["data"], read_checkpoint(checkpoint), checkpoint, device)


def read_config(config: Path) -> dict[str, Any]:
    """The configuration of a run, whose paths are those of files that were moved together with it.

    Args:
        config: Its `config.yaml`.

    Raises:
        AdaptError: It is missing, or none.
    """
    if not config.is_file() and (config.parent / "checkpoints").is_dir():
        raise AdaptError(
            f"{config.parent} has weights and no {CONFIG_FILE}: `adapt.fit` was given an object, and nobody knows how "
            "it was built. Give its class, or build the method and load the checkpoint's `state_dict` into it."
        )
    if not config.is_file():
        raise AdaptError(f"Expected a run with {config}, found no such file. Give the folder that `adapt fit` wrote.")
    content = read_yaml(config)
    parts = [content.get(key) for key in ("model", "data")] if isinstance(content, Mapping) else []
    if not parts or not all(isinstance(part, Mapping) and isinstance(part.get("class_path"), str) for part in parts):
        raise AdaptError(f"{config}: expected the configuration of a run, with model and data, found none.")
    found = dict(content)
    if isinstance(saved_in := found.get("saved_in"), str):
        relocate([found["model"], found["data"]], Path(saved_in), config.parent)
    return found


def _found(path: Path, ckpt_path: Path | None, rule: str) -> tuple[dict[str, Any], Path]:
    is_config = path.suffix in (".yaml", ".yml")
    checkpoint = path if path.suffix == ".ckpt" else ckpt_path
    folder = folder_of(path) if checkpoint == path else path.parent if is_config else path
    content = read_config(path if is_config else folder / CONFIG_FILE)
    checkpoint = checkpoint or checkpoint_path(folder, rule)
    if not checkpoint.is_file():
        kept = ", ".join(sorted(file.stem for file in checkpoint.parent.glob("*.ckpt"))) or "none"
        raise AdaptError(f"Expected a checkpoint at {checkpoint}, found no file there. This run kept: {kept}.")
    return content, checkpoint


def _build(
    model: Mapping[str, Any], data: Mapping[str, Any], checkpoint: Mapping[str, Any], path: Path, device: str
) -> TrainedModel:
    restrict_parser()
    datamodule: DomainDataModule = _built(DomainDataModule, "data", data, checkpoint=checkpoint)
    problem = checkpoint["adapt"].get("problem")
    problem = datamodule.problem if problem is None else described_problem(problem)
    known = {"problem": problem, "input_shape": tuple(datamodule.input_shape), "num_sources": datamodule.num_sources}
    method = _built(Method, "model", model, known)
    check_checkpoint(method.describe(), checkpoint)
    try:
        method.load_state_dict(checkpoint["state_dict"], strict=method.strict_loading)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).partition(": ")[2][:200]
        raise AdaptError(f"{path} does not fit the {type(method).__name__} of its configuration: {reason}.") from error
    return TrainedModel(method, datamodule, device)


class _Known:
    """What the data tell the method, as on the command line."""

    def __init__(self, problem: Any = None, input_shape: Any = None, num_sources: Any = None) -> None:
        self.problem, self.input_shape, self.num_sources = problem, input_shape, num_sources


def check_arguments(base: type, key: str, content: Mapping[str, Any]) -> None:
    """Refuse arguments that a class does not have, or of another type than it takes, without building it.

    Args:
        base: The base of the class.
        key: Its place in a configuration, such as `data`.
        content: Its `class_path` and `init_args`.

    Raises:
        AdaptError: One does not fit.
    """
    restrict_parser()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, key, required=True, fail_untyped=False)
    try:
        parser.parse_object({key: dict(content)})
    except ArgumentError as error:
        raise AdaptError(explain(error, {key: base})) from error


def own_scores_of(config: Mapping[str, Any]) -> Mapping[str, Score]:
    """The own scores that a run computed, by name.

    Args:
        config: The run's configuration.

    Raises:
        AdaptError: One cannot be built.
    """
    restrict_parser()
    entries = [entry if isinstance(entry, Mapping) else {"class_path": entry} for entry in own_entries(config)]
    return named([_built(OwnScore, "score", entry) for entry in entries])


def data_of(content: Mapping[str, Any], **changed: Any) -> DomainDataModule:
    """The datamodule of a run's configuration, with its files.

    Args:
        content: The configuration's `data`.
        **changed: Arguments that are to be others.

    Raises:
        AdaptError: Its data are not there.
    """
    arguments = {**(content.get("init_args") or {}), **changed}
    found: DomainDataModule = _built(DomainDataModule, "data", {**content, "init_args": arguments})
    return found


def _built(
    base: Any,
    key: str,
    content: Mapping[str, Any],
    known: Mapping[str, Any] | None = None,
    checkpoint: Mapping[str, Any] | None = None,
) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, key, required=True, fail_untyped=False)
    entry: dict[str, Any] = {
        key: {k: _without_start(content[k]) for k in ("class_path", "init_args") if content.get(k)}
    }
    if known is not None:
        parser.add_class_arguments(_Known, "known")
        parser.link_arguments("known.problem", f"{key}.init_args.problem", apply_on="instantiate")
        several = f"{key}.init_args.num_sources"
        parser.link_arguments("known.num_sources", several, apply_on="instantiate")
        for network in ("", "module.init_args."):
            shape = f"{key}.init_args.backbone.init_args.{network}input_shape"
            parser.link_arguments("known.input_shape", shape, apply_on="instantiate")
        entry["known"] = dict(known)
    # The older name is deprecated, and all that the oldest version allowed here has.
    build = getattr(parser, "instantiate", None) or parser.instantiate_classes
    try:
        config = parser.parse_object(entry)
        check_named(config, {key: base})
        state = None if checkpoint is None else checkpoint.get(imported(config[key].class_path).__qualname__)
        # Older checkpoints do not say what their data were like: those have to be there.
        with standing_alone(state) if state and "input_shape" in state else nullcontext():
            return build(config)[key]
    except ArgumentError as error:
        raise AdaptError(explain(error, {key: base})) from error
    except ValueError as error:
        # The parser hides what a class raises while it is built.
        if isinstance(ours := told(error), AdaptError):
            raise ours from error
        raise


def for_prediction(model: Mapping[str, Any]) -> dict[str, Any]:
    """A method's configuration without what only training needs, such as where its start lay.

    Args:
        model: Its `class_path` and `init_args`.
    """
    return {key: _without_start(value) for key, value in model.items()}


def _without_start(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {k: _START[k] if k in _START and v else _without_start(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_without_start(part) for part in node]
    return node

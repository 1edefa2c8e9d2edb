"""The folder that stands alone: weights, preprocessing, class names, card, predictions and an exported file."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.benchmark.plan.plan import setting_of
from adapt.benchmark.plan.seen import target_labels_of
from adapt.benchmark.results.results import versions
from adapt.benchmark.vocabulary import CHOICE_FILE
from adapt.data import DomainDataModule
from adapt.deployment.card import model_card
from adapt.deployment.choice import Choice
from adapt.deployment.export import exported
from adapt.errors import AdaptError
from adapt.methods.checkpoints import read_checkpoint
from adapt.problems import Regression
from adapt.selection import checkpoint_path
from adapt.training.model import TrainedModel, for_prediction, load
from adapt.training.run_folder import CONFIG_FILE, write_predictions
from adapt.yaml_files import to_yaml

CARD_FILE, EXPORT_FILE = "MODEL_CARD.md", "model.pt2"

_KEPT = ("state_dict", "hyper_parameters", "adapt", "epoch", "global_step", "pytorch-lightning_version")


def check_free(out: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        AdaptError: It does, or it is a file.
    """
    if out.is_dir() and any(out.iterdir()):
        what = "an earlier choice" if (out / CHOICE_FILE).is_file() else "other files"
        raise AdaptError(f"{out} holds {what}. Give another --out, or remove it.")
    if out.exists() and not out.is_dir():
        raise AdaptError(f"Expected a folder to write to, found the file {out}. Give another --out.")


def write_folder(choice: Choice, data: DomainDataModule, out: Path, device: str = "auto") -> None:
    """Write all that a deployment takes: all of it, or nothing.

    The folder works wherever it is moved to, and after the runs and the training data are gone.

    Args:
        choice: What was chosen.
        data: The task's datamodule, whose target is predicted.
        out: A folder that is not there yet, or empty.
        device: PyTorch's name of a device.

    Raises:
        AdaptError: The folder holds something, or cannot be written.
    """
    check_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise AdaptError(f"Expected to write {out}, could not ({error.strerror}). Give another --out.") from error
    try:
        _write(choice, data, draft, device)
        draft.chmod(0o755)
        if out.is_dir():
            out.rmdir()
        draft.replace(out)
    except OSError as error:
        raise AdaptError(f"Expected to write {out}, could not ({error.strerror}).") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(draft, ignore_errors=True)


def _write(choice: Choice, data: DomainDataModule, folder: Path, device: str) -> None:
    run = choice.chosen.run
    checkpoint = read_checkpoint(checkpoint_path(run.folder, choice.chosen.rule))
    state = type(data).__qualname__
    kept = {name: checkpoint[name] for name in (*_KEPT, state) if name in checkpoint}
    (folder / "checkpoints").mkdir()
    torch.save(kept, checkpoint_path(folder, "last"))
    # What only training needs is gone with the data.
    config = {
        "seed_everything": run.seed,
        "model": for_prediction(run.config["model"]),
        "data": run.config["data"],
        "run_dir": None,
        "ckpt_path": None,
    }
    (folder / CONFIG_FILE).write_text(to_yaml(config), encoding="utf-8")
    # From the folder itself, so that what it lacks is noticed here.
    model = load(folder, device=device)
    samples, names = target_samples(model, data)
    write_predictions(folder / "predictions.csv", [model.columns_of(samples)], model.problem, names)
    file, reason = exported(model, samples)
    if file is not None:
        (folder / EXPORT_FILE).write_bytes(file)
    about = {
        "data": run.config["data"]["class_path"],
        "arguments": _resolved(run.config["data"].get("init_args") or {}, model.data),
        "input_shape": list(model.data.input_shape),
        "class_names": model.class_names,
        # Without the arguments as they were given: those that follow from others would stand there as null.
        "statistics": _plain({name: value for name, value in kept.get(state, {}).items() if name != "arguments"}),
    }
    (folder / "preprocessing.json").write_text(_json(about), encoding="utf-8")
    (folder / "class_names.json").write_text(_json(model.class_names), encoding="utf-8")
    # Where the run began is no part of this folder: a stream through it has to know what labels were seen there.
    labels = run.setting or target_labels_of(run.config, run.folder) or setting_of(run.config)
    (folder / CHOICE_FILE).write_text(_json(choice.as_json() | {"target_labels": labels}), encoding="utf-8")
    card = model_card(
        choice,
        model.class_names,
        run.config["data"],
        reason,
        versions(),
        isinstance(model.problem, Regression),
        labels,
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def target_samples(model: TrainedModel, data: DomainDataModule) -> tuple[Any, list[str]]:
    """All samples of the target as a dataset of inputs, and their names.

    Args:
        model: The trained run.
        data: The task's datamodule.
    """
    path = data.inputs_path(data.target)
    if path is not None:
        return model.samples(path)
    data.predict_split = "all"
    names, _ = data.predicted_names()
    return data.predicted_inputs(), names


def _resolved(arguments: Mapping[str, Any], data: DomainDataModule) -> dict[str, Any]:
    """All arguments as the data took them: what was left out may follow from others, as `resize` from `image_size`."""
    found = dict(arguments)
    for kind in type(data).__mro__:
        for name in inspect.signature(kind.__init__).parameters:  # type: ignore[misc]  # the class is there already
            if found.get(name) is None and _is_plain(value := getattr(data, name, None)):
                found[name] = value
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) or (
        isinstance(value, list | tuple) and all(map(_is_plain, value))
    )


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str) else os.fspath(value)

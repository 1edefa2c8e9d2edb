"""`--trainer.precision`: bytes and odd types reach the network in its own type, in training and out of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.data import TensorDomain
from adapt.methods import TCA, WDGRL, LinearCORAL, Method, OTMapping, SourceOnly, SubspaceAlignment
from tests.toy import Shifted, samples, train


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "16-true"])
def test_images_train_test_and_predict_in_every_precision(precision: str, tmp_path: Path) -> None:
    words = "--data Digits --data.source optdigits --data.target optdigits_photo --data.image_size 16 --model CORAL"
    words += f" --model.backbone SmallCNN --trainer.max_steps 2 --trainer.precision {precision}"
    words += " --trainer.limit_val_batches 1 --trainer.enable_progress_bar false --trainer.enable_model_summary false"
    run = tmp_path / "run"
    assert main(["fit", *words.split(), "--run_dir", str(run)]) == 0
    assert main(["predict", "--config", str(run / "config.yaml")]) == 0


class Typed(Shifted):
    dtype: Any = torch.float64

    def domain(self, name: str, split: str) -> Any:
        x, y = samples(int(split == "test"), shifted=False)
        x = x if self.dtype in (torch.float64, torch.float16) else 9 * x
        whole = TensorDomain(x > 0 if self.dtype is torch.bool else x.to(self.dtype), y)
        return whole if split == "test" else self.holdout(whole, split)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.bool])
@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_inputs_of_every_type_become_the_network_s(dtype: torch.dtype, precision: str, tmp_path: Path) -> None:
    seen = set()

    class Watched(SourceOnly):
        def forward(self, x: torch.Tensor) -> Any:
            seen.add(x.dtype)
            return super().forward(x)

    module = type("Module", (Typed,), {"dtype": dtype})
    method, data, trainer = train(Watched, tmp_path, steps=2, module=module, trainer={"precision": precision})
    trainer.test(method, datamodule=data, verbose=False)
    trainer.predict(method, datamodule=data)
    assert seen == {torch.float64 if precision == "64-true" else torch.float32}


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
@pytest.mark.parametrize("method", [WDGRL, TCA, LinearCORAL, SubspaceAlignment, OTMapping])
def test_what_works_in_full_precision_beside_the_network_goes_on(
    method: type[Method], precision: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"components": 4} if method in (TCA, SubspaceAlignment) else {}
    trained, data, trainer = train(method, tmp_path, steps=2, trainer={"precision": precision}, **options)
    kept = {name: value.clone() for name, value in trained.named_buffers() if name.startswith("map.")}
    trainer.test(trained, datamodule=data, verbose=False)
    for name, value in kept.items():
        assert value.dtype in (torch.float32, torch.float64) and torch.equal(value, trained.get_buffer(name))


@pytest.mark.parametrize(
    "change", [lambda x: x.numpy()[:, ::-1], lambda x: x.numpy().astype(">f8"), lambda x: x.T.contiguous().T]
)
def test_arrays_in_any_layout_train(change: Any, tmp_path: Path) -> None:
    class Arrays(Shifted):
        def domain(self, name: str, split: str) -> Any:
            x, y = samples(0, shifted=False)
            rows = [(np.flip(row.numpy()), label) for row, label in zip(x, y, strict=True)]
            return rows if name == "target" else TensorDomain(change(x), y.numpy())

    train(SourceOnly, tmp_path, steps=2, module=Arrays)

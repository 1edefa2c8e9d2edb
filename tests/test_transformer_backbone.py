"""Text encoders from local folders: pooling, freezing, rates, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.backbones import MLP, TransformerBackbone
from adapt.errors import AdaptError
from adapt.methods import SourceOnly
from tests.texts import make_encoder

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


def texts(n: int = 3, length: int = 6) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    mask = (torch.arange(length) < torch.tensor([[length], [4], [2]])[:n]).to(torch.uint8)
    ids = torch.randint(5, 19, (n, length), generator=draw, dtype=torch.int32) * mask
    return {"ids": ids, "mask": mask}


def test_mean_pooling_is_transformers_own_hidden_states_averaged_over_the_words(folder: Path) -> None:
    from transformers import AutoModel

    x = texts()
    hidden = AutoModel.from_pretrained(folder).eval()(x["ids"], x["mask"]).last_hidden_state
    expected = torch.stack([h[: int(m.sum())].mean(0) for h, m in zip(hidden, x["mask"], strict=True)])
    assert torch.allclose(TransformerBackbone(str(folder)).eval()(x), expected, atol=1e-6)
    assert torch.allclose(TransformerBackbone(str(folder), "cls").eval()(x), hidden[:, 0], atol=1e-6)


def test_padding_changes_nothing(folder: Path) -> None:
    backbone, x = TransformerBackbone(str(folder)).eval(), texts()
    padded = {name: torch.nn.functional.pad(part, (0, 9)) for name, part in x.items()}
    assert torch.allclose(backbone(padded), backbone(x), atol=1e-6)


@pytest.mark.parametrize(("layers", "expected"), [(0, 0), (1, 1), (2, 2), (None, 3)])
def test_only_the_last_layers_train(folder: Path, layers: int | None, expected: int) -> None:
    backbone = TransformerBackbone(str(folder), trainable_layers=layers).train()
    blocks = backbone.blocks
    assert len(blocks) == 3
    assert {id(p) for block in blocks for p in block.parameters()} == {id(p) for p in backbone.parameters()}
    trained = [all(p.requires_grad for p in block.parameters()) for block in blocks]
    assert trained == [False] * (3 - expected) + [True] * expected
    if layers == 0:
        assert torch.equal(backbone(texts()), backbone(texts()))  # no dropout either
    else:
        backbone(texts()).sum().backward()


def test_rates_fall_from_layer_to_layer(folder: Path) -> None:
    options: dict[str, Any] = {"problem": 2, "backbone_lr_scale": 0.1}
    method = SourceOnly(backbone=TransformerBackbone(str(folder), layer_decay=0.5), **options)
    scales = [group["lr_scale"] for group in method.parameter_groups()]
    assert scales == pytest.approx([0.025, 0.05, 0.1, 1.0])
    trained = sum(len(group["params"]) for group in method.parameter_groups())
    assert trained == len(list(method.parameters()))
    few = SourceOnly(backbone=TransformerBackbone(str(folder), trainable_layers=1, layer_decay=0.5), **options)
    assert [group["lr_scale"] for group in few.parameter_groups()] == pytest.approx([0.1, 1.0])
    plain = SourceOnly(backbone=MLP((3,)), **options)
    assert [group["lr_scale"] for group in plain.parameter_groups()] == [0.1, 1.0]


def test_bf16_checkpointing_and_dropout_are_flags(folder: Path) -> None:
    exact = TransformerBackbone(str(folder)).eval()(texts())
    half = TransformerBackbone(str(folder), bf16=True).eval()(texts())
    assert half.dtype == torch.float32
    assert torch.allclose(half, exact, atol=0.05)
    assert not torch.equal(half, exact)
    again = TransformerBackbone(str(folder), gradient_checkpointing=True, dropout=0.0).train()
    found = again(texts())
    assert torch.allclose(found, exact, atol=1e-6)
    found.sum().backward()
    assert again.embeddings.grad is not None


def test_what_is_no_safe_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="config"):
        TransformerBackbone(str(tmp_path / "nothing"))
    pickled = make_encoder(tmp_path / "pickled")
    weights = pickled / "model.safetensors"
    torch.save({}, pickled / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(AdaptError, match="safetensors"):
        TransformerBackbone(str(pickled))
    hostile = make_encoder(tmp_path / "hostile")
    (hostile / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((hostile / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModel": "modeling_own.Own", "AutoConfig": "modeling_own.C"}}
    (hostile / "config.json").write_text(json.dumps(config))
    with pytest.raises(AdaptError, match="could not read"):
        TransformerBackbone(str(hostile))
    assert not (tmp_path / "ran").exists()
    for wrong in ({"trainable_layers": 3}, {"layer_decay": 0.0}, {"pooling": "max"}, {"dropout": 1.0}):
        with pytest.raises(AdaptError, match=r"Expected|pooling expects"):
            TransformerBackbone(str(folder), **wrong)
    with pytest.raises(AdaptError, match="dict of ids"):
        TransformerBackbone(str(folder))(torch.zeros(2, 3))

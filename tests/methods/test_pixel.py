"""The methods that change pixels: what they train on, and when they paint."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from adapt.data.batches import Labelled, Pair, Unlabelled
from adapt.errors import AdaptError
from adapt.layers import swap_amplitude
from adapt.methods import FDA, StyleTransfer
from adapt.methods.style_transfer import restyle
from tests.toy import build, train
from tests.zoo.pixel import SMALL, Painted

FAST = SMALL | {"paint_steps": 2, "max_images": 20}


def style_transfer(folder: Path, **options: Any) -> Any:
    method, data, _ = train(StyleTransfer, folder, module=Painted, steps=2, **FAST | options)
    return method, data


def source_images(data: Painted) -> Labelled:
    batches = [data.on_after_batch_transfer(b, 0) for b in data.domain_dataloader("source")]
    return Labelled(*(torch.cat(parts) for parts in zip(*(batch[:3] for batch in batches), strict=True)))


def test_fda_trains_on_swapped_pixels_of_normalised_inputs() -> None:
    draw = torch.Generator().manual_seed(0)
    source, target = torch.rand(6, 3, 16, 16, generator=draw), torch.rand(6, 3, 16, 16, generator=draw)
    method: Any = build(FDA, input_shape=(3, 16, 16), beta=0.2, mean=[0.5], std=[0.25])
    y = torch.arange(6) % 4
    batch = Pair(Labelled((source - 0.5) / 0.25, y, y), Unlabelled((target - 0.5) / 0.25, y))
    expected = (swap_amplitude(source, target, 0.2).clamp(0, 1) - 0.5) / 0.25
    torch.testing.assert_close(method.restyled(batch), expected)
    terms = method.losses(batch)
    torch.testing.assert_close(terms["source"], torch.nn.functional.cross_entropy(method(expected).logits, y))
    assert set(terms) == {"source", "entropy"}


def test_fda_refuses_inputs_that_are_not_pixels() -> None:
    method: Any = build(FDA, input_shape=(3, 16, 16))
    y = torch.zeros(2, dtype=torch.long)
    x = torch.randn(2, 3, 16, 16)
    with pytest.raises(AdaptError, match=r"--model\.mean"):
        method.losses(Pair(Labelled(x, y, y), Unlabelled(x, y)))
    with pytest.raises(AdaptError, match="beta"):
        build(FDA, beta=2.0)


def test_images_are_painted_once_for_all_seeds_and_anew_for_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []

    def counted(content: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        painted.append(len(content))
        return restyle(content, *args, **options)

    monkeypatch.setattr("adapt.methods.style_transfer.restyle", counted)
    cache = str(tmp_path / "cache")
    first, _ = style_transfer(tmp_path / "a", cache=cache, seed=0)
    second, _ = style_transfer(tmp_path / "b", cache=cache, seed=1)
    assert painted == [20]
    assert torch.equal(first._images, second._images)
    style_transfer(tmp_path / "c", cache=cache, paint_steps=1)
    style_transfer(tmp_path / "d", cache=cache, style_seed=1)
    assert painted == [20, 20, 20]
    assert len(list((tmp_path / "cache").glob("source-target-*.pt"))) == 3
    assert not list((tmp_path / "cache").glob("*.part"))
    for file in (tmp_path / "cache").glob("*.pt"):
        file.write_text("broken")
    with pytest.raises(AdaptError, match="Remove the file"):
        style_transfer(tmp_path / "e", cache=cache)


def test_a_run_that_finds_its_images_equals_the_one_that_painted_them(tmp_path: Path) -> None:
    options = {"cache": str(tmp_path / "cache"), "start": "noise", "keep": 0.5}
    one, _ = style_transfer(tmp_path / "a", **options)
    other, _ = style_transfer(tmp_path / "b", **options)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_every_sample_finds_its_own_restyled_image(tmp_path: Path) -> None:
    # A step of nothing but content leaves every image as it is, so that each must come back as itself.
    method, data = style_transfer(tmp_path, style_weight=0.0, smoothness=0.0)
    source = source_images(data)
    order = torch.randperm(len(source.x), generator=torch.Generator().manual_seed(0))
    shuffled = Labelled(*(part[order] for part in source[:3]))
    torch.testing.assert_close(method.restyled(shuffled), shuffled.x, atol=1 / 255, rtol=0)


def test_as_many_images_are_restyled_as_asked_for_and_as_many_kept(tmp_path: Path) -> None:
    method, data = style_transfer(tmp_path)
    source = source_images(data)
    changed = (method.restyled(source) != source.x).flatten(1).any(1)
    assert changed.sum() == 20
    assert torch.equal(changed.nonzero().flatten(), (method._row >= 0).nonzero().flatten())
    method.keep = 0.5
    torch.manual_seed(0)
    drawn = [(method.restyled(source) != source.x).flatten(1).any(1).sum() for _ in range(20)]
    assert 150 < sum(drawn) < 250
    method.keep, method.augmentation = 0.0, torch.nn.Threshold(1e9, 0.0)  # nothing reaches the threshold
    assert (method.restyled(source).flatten(1).sum(1) == 0).sum() == 20


def test_a_picture_shows_content_style_and_result(tmp_path: Path) -> None:
    style_transfer(tmp_path)
    with Image.open(tmp_path / "style.png") as image:
        width, height = image.size
    assert width > 6 * 96 and height > 3 * 96


def test_losses_before_training_and_wrong_values_are_named() -> None:
    method: Any = build(StyleTransfer, input_shape=(3, 16, 16))
    y = torch.zeros(2, dtype=torch.long)
    batch = Pair(Labelled(torch.rand(2, 3, 16, 16), y, y), Unlabelled(torch.rand(2, 3, 16, 16), y))
    with pytest.raises(AdaptError, match="fit first"):
        method.losses(batch)
    for wrong in ({"keep": 1.0}, {"max_images": 0}, {"paint_steps": 0}):
        with pytest.raises(AdaptError, match="expects keep"):
            build(StyleTransfer, **wrong)

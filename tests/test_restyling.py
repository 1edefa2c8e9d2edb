"""What the perceptual network sees, and pictures that are painted by it."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn

from adapt.errors import AdaptError
from adapt.layers import PerceptualFeatures, Pixels, perceptual_features, restyle, to_bytes
from adapt.losses import gram

WEIGHTS = Path(os.environ.get("ADAPT_DATA", "nowhere"), "weights", "squeezenet1_1.pth")


def pictures(n: int, side: int = 24, seed: int = 0) -> Tensor:
    """Smooth random colours, each picture's around one of its own."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 1, 1, generator=draw) + 0.3 * torch.randn(n, 3, 4, 4, generator=draw)
    return nn.functional.interpolate(coarse, (side, side), mode="bilinear").clamp(0, 1)


def relative_error(painted: Tensor, style: Tensor, layers: Sequence[int] = (1,)) -> Tensor:
    network = PerceptualFeatures(layers=layers)
    a, b = gram(network(painted)[0]), gram(network(style)[0])
    return (a - b).square().sum((1, 2)) / b.square().sum((1, 2))


def save_random_weights(path: Path) -> nn.Module:
    torch.manual_seed(5)
    whole: nn.Module = torchvision.models.get_model("squeezenet1_1").eval()
    torch.save({key: value.half() for key, value in whole.state_dict().items()}, path)
    whole.load_state_dict(torch.load(path, weights_only=True))
    return whole


def test_the_maps_are_the_whole_networks_and_no_later_layer_overwrites_them(tmp_path: Path) -> None:
    whole = save_random_weights(tmp_path / "w.pth")
    network = PerceptualFeatures(layers=(0, 1, 4), checkpoint=str(tmp_path / "w.pth"))
    pixels = pictures(2, 33)
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    found = network(pixels)
    x = (pixels - mean) / std
    expected = []
    for stage in list(whole.get_submodule("features").children())[:5]:
        x = stage(x.clone())
        expected.append(x.clone())
    expected[0] = nn.functional.conv2d((pixels - mean) / std, *whole.get_submodule("features.0").parameters(), stride=2)
    for a, b in zip(found, (expected[0], expected[1], expected[4]), strict=True):
        torch.testing.assert_close(a, b)
    assert len(network.features) == 5
    assert not any(p.requires_grad for p in network.parameters())
    torch.testing.assert_close(network(pixels[:, :1])[0], network(pixels[:, :1].expand(-1, 3, -1, -1))[0])


def test_a_network_without_weights_is_always_the_same_and_draws_nothing() -> None:
    torch.manual_seed(1)
    first, expected = PerceptualFeatures(), torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), expected)
    second = PerceptualFeatures()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_weights_are_found_beside_the_data_or_else_asked_of_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(AdaptError, match=r"could not download.*ADAPT_DATA/weights/squeezenet1_1\.pth"):
        perceptual_features("squeezenet1_1", (1,))
    (tmp_path / "weights").mkdir()
    whole = save_random_weights(tmp_path / "weights" / "squeezenet1_1.pth")
    found = perceptual_features("squeezenet1_1", (1,))
    assert torch.equal(next(found.features.parameters()), next(whole.parameters()))


def test_wrong_networks_layers_and_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="network expects"):
        PerceptualFeatures("resnet50")  # type: ignore[arg-type]
    for layers in ((), (4, 1), (1, 99), (-1,)):
        with pytest.raises(AdaptError, match="ascending"):
            PerceptualFeatures(layers=layers)
    with pytest.raises(AdaptError, match="both"):
        PerceptualFeatures(weights="DEFAULT", checkpoint="x.pth")
    with pytest.raises(AdaptError, match="found nothing"):
        PerceptualFeatures(checkpoint=str(tmp_path / "none.pth"))
    with pytest.raises(AdaptError, match="larger images"):
        PerceptualFeatures(layers=(7,))(torch.rand(1, 3, 8, 8))
    with pytest.raises(AdaptError, match="images"):
        PerceptualFeatures(layers=(1,))(torch.rand(1, 2, 8, 8))


@pytest.mark.parametrize(("solver", "start"), [("adam", "content"), ("adam", "noise"), ("lbfgs", "content")])
def test_a_painted_picture_has_the_style_and_stays_in_range(solver: str, start: str) -> None:
    content, style = pictures(2), pictures(2, 30, seed=1)
    losses: list[float] = []
    torch.manual_seed(0)
    painted = restyle(
        content,
        style,
        PerceptualFeatures(layers=(1,)),
        content_layer=1,
        steps=30,
        rate=0.05,
        solver=solver,  # type: ignore[arg-type]
        start=start,  # type: ignore[arg-type]
        progress=lambda step, loss: losses.append(loss),
    )
    assert painted.shape == content.shape and painted.min() >= 0 and painted.max() <= 1
    assert len(losses) == 30 and losses[-1] < 0.3 * losses[0]
    assert (relative_error(painted, style) < 0.3 * relative_error(content, style)).all()


def test_adam_paints_each_picture_of_a_batch_as_it_would_alone() -> None:
    content, style, network = pictures(3), pictures(3, seed=1), PerceptualFeatures(layers=(1, 3))
    together = restyle(content, style, network, content_layer=3, style_layers=[1], steps=4)
    alone = restyle(content[1:2], style[1:2], network, content_layer=3, style_layers=[1], steps=4)
    torch.testing.assert_close(together[1:2], alone, atol=1e-3, rtol=0)


def test_without_a_weight_for_style_nothing_changes_and_more_content_keeps_more() -> None:
    content, style, network = pictures(2), pictures(2, seed=1), PerceptualFeatures(layers=(1,))
    same = restyle(content, style, network, content_layer=1, steps=3, style_weight=0.0, smoothness=0.0)
    torch.testing.assert_close(same, content, atol=1e-6, rtol=0)
    near, far = (
        (restyle(content, style, network, content_layer=1, steps=20, content_weight=w) - content).abs().mean()
        for w in (1000.0, 1.0)
    )
    assert near < far


def test_what_does_not_fit_is_named() -> None:
    network, x = PerceptualFeatures(layers=(1,)), pictures(2)
    with pytest.raises(AdaptError, match="one style for each"):
        restyle(x, x[:1], network, content_layer=1)
    with pytest.raises(AdaptError, match="out of the network's"):
        restyle(x, x, network, content_layer=3)
    with pytest.raises(AdaptError, match="steps"):
        restyle(x, x, network, content_layer=1, steps=0)
    with pytest.raises(AdaptError, match="solver"):
        restyle(x, x, network, content_layer=1, solver="sgd")  # type: ignore[arg-type]


def test_pixels_go_and_come_back() -> None:
    pixels = Pixels("FDA", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    images = torch.rand(2, 3, 4, 5)
    inputs = torchvision.transforms.functional.normalize(images, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    torch.testing.assert_close(pixels.of(inputs), images)
    torch.testing.assert_close(pixels.back(images), inputs)
    torch.testing.assert_close(pixels.back(images + 2), pixels.back(torch.ones_like(images)))
    assert torch.equal(to_bytes(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0, 128, 255], dtype=torch.uint8))


def test_inputs_that_are_no_pixels_are_named() -> None:
    with pytest.raises(AdaptError, match=r"found \[-2, 2\]\. Give --model\.mean"):
        Pixels("FDA", None, None).of(torch.tensor([-2.0, 2.0]).expand(1, 3, 4, 2))
    with pytest.raises(AdaptError, match="images"):
        Pixels("FDA", None, None).of(torch.rand(4, 8))
    with pytest.raises(AdaptError, match="channels"):
        Pixels("FDA", (0.5, 0.5), (0.5, 0.5)).of(torch.rand(1, 3, 4, 4))
    for mean, std in (((0.5,), None), ((0.5,), (0.0,)), ((0.5,), (0.5, 0.5))):
        with pytest.raises(AdaptError, match="mean and std"):
            Pixels("FDA", mean, std)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs weights/squeezenet1_1.pth under ADAPT_DATA")
def test_trained_weights_load_and_paint() -> None:
    network = PerceptualFeatures(checkpoint=str(WEIGHTS))
    losses: list[float] = []
    restyle(
        pictures(1, 48), pictures(1, 48, 1), network, content_layer=4, steps=8, progress=lambda _, x: losses.append(x)
    )
    assert losses[-1] < 0.7 * losses[0]

"""Embedded class names as the output layer, and classes that no source image shows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from adapt.backbones import Identity, TransformerBackbone
from adapt.backbones.transformer import tokenise
from adapt.errors import AdaptError
from adapt.layers import AnchorHead, TextAnchors
from adapt.methods import DANN, MCD, MME, SHOT, LinearCORAL, SourceOnly
from adapt.problems import Classification, Regression, described_problem
from tests.texts import make_encoder
from tests.toy import Shifted, train

pytest.importorskip("transformers")
NAMES = ["good", "bad", "book", "pan"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_encoder(tmp_path_factory.mktemp("encoder")))


class Named(Shifted):
    """The toy, whose classes are words."""

    class_names = tuple(NAMES)


def test_anchors_are_the_mean_of_the_texts_vectors(encoder: str) -> None:
    described = {"pan": ["a very good pan", "the pan"]}
    given = TextAnchors(encoder, templates=["the {}", "a {} was it"], descriptions=described)
    assert given.texts(NAMES)[0] == ["the good", "a good was it"] and given.texts(NAMES)[3] == described["pan"]
    state = torch.get_rng_state()
    head = given.head(NAMES)
    assert torch.equal(state, torch.get_rng_state())
    read = TransformerBackbone(encoder).eval()
    with torch.no_grad():
        each = normalize(read(tokenise(["the bad", "a bad was it"], encoder, 16)), dim=1)
    assert torch.allclose(head.anchors[1], normalize(each.mean(0), dim=0), atol=1e-6)
    features = torch.randn(5, 16)
    wanted = torch.nn.functional.cosine_similarity(features[:, None], head.anchors[None], dim=2) / 0.05
    assert torch.allclose(head(features), wanted, atol=1e-4)
    assert not list(head.parameters())


def test_the_projection_trains_and_the_anchors_stay(tmp_path: Path, encoder: str) -> None:
    before = TextAnchors(encoder).head(NAMES).anchors
    method, _, _ = train(DANN, tmp_path, steps=3, module=Named, anchors=TextAnchors(encoder), discriminator_hidden=8)
    head: Any = method.classifier
    assert torch.equal(head.anchors, before) and method.num_features == 16
    assert any(p.requires_grad for p in method.bottleneck.parameters())


def test_shot_starts_from_an_anchored_source_run(tmp_path: Path, encoder: str) -> None:
    _, _, trainer = train(SourceOnly, tmp_path, steps=3, module=Named, bottleneck=8, anchors=TextAnchors(encoder))
    trainer.save_checkpoint(tmp_path / "start.ckpt")
    options: dict[str, Any] = {"bottleneck": 8, "anchors": TextAnchors(encoder), "module": Named}
    method, _, _ = train(SHOT, tmp_path, steps=3, init_from=str(tmp_path / "start.ckpt"), **options)
    assert method.started


@pytest.mark.parametrize("cls", [MCD, MME, LinearCORAL])
def test_methods_with_an_output_layer_of_their_own_refuse_anchors(cls: Any, encoder: str) -> None:
    with pytest.raises(AdaptError, match="anchors"):
        cls(problem=Classification(NAMES), backbone=Identity((8,)), anchors=TextAnchors(encoder))


def test_what_does_not_fit_is_refused(encoder: str) -> None:
    with pytest.raises(AdaptError, match="descriptions of the classes"):
        TextAnchors(encoder, descriptions={"fork": "a fork"}).head(NAMES)
    with pytest.raises(AdaptError, match="templates"):
        TextAnchors(encoder, templates=["a picture"])
    with pytest.raises(AdaptError, match="temperature"):
        TextAnchors(encoder, temperature=0.0)
    with pytest.raises(AdaptError, match="Expected classes"):
        SourceOnly(problem=Regression(["a"], [0.0], [1.0]), backbone=Identity((8,)), anchors=TextAnchors(encoder))


def test_seen_samples_say_nothing_of_an_unseen_class() -> None:
    problem = Classification(NAMES, unseen=["pan"])
    logits, y = torch.randn(6, 4, requires_grad=True), torch.tensor([0, 1, 2, 0, 1, 2])
    for smoothing in (0.0, 0.1):
        loss = problem.seen_loss(logits, y, label_smoothing=smoothing)
        alone = torch.nn.functional.cross_entropy(logits[:, :3], y, label_smoothing=smoothing)
        assert torch.allclose(loss, alone, atol=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert not gradient[:, 3].any() and torch.isfinite(gradient).all()
    of_unseen = torch.full((6,), 3)
    assert torch.allclose(
        problem.seen_loss(logits, of_unseen), torch.nn.functional.cross_entropy(logits, of_unseen), atol=1e-6
    )
    assert described_problem(problem.describe()).describe() == problem.describe()
    with pytest.raises(AdaptError, match="unseen"):
        Classification(NAMES, unseen=["fork"])


def test_a_margin_moves_seen_classes_alone_and_not_the_sources_loss(encoder: str) -> None:
    problem = Classification(NAMES, unseen=["pan"])
    plain, moved = (TextAnchors(encoder, calibration=margin).head(NAMES, problem.unseen) for margin in (0.0, 0.3))
    features, y = torch.randn(5, 16), torch.tensor([0, 1, 2, 1, 0])
    change = moved(features) - plain(features)
    assert torch.allclose(change[:, :3], torch.tensor(-0.3 / 0.05), atol=1e-4) and not change[:, 3].any()
    assert torch.allclose(problem.seen_loss(moved(features), y), problem.seen_loss(plain(features), y), atol=1e-4)


def test_an_unseen_class_is_left_out_of_the_source_and_measured_on_the_target(tmp_path: Path) -> None:
    data = Shifted("source", "target", unseen_classes=["b"])
    assert tuple(data.class_names) == ("a", "c", "d", "b") and data.problem.unseen == ("b",)
    data.setup("fit")
    pair = next(iter(data.batches()))
    assert set(pair.source.y.tolist()) == {0, 1, 2}
    target: Any = data.domain_samples("target", "test")
    assert set(target.y.tolist()) == {0, 1, 2, 3}
    method, used, trainer = train(SourceOnly, tmp_path, steps=20, data={"unseen_classes": ["b"]})
    found = {
        name: value for part in trainer.test(method, datamodule=used, verbose=False) for name, value in part.items()
    }
    assert {"test/target_unseen_accuracy", "test/target_seen_accuracy", "test/target_seen_unseen_mean"} <= set(found)


def test_misspelt_unseen_classes_are_named() -> None:
    with pytest.raises(AdaptError, match="unseen_classes out of a, b, c, d"):
        Shifted("source", "target", unseen_classes=["e"])
    with pytest.raises(AdaptError, match="each once"):
        Shifted("source", "target", unseen_classes=["b", "b"])
    with pytest.raises(AdaptError, match="found both"):
        Shifted("source", "target", unseen_classes=["b"], class_sets="open")


def test_a_head_of_ones_own_vectors() -> None:
    head = AnchorHead(torch.eye(3) * 7, temperature=1.0)
    assert torch.equal(head(torch.tensor([[0.0, 2.0, 0.0]])).argmax(1), torch.tensor([1]))

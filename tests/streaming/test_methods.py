"""Every method: better than the network that it started from, blind to labels, and the same after a stop."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from adapt.errors import AdaptError, DivergedError
from adapt.losses import entropy, sample_entropy
from adapt.streaming import LAME, METHODS, ROID, RoTTA, Source, StreamMethod
from adapt.streaming.base import batch_norm_layers
from adapt.streaming.memory import BalancedMemory
from adapt.streaming.run import run_stream
from adapt.streaming.target import source_batches
from adapt.training.model import data_of
from tests.streaming.toy import CLASSES, SAMPLES, build, images, prepare, streamed, target, trained

ADAPTING = [name for name in METHODS if name not in ("Source", "LAME")]


@pytest.mark.parametrize("name", ADAPTING)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_it_mends_a_shift_of_contrast_and_brightness(name: str, seed: int) -> None:
    arrivals = target(seed)
    before, after = streamed("Source", arrivals, seed).accuracy, streamed(name, arrivals, seed).accuracy
    assert before is not None
    assert after is not None
    assert before < 0.75
    assert after > before + 0.15, (before, after)


def test_lame_mends_noisy_predictions_where_neighbours_are_of_one_class() -> None:
    arrivals = target(scenario="correlated", noise=150.0, shifted=False)
    before, after = (streamed(name, arrivals).accuracy for name in ("Source", "LAME"))
    assert before is not None
    assert after is not None
    assert 0.4 < before < 0.95
    assert after > before + 0.02


@pytest.mark.parametrize("name", METHODS)
def test_labels_change_no_prediction_by_a_bit(name: str) -> None:
    y = images(200)[1]
    mixed = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(1))]
    found = [streamed(name, target(labels=labels)) for labels in (y, mixed, None)]
    for other in found[1:]:
        assert torch.equal(found[0].prediction, other.prediction)
        assert torch.equal(found[0].probability, other.probability)
    assert found[0].accuracy != found[1].accuracy
    assert found[2].accuracy is None


@pytest.mark.parametrize("name", METHODS)
def test_a_stopped_stream_goes_on_to_the_same_rows(name: str, tmp_path: Path) -> None:
    arrivals, place = target(), tmp_path / "stream.ckpt"
    whole = streamed(name, arrivals)

    def stop(number: int) -> None:
        if number == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stream(build(name), arrivals, 0, checkpoint=place, identity="a", seconds=0.0, after_batch=stop)
    numbers: list[int] = []
    torch.manual_seed(99)  # whatever ran before
    fresh = METHODS[name](trained(), prepare, **build_options(name))
    again = run_stream(fresh, arrivals, 0, checkpoint=place, identity="a", after_batch=numbers.append)
    assert numbers[0] == 9
    assert torch.equal(whole.prediction, again.prediction)
    assert torch.equal(whole.probability, again.probability)
    assert whole.batches == again.batches
    assert not place.exists()


def build_options(name: str) -> dict[str, object]:
    from tests.streaming.toy import OPTIONS

    return dict(OPTIONS.get(name, {}))


def test_a_checkpoint_of_another_stream_or_a_broken_one_is_left_unread(tmp_path: Path) -> None:
    arrivals, place = target(), tmp_path / "stream.ckpt"
    whole = streamed("TENT", arrivals)

    def stop(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stream(build("TENT"), arrivals, 0, checkpoint=place, identity="a", seconds=0.0, after_batch=stop)
    for content in (place.read_bytes(), b"cut off"):
        place.write_bytes(content)
        found = run_stream(build("TENT"), arrivals, 0, checkpoint=place, identity="another")
        assert torch.equal(found.prediction, whole.prediction)


def stopped(method: StreamMethod, place: Path) -> None:
    """Leave a checkpoint of a stream `a` in which the method has adapted."""

    def stop(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stream(method, target(), 0, checkpoint=place, identity="a", seconds=0.0, after_batch=stop)


def test_the_source_is_looked_at_whenever_a_stream_begins_at_its_first_batch(tmp_path: Path) -> None:
    place, whole = tmp_path / "stream.ckpt", streamed("EATA", target())
    begun: list[StreamMethod] = []

    def begin(method: StreamMethod) -> None:
        begun.append(method)
        method.begin(list(images(300)[0].split(64)))

    def again(identity: str) -> torch.Tensor:
        stopped(build("EATA"), place)
        fresh = METHODS["EATA"](trained(), prepare, **build_options("EATA"))
        return run_stream(fresh, target(), 0, checkpoint=place, identity=identity, begin=begin).probability

    assert torch.equal(again("a"), whole.probability)
    assert not begun  # the checkpoint has what was seen
    assert torch.equal(again("another"), whole.probability)
    assert len(begun) == 1


def test_a_checkpoint_that_fails_half_way_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, whole = tmp_path / "stream.ckpt", streamed("RoTTA", target())
    stopped(build("RoTTA"), place)
    content = torch.load(place, weights_only=True)
    del content["method"]["own"]["memory"]  # its weights and statistics are loaded by then
    torch.save(content, place)
    found = run_stream(build("RoTTA"), target(), 0, checkpoint=place, identity="a")
    assert torch.equal(found.probability, whole.probability)
    assert "RoTTA begins anew" in capsys.readouterr().out


@pytest.mark.parametrize("name", METHODS)
def test_the_run_that_it_came_from_stays_as_it_was(name: str) -> None:
    before = copy.deepcopy(trained().state_dict())
    streamed(name, target())
    assert all(torch.equal(value, before[key]) for key, value in trained().state_dict().items())
    assert all(p.requires_grad for p in trained().parameters())


@pytest.mark.parametrize("name", METHODS)
def test_single_samples_stream(name: str) -> None:
    # Vectors have no statistics of one sample; images have.
    method = build(name, **({"every": 8, "memory": 8} if name == "RoTTA" else {}))
    for row in images(200, shifted=True)[0][:10]:
        assert method(row[None]).shape == (1, CLASSES)


def test_tent_is_one_step_of_the_optimizer_down_the_batchs_entropy() -> None:
    method, reference = build("TENT", optimizer="sgd", lr=0.1), copy.deepcopy(trained())
    x = images(200, shifted=True)[0][:32]
    for layer in batch_norm_layers(reference):
        layer.train()
    trained_here = [p for layer in batch_norm_layers(reference) for p in layer.parameters()]
    logits = reference(prepare(x)).logits
    torch.testing.assert_close(method(x), logits.detach())
    gradients = torch.autograd.grad(entropy(logits), trained_here)
    for found, p, gradient in zip(method.trained, trained_here, gradients, strict=True):
        torch.testing.assert_close(found, p - 0.1 * gradient)


def test_eata_takes_certain_and_new_samples_alone() -> None:
    method = build("EATA", fisher=0.0, margin=1e-6)
    method(images(200, shifted=True)[0][:32])
    assert method.updates == 0  # none was certain enough
    method = build("EATA", fisher=0.0, margin=1.0, similarity=1e-9)
    method(images(200, shifted=True)[0][:32])
    method(images(200, shifted=True)[0][32:64])
    assert method.updates == 1  # after the first batch nothing is new
    assert len(build("EATA").importance) == len(build("EATA").trained)  # type: ignore[arg-type]


def test_eatas_penalty_holds_the_weights() -> None:
    def moved(fisher: float) -> float:
        method = build("EATA", fisher=fisher, similarity=1.0, margin=1.0, lr=0.05, optimizer="sgd")
        for x in images(200, shifted=True)[0].split(32):
            method(x)
        pairs = zip(method.trained, method.start, strict=True)  # type: ignore[arg-type]
        return sum(float((p - q).detach().square().sum()) for p, q in pairs)

    assert moved(3000.0) < 0.9 * moved(0.0)


def test_where_the_sources_files_are_gone_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    arguments = {"folder": "arrays", "source": "a", "target": "b", "root": str(tmp_path)}
    content = {"class_path": "Arrays", "init_args": arguments}
    with pytest.raises(AdaptError, match="found nothing there"):
        data_of(content)
    assert source_batches(content, 10, 4) == []
    method = METHODS["EATA"](trained(), prepare, **build_options("EATA"))
    method.begin([])
    assert method(images(200, shifted=True)[0][:32]).shape == (32, CLASSES)


def test_sar_comes_back_to_the_source_when_predictions_are_too_certain() -> None:
    method = build("SAR", recovery=0.9, margin=1.0)
    start = [p.detach().clone() for p in method.trained]
    method(images(200, shifted=True)[0][:32])
    assert method.recoveries == 1
    assert all(torch.equal(p, q) for p, q in zip(method.trained, start, strict=True))
    method = build("SAR", recovery=0.0, margin=1.0)
    method(images(200, shifted=True)[0][:32])
    assert method.recoveries == 0
    assert any(not torch.equal(p, q) for p, q in zip(method.trained, start, strict=True))


def test_sar_takes_the_gradient_at_the_sharpest_place_and_steps_from_where_it_was() -> None:
    method, reference = build("SAR", margin=1.0, recovery=0.0, optimizer="sgd", lr=0.1), build("TENT")
    x = images(200, shifted=True)[0][:32]
    start = [p.detach().clone() for p in reference.trained]
    loss = sample_entropy(reference.encode(x).logits).mean()
    gradients = torch.autograd.grad(loss, reference.trained)
    norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    with torch.no_grad():
        for p, g in zip(reference.trained, gradients, strict=True):
            p.add_(0.05 * g / norm)
    second = torch.autograd.grad(sample_entropy(reference.encode(x).logits).mean(), reference.trained)
    method(x)
    for p, q, g in zip(method.trained, start, second, strict=True):
        torch.testing.assert_close(p, q - 0.1 * g, rtol=1e-4, atol=1e-6)


def test_cotta_predicts_with_its_teacher_and_puts_weights_back() -> None:
    method = build("CoTTA", restore=1.0)
    for x in images(200, shifted=True)[0].split(32)[:3]:
        method(x)
    source = trained().state_dict()
    assert all(torch.equal(value, source[key]) for key, value in method.network.state_dict().items())
    # Put back after each step, the student still moved the teacher before it.
    assert any(not torch.equal(value, source[key]) for key, value in method.teacher.state_dict().items())


def test_the_memory_is_the_authors() -> None:
    # Their rule, written anew: per class a list, the majority or the own class gives up its highest score.
    generator = torch.Generator().manual_seed(0)
    memory, lists = BalancedMemory(8, 3), [[] for _ in range(3)]  # type: ignore[var-annotated]
    for number in range(200):
        label = int(torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), 1, generator=generator))
        uncertainty = float(torch.rand((), generator=generator))
        memory.add(torch.tensor(number), label, uncertainty)

        def score(item: tuple[int, float, int]) -> float:
            return 1 / (1 + math.exp(-item[2] / 8)) + item[1] / math.log(3)

        new = (number, uncertainty, 0)
        counts = [len(own) for own in lists]
        rivals: list[int] = []
        if counts[label] >= 8 / 3:
            rivals = [label]
        elif sum(counts) >= 8:
            rivals = [k for k in range(3) if counts[k] == max(counts)]
        if not rivals:
            lists[label].append(new)
        else:
            worst = max((item for k in rivals for item in lists[k]), key=score)
            if score(worst) > score(new):
                next(own for own in lists if worst in own).remove(worst)
                lists[label].append(new)
        lists = [[(n, u, age + 1) for n, u, age in own] for own in lists]
        expected = sorted((n, k, round(u, 9), age) for k, own in enumerate(lists) for n, u, age in own)
        assert sorted((int(i.x), i.label, round(i.uncertainty, 9), i.age) for i in memory.kept) == expected
    assert len(memory.kept) <= 9


def test_roid_stays_near_the_source() -> None:
    method = build("ROID", source_momentum=0.0)
    method(images(200, shifted=True)[0][:32])
    source = trained().state_dict()
    assert all(torch.equal(value, source[key]) for key, value in method.network.state_dict().items())


def test_rotta_predicts_a_sample_alike_whoever_comes_with_it() -> None:
    x = images(200, shifted=True)[0]
    found = [build("RoTTA")(rows)[0] for rows in (x[:16], x[[0, 40, 41]])]
    torch.testing.assert_close(found[0], found[1])


def test_a_collapse_is_warned_of_and_a_long_stream_without_one_is_not() -> None:
    class Stuck(StreamMethod):
        """Always the first class after a while, as TENT's end is; when TENT gets there hangs on the last digit."""

        def step(self, x: torch.Tensor) -> torch.Tensor:
            self.updates += 1
            chosen = torch.arange(len(x)) % CLASSES if self.updates <= 10 else torch.zeros(len(x), dtype=torch.long)
            return torch.eye(CLASSES)[chosen]

    long = target(rounds=4, noise=200.0, batch_size=8)
    (warned,) = run_stream(Stuck(trained()), long, 0).warnings
    assert warned.kind == "stream_collapse"
    assert "Stuck" in warned.text
    assert "lower its learning rate" in warned.text
    assert not streamed("BN1", long).warnings
    assert not streamed("Source", long).warnings


def test_tent_at_a_high_rate_ruins_a_long_stream() -> None:
    long = target(rounds=4, noise=200.0, batch_size=8)
    found, fixed = streamed("TENT", long, lr=1.0).accuracy, streamed("BN1", long).accuracy
    assert found is not None and fixed is not None and found < fixed - 0.2


def test_predictions_that_are_no_numbers_end_the_stream() -> None:
    class Broken(StreamMethod):
        def step(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x), CLASSES), torch.nan)

    with pytest.raises(DivergedError, match="Lower its learning rate"):
        run_stream(Broken(trained()), target(), 0)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda method, x: method.encode(x), "found a Encoding"),
        (lambda method, x: None, "found a NoneType"),
        (lambda method, x: method.encode(x).logits.argmax(1), r"found torch.int64 \(32,\)"),
        (lambda method, x: method.encode(x).logits[:-1], r"found torch.float32 \(31, 4\)"),
        (lambda method, x: method.encode(x).logits.repeat(1, 2), r"found torch.float32 \(32, 8\)"),
    ],
)
def test_what_an_own_method_returns_has_to_be_logits_of_its_batch(
    returned: Callable[[StreamMethod, torch.Tensor], object], said: str
) -> None:
    class Odd(StreamMethod):
        def step(self, x: torch.Tensor) -> torch.Tensor:
            return returned(self, x)  # type: ignore[return-value]  # what is to be refused

    with pytest.raises(AdaptError, match=rf"Expected logits \(32, 4\) from step\(x\) of Odd, {said}"):
        Odd(trained(), prepare)(images(200)[0][:32])


def test_inputs_that_are_not_finite_are_no_divergence() -> None:
    with pytest.raises(AdaptError, match="Expected finite inputs of TENT, found NaN or infinity in a batch of 32"):
        build("TENT")(images(200)[0][:32].float().log().log())


def test_a_network_without_batch_norm_and_odd_arguments_are_refused() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.classifier = nn.Flatten(), nn.Linear(SIDE_SQUARED, CLASSES)

    for name in ("BN1", "TENT", "EATA", "SAR", "RoTTA", "ROID"):
        with pytest.raises(AdaptError, match=r"SmallCNN"):
            METHODS[name](Plain(), prepare)
    with pytest.raises(AdaptError, match="lr above 0"):
        Source(trained(), prepare, lr=0.0)
    with pytest.raises(AdaptError, match="similarity"):
        METHODS["EATA"](trained(), prepare, similarity=0.0)
    with pytest.raises(AdaptError, match="margin"):
        METHODS["SAR"](trained(), prepare, margin=2.0)(images(200)[0][:8])
    with pytest.raises(AdaptError, match="views"):
        METHODS["CoTTA"](trained(), prepare, views=-1)
    with pytest.raises(AdaptError, match="every"):
        RoTTA(trained(), prepare, every=0)
    with pytest.raises(AdaptError, match="source_momentum"):
        ROID(trained(), prepare, source_momentum=2.0)
    assert LAME(trained(), prepare, neighbours=3)(images(200)[0][:8]).shape == (8, CLASSES)


SIDE_SQUARED = 144


def test_vectors_have_no_views() -> None:
    method = build("ROID")
    method.prepare = lambda x: prepare(x[:, None].reshape(-1, 1, 12, 12).to(torch.uint8))
    with pytest.raises(AdaptError, match="for random views"):
        method(torch.rand(SAMPLES, 144))


def of_parts(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Images as texts come: a dict, here with padding that nothing reads."""
    return {"ids": x.flatten(1), "mask": torch.ones(len(x), 5)}


@pytest.mark.parametrize(("name", "off"), [("CoTTA", "views"), ("RoTTA", "views"), ("ROID", "consistency")])
def test_texts_have_no_views_and_stream_without_them(name: str, off: str) -> None:
    def prepared(x: dict[str, torch.Tensor]) -> torch.Tensor:
        return prepare(x["ids"].reshape(-1, 1, 12, 12))

    x = of_parts(images(200, shifted=True)[0][:80])
    more = {"confidence": 1.0} if name == "CoTTA" else {}
    method = METHODS[name](trained(), prepared, **more)
    with pytest.raises(AdaptError, match="for random views, found inputs of several parts"):
        method(x)
    method = METHODS[name](trained(), prepared, **{off: False})
    assert method(x).shape == (80, CLASSES)
    assert method.updates == 1


def test_rottas_memory_refuses_texts_of_several_lengths() -> None:
    method = RoTTA(trained(), lambda x: prepare(x["ids"].reshape(-1, 1, 12, 12)), views=False)
    x = of_parts(images(200, shifted=True)[0][:80])
    method({key: part[:40] for key, part in x.items()})
    with pytest.raises(AdaptError, match="of one shape"):
        method({"ids": x["ids"][40:], "mask": torch.ones(40, 9)})

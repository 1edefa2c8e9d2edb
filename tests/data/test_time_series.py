"""Windows, splits by subject, standardisation, AdaTime's files and the synthetic wrist."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapt
from adapt.data import TimeSeries, standing_alone
from adapt.data.recordings import channels_first, cut_windows, read_adatime, synthetic_series
from adapt.data.time_series import read_recordings
from adapt.data.views import in_memory
from adapt.errors import AdaptError


def write_watch(root: Path, seed: int = 0) -> None:
    """Two wrists of eight subjects, twelve windows each, in the layout of the shared data."""
    for arm in ("left", "right"):
        draw = np.random.default_rng(seed)
        subject = np.repeat(np.arange(1, 9), 12)
        y = np.tile(np.arange(3), 32)
        x = (y[:, None, None] + draw.normal(size=(96, 2, 16))).astype("float16")
        x[:, 1] = 5 * x[:, 1] + (3 if arm == "right" else 0)
        names = np.array(["a", "b", "c"])
        np.savez(root / f"{arm}.npz", x=x, y=y, subject=subject, class_names=names, channels=np.array(["p", "q"]))


def windows(root: Path, **options: Any) -> TimeSeries:
    return TimeSeries(**{"source": "left", "target": "right", "root": str(root), "batch_size": 8} | options)


def test_windows_keep_within_recordings_and_take_the_majority_label() -> None:
    recording = np.repeat(["a", "b"], [10, 7])
    x, y = np.arange(34.0).reshape(17, 2), np.r_[np.zeros(6), np.ones(11)].astype(int)
    found, labels, starts = cut_windows(x, y, recording, length=4, stride=2)
    assert starts.tolist() == [0, 2, 4, 6, 10, 12]
    assert found.shape == (6, 2, 4)
    assert found[1].tolist() == x[2:6].T.tolist()
    # Of the third window two steps are of class 0, two of class 1: the smaller one wins.
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    for start in starts:
        assert len(set(recording[start : start + 4])) == 1
    with pytest.raises(AdaptError, match="longer than 10"):
        cut_windows(x, y, recording, length=11, stride=1)


def test_no_subject_is_in_two_splits_and_each_is_in_the_same_one_of_both_domains(tmp_path: Path) -> None:
    write_watch(tmp_path)
    data = windows(tmp_path)
    subject = np.repeat(np.arange(1, 9), 12)
    held: dict[str, list[set[int]]] = {}
    for name in ("left", "right"):
        rows = [[int(row) for row in data.sample_names(name, split)] for split in ("train", "val", "test")]
        assert sorted(row for part in rows for row in part) == list(range(96))
        held[name] = [set(subject[part].tolist()) for part in rows]
        assert sum(len(part) for part in held[name]) == 8
        assert len(data.domain(name, "test")) == 12 * len(held[name][2])  # type: ignore[arg-type]
    assert held["left"] == held["right"]
    assert windows(tmp_path, split_seed=1).sample_names("left", "test") != data.sample_names("left", "test")


def test_statistics_are_of_what_their_name_says(tmp_path: Path) -> None:
    write_watch(tmp_path)
    train = {name: windows(tmp_path, standardise="none").domain(name, "train").x for name in ("left", "right")}  # type: ignore[attr-defined]
    for kind, reference in (("source", "left"), ("domains", "right")):
        found = windows(tmp_path, standardise=kind).domain("right", "train").x  # type: ignore[attr-defined]
        mean, std = train[reference].mean((0, 2)), train[reference].std((0, 2))
        expected = (train["right"] - mean[:, None]) / std[:, None]
        assert torch.allclose(found, expected, atol=1e-5)
    each = windows(tmp_path, standardise="samples").domain("right", "test").x  # type: ignore[attr-defined]
    assert torch.allclose(each.mean(2), torch.zeros(len(each), 2), atol=1e-5)
    assert torch.allclose(each.std(2, correction=0), torch.ones(len(each), 2), atol=1e-4)


def test_a_silent_channel_is_not_blown_up(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2, 16)) * np.array([[1.0], [0.0]]) + np.array([[0.0], [0.1]])
    for name in ("left", "right"):
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(40) % 2)
    for kind in ("source", "domains", "samples"):
        assert windows(tmp_path, standardise=kind).domain("left", "train").x[:, 1].abs().max() < 1e-3  # type: ignore[attr-defined]


def test_new_windows_are_standardised_without_the_training_data(tmp_path: Path) -> None:
    write_watch(tmp_path)
    data = windows(tmp_path)
    kept = data.state_dict()
    np.savez(tmp_path / "new.npz", x=np.ones((5, 2, 16)))
    found, names = data.read_inputs(tmp_path / "new.npz")
    assert list(names) == ["0", "1", "2", "3", "4"]
    again = windows(tmp_path)
    again._statistics = {}
    again.load_state_dict(kept)
    assert torch.equal(again.read_inputs(tmp_path / "new.npz")[0][2][0], found[2][0])
    mean, std = data.statistics("source")
    assert torch.allclose(found[0][0][:, 0], (1 - mean) / std)
    np.savez(tmp_path / "other.npz", x=np.ones((5, 3, 16)))
    with pytest.raises(AdaptError, match="those of the training"):
        data.read_inputs(tmp_path / "other.npz")


def test_recordings_without_subjects_are_split_in_pieces_that_share_no_step(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("left", "right"):
        np.savez(tmp_path / f"{name}.npz", x=draw.normal(size=(400, 3)), y=np.arange(400) // 5 % 2)
    data = windows(tmp_path, length=10, stride=5)
    steps = []
    for split in ("train", "val", "test"):
        starts = [int(name.rpartition(":")[2]) for name in data.sample_names("left", split)]
        steps.append({step for start in starts for step in range(start, start + 10)})
    assert all(steps)
    assert not (steps[0] & steps[1] | steps[0] & steps[2] | steps[1] & steps[2])
    with pytest.raises(AdaptError, match="length"):
        windows(tmp_path)


def test_a_table_of_steps_has_its_channels_labels_and_subjects_by_name(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for name in ("left", "right"):
        frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(240, 2)), columns=["ax", "ay"])
        frame["label"], frame["subject"] = np.where(np.arange(240) // 30 % 2, "run", "walk"), np.arange(240) // 60
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    data = windows(tmp_path, length=12)
    assert data.class_names == ["run", "walk"]
    assert data.input_shape == (2, 12)
    assert {name.partition(":")[0] for name in data.sample_names("left", "test")} < {"0", "1", "2", "3"}


def test_endings_may_be_in_capitals_and_a_domain_has_one_file(tmp_path: Path) -> None:
    write_watch(tmp_path)
    table = "ax,label\n" + "".join(f"{k},{k // 40}\n" for k in range(80))
    (tmp_path / "odd.CSV").write_text(table)
    assert read_recordings(tmp_path / "odd.CSV").columns == ("ax",)
    assert "odd" in windows(tmp_path).known_domains
    assert len(windows(tmp_path)._recordings("odd").x) == 80
    (tmp_path / "odd.tsv").write_text(table.replace(",", "\t"))
    with pytest.raises(AdaptError, match=r"one file of 'odd', found odd\.CSV and odd\.tsv"):
        windows(tmp_path, source="odd", length=8)


def test_channels_of_a_table_are_taken_by_their_names(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=["ax", "ay", "az"])
    frame["label"] = np.where(np.arange(240) // 30 % 2, "run", "walk")
    frame.to_csv(tmp_path / "left.csv", index=False)
    frame[["az", "label", "ax", "ay"]].to_csv(tmp_path / "right.csv", index=False)
    data = windows(tmp_path, length=12)
    one, other = (in_memory(data.domain(name, "test")) for name in ("left", "right"))
    assert one is not None and other is not None and torch.equal(one[0], other[0])
    with standing_alone(data.state_dict()):
        alone = TimeSeries("left", "right", root=str(tmp_path / "gone"), length=12)
    frame.assign(note="x")[["note", "ay", "az", "ax"]].to_csv(tmp_path / "new.csv", index=False)
    known, new = (in_memory(alone.read_inputs(tmp_path / f"{name}.csv")[0]) for name in ("left", "new"))
    assert known is not None and new is not None and torch.equal(known[0], new[0])
    frame.rename(columns={"az": "gz"}).to_csv(tmp_path / "right.csv", index=False)
    with pytest.raises(AdaptError, match="found 'gz' and no 'az'"):
        windows(tmp_path, length=12)


@pytest.mark.parametrize("name", ["time", "Timestamp", "time_ms", "time (s)"])
def test_a_clock_is_no_channel_and_parts_recordings(tmp_path: Path, name: str) -> None:
    pandas = pytest.importorskip("pandas")
    for domain in ("left", "right"):
        frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(240, 2)), columns=["ax", "ay"])
        frame["label"], frame[name] = np.where(np.arange(240) // 30 % 2, "run", "walk"), np.arange(240) % 60 / 50
        frame.to_csv(tmp_path / f"{domain}.csv", index=False)
    with pytest.warns(UserWarning, match="a clock and no channel; it falls 3 times, where another recording begins"):
        data = windows(tmp_path, length=12)
    assert data.input_shape == (2, 12)
    names = [name for split in ("train", "val", "test") for name in data.sample_names("left", split)]
    # None of them reaches from one recording of 60 steps to the next.
    assert {part for part, _, _ in (each.partition(":") for each in names)} == {"0", "1", "2", "3"}
    assert all(int(start) % 60 <= 48 for _, _, start in (each.partition(":") for each in names))


def test_a_clock_without_a_sign_parts_recordings_too(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(240, 2)), columns=["ax", "ay"])
    frame["label"], frame["time"] = np.arange(240) // 30 % 2, (np.arange(240) % 60).astype(np.uint64)
    frame.to_parquet(tmp_path / "left.parquet")
    with pytest.warns(UserWarning, match="it falls 3 times"):
        recording = read_recordings(tmp_path / "left.parquet").recording
    assert recording is not None and len(set(recording)) == 4


def test_a_date_in_words_is_left_out_and_a_name_that_begins_like_a_clock_is_not(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for domain in ("left", "right"):
        frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(240, 2)), columns=["ax", "timer"])
        frame["label"], frame["date"] = np.arange(240) // 30 % 2, "2026-11-28T09:00:00"
        frame.to_csv(tmp_path / f"{domain}.csv", index=False)
    with pytest.warns(UserWarning, match="Left out 'date' of left.csv"):
        assert windows(tmp_path, length=12).input_shape == (2, 12)


def test_no_window_reaches_from_one_person_to_the_next_or_over_a_gap(tmp_path: Path) -> None:
    # Subject 1 is there twice; everybody's recording is called monday.
    subject = np.repeat([1, 2, 1, 3, 4], 20)
    x = np.arange(200.0).reshape(100, 2)
    for name in ("left", "right"):
        np.savez(tmp_path / f"{name}.npz", x=x, y=subject % 2, subject=subject, recording=np.full(100, "monday"))
    data = windows(tmp_path, length=8, stride=4, standardise="none", source="left/1+3+4", batch_size=2)
    found = torch.cat([data.domain("left/1+3+4", split).x for split in ("train", "val", "test")])  # type: ignore[attr-defined]
    assert len(found) == 4 * 4
    assert (found.diff(dim=2) == 2).all()
    assert all(len(set((row[0] / 2).long().div(20, rounding_mode="floor").tolist())) == 1 for row in found)


def test_some_subjects_are_a_domain_and_the_whole_target_can_be_trained_on(tmp_path: Path) -> None:
    write_watch(tmp_path)
    data = windows(tmp_path, source="left/1+2+3+4", target="left/5+6", transductive=True)
    assert len(data.domain("left/5+6", "train")) == len(data.domain("left/5+6", "test")) == 24  # type: ignore[arg-type]
    assert data.task == "left/1+2+3+4-left/5+6"
    with pytest.raises(AdaptError, match="found 9"):
        windows(tmp_path, source="left/9")
    with pytest.raises(AdaptError, match="Did you mean 'left'"):
        windows(tmp_path, source="lefft")


@pytest.mark.parametrize("layout", ["channels first", "channels last", "arrays"])
def test_adatimes_files_keep_their_splits(tmp_path: Path, layout: str) -> None:
    draw = torch.Generator().manual_seed(0)
    for split, n in (("train", 40), ("test", 20)):
        for person in (2, 11):
            x, y = torch.randn(n, 9, 32, generator=draw, dtype=torch.float64), torch.arange(n) % 6
            samples: Any = x.mT.contiguous() if layout == "channels last" else x
            content = {"samples": samples.numpy(), "labels": y.numpy()} if layout == "arrays" else None
            torch.save(content or {"samples": samples, "labels": y.double()}, tmp_path / f"{split}_{person}.pt")
    data = windows(tmp_path, source="2", target="11", classes=list("abcdef"))
    assert data.known_domains[:2] == ["11", "2"]
    assert data.input_shape == (9, 32)
    assert [len(data.domain("2", split)) for split in ("train", "val", "test")] == [36, 4, 20]  # type: ignore[arg-type]
    first = read_adatime(tmp_path / "train_2.pt")[0]
    assert np.array_equal(channels_first(first, 9).mean(2).round(4), channels_first(first).mean(2).round(4))
    (tmp_path / "test_2.pt").unlink()
    with pytest.raises(AdaptError, match=r"test_2\.pt"):
        windows(tmp_path, source="2", target="11")


class Hostile:
    def __reduce__(self) -> Any:
        return (print, ("ran",))


def test_an_adatime_file_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"samples": Hostile(), "labels": torch.zeros(3)}, tmp_path / "train_1.pt")
    with pytest.raises(AdaptError, match="could not read it"):
        read_adatime(tmp_path / "train_1.pt")
    assert "ran" not in capsys.readouterr().out


def test_the_synthetic_wrist_needs_no_file_and_is_the_same_every_time() -> None:
    data = TimeSeries(batch_size=16)
    assert data.input_shape == (3, 128)
    assert "synthetic" in str(synthetic_series.__doc__)
    synthetic_series.cache_clear()
    x = synthetic_series("synthetic").x
    synthetic_series.cache_clear()
    assert np.array_equal(x, synthetic_series("synthetic").x)
    data.setup("fit")
    assert next(iter(data.train_dataloader().source)).x.shape == (16, 3, 128)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"y": np.zeros(3)}, "array x"),
        ({"x": np.zeros((3, 2)), "class_names": np.array(["a", "b", "c"])}, "length"),
        ({"x": np.zeros((9, 2, 8)), "y": np.zeros(4)}, "9 values"),
        ({"x": np.zeros((9, 2, 8)), "y": np.zeros(9), "label": np.zeros(9)}, "found label and y"),
        ({"x": np.zeros((9, 2, 8)), "y": np.full(9, 0.5)}, "fractions"),
        ({"x": np.full((9, 2, 8), "a")}, "numbers"),
    ],
)
def test_odd_files_are_named(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    write_watch(tmp_path)
    np.savez(tmp_path / "odd.npz", **content)
    with pytest.raises(AdaptError, match=words):
        windows(tmp_path, source="odd")


def test_few_labelled_windows_are_not_tested_on_where_the_target_is_its_own_test_set() -> None:
    few = {"shots": 2, "batch_size": 8}
    made = TimeSeries("synthetic", "synthetic_turned", transductive=True, **few)  # type: ignore[arg-type]
    whole = TimeSeries("synthetic", "synthetic_turned", transductive=True, batch_size=8)
    tested = [sum(len(batch.y) for batch in data.test_dataloader()[1]) for data in (made, whole)]
    assert tested[1] - tested[0] == 2 * len(made.class_names)


def test_subjects_and_labels_do_not_depend_on_how_a_file_writes_them(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y, subject = draw.normal(size=(96, 2, 16)), np.tile(np.arange(3), 32), np.repeat(np.arange(8), 12)
    names = np.array(["run", "sit", "walk"])
    np.savez(tmp_path / "a.npz", x=x, y=names[y], subject=subject)
    # Bytes with spaces, and numbers that are floats, as MATLAB writes all of them.
    np.savez(tmp_path / "b.npz", x=x, y=np.array([f"{name} " for name in names[y]]).astype("S"), subject=subject * 1.0)
    data = windows(tmp_path, source="a", target="b")
    assert list(data.class_names) == list(names) and data.class_sets is None
    for split in ("train", "val", "test"):
        assert data.sample_names("a", split) == data.sample_names("b", split)
    assert windows(tmp_path, source="a", target="b/1+2+3").task == "a-b/1+2+3"
    for name, form in (("a", "NFC"), ("b", "NFD")):
        people = np.array([unicodedata.normalize(form, f"Jürgen {number}") for number in subject])
        np.savez(tmp_path / f"{name}.npz", x=x, y=y, subject=people)
    data = windows(tmp_path, source="a", target="b")
    for split in ("train", "val", "test"):
        assert data.sample_names("a", split) == data.sample_names("b", split)
    assert len(windows(tmp_path, source="a", target="b/Jürgen 1").sample_names("b/Jürgen 1", "train")) > 0
    with pytest.raises(AdaptError, match="one that another domain has, too, is in one split of both"):
        windows(tmp_path, source="a", target="b/Jürgen 1", batch_size=4).val_dataloader()
    np.savez(tmp_path / "c.npz", x=x, y=np.where(y == 1, np.inf, y))
    with pytest.raises(AdaptError, match="infinity"):
        windows(tmp_path, source="c", target="b")


@pytest.mark.parametrize("standardise", ["source", "domains", "samples", "none"])
def test_one_broken_window_is_named_and_does_not_spoil_the_others(tmp_path: Path, standardise: Any) -> None:
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        x = draw.normal(size=(60, 2, 16)).astype(np.float32)
        if name == "a":
            x[23, 1, 4] = np.nan
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(60) % 2, split=np.array(["train"] * 50 + ["test"] * 10))
    data = windows(tmp_path, source="a", target="b", standardise=standardise, batch_size=8)
    with pytest.raises(AdaptError, match=r"in 1 training samples of 'a', the first at position \d+ \('23'\)"):
        data.setup("fit")


def test_axes_that_seem_swapped_are_warned_of(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", x=np.random.default_rng(0).normal(size=(60, 128, 9)), y=np.arange(60) % 2)
    with pytest.warns(UserWarning, match=r"128 channels of 9 steps.* swap the axes"):
        windows(tmp_path, source="a", target="b").setup("fit")


def test_a_trained_run_predicts_a_file_and_the_same_windows_in_python_alike(tmp_path: Path) -> None:
    write_watch(tmp_path)
    model = adapt.fit(
        "SourceOnly", windows(tmp_path), max_steps=3, backbone="CNN1D", run_dir=tmp_path / "run", device="cpu"
    )
    with np.load(tmp_path / "right.npz") as file:
        x = file["x"]
    for found in (model, adapt.load(tmp_path / "run", device="cpu")):
        np.testing.assert_allclose(found.predict_proba(x), found.predict_proba(tmp_path / "right.npz"), atol=1e-5)


@pytest.mark.parametrize("labels", [(1, 2, 3), (10, 20, 30)])
def test_labels_that_do_not_start_at_0_are_the_classes(tmp_path: Path, labels: tuple[int, ...]) -> None:
    for name, own in (("left", labels), ("right", labels[1:])):
        y = np.resize(own, 60)
        np.savez(tmp_path / f"{name}.npz", x=np.random.default_rng(0).normal(size=(60, 2, 16)) + y[:, None, None], y=y)
    data = windows(tmp_path)
    assert data.class_names == [str(label) for label in labels]
    found = in_memory(data.domain("right", "test"))
    assert found is not None and set(found[1].tolist()) == {1, 2}


def test_one_new_recording_is_cut_as_a_whole(tmp_path: Path) -> None:
    for name in ("left", "right"):
        lines = [f"{step % 7},{step % 5},{step // 500}" for step in range(1000)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    data = windows(tmp_path, length=64)
    (tmp_path / "new.csv").write_text("\n".join(["a,b", *(f"{step % 7},{step % 5}" for step in range(500))]) + "\n")
    found, names = data.read_inputs(tmp_path / "new.csv")
    assert list(names) == [str(start) for start in range(0, 500 - 63, 32)] and len(found) == len(names)  # type: ignore[arg-type]


def test_a_window_with_a_spike_changes_no_other_window(tmp_path: Path) -> None:
    write_watch(tmp_path)
    data = windows(tmp_path, standardise="samples")
    x = torch.randn(4, 2, 16)
    alone = data.standardised(x, "left")
    x[0, 0, 0] = 1e9
    assert torch.equal(data.standardised(x, "left")[1:], alone[1:])


def test_a_domain_of_one_window_is_refused_as_too_small(tmp_path: Path) -> None:
    write_watch(tmp_path)
    np.savez(tmp_path / "one.npz", x=np.zeros((1, 2, 16)), y=[0])
    with pytest.raises(AdaptError, match="'one'"):
        windows(tmp_path, target="one").setup("fit")


def test_a_subject_of_two_domains_that_differ_is_in_one_split_of_both(tmp_path: Path) -> None:
    people = {"left": np.repeat(np.arange(20), 6), "right": np.repeat(np.arange(10, 25), 6)}
    for name, subject in people.items():
        x = np.random.default_rng(0).normal(size=(len(subject), 2, 16))
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(len(x)) % 2, subject=subject)
    data = windows(tmp_path)
    parts = {
        split: [{int(people[name][int(row)]) for row in data.sample_names(name, split)} for name in people]
        for split in ("train", "val", "test")
    }
    for split, others in (("train", ("val", "test")), ("val", ("test",))):
        assert not set.union(*parts[split]) & set.union(*(own for other in others for own in parts[other]))
    assert all(parts[split][k] for split in parts for k in (0, 1))


def test_labels_under_another_name_are_missed_and_not_made_a_channel(tmp_path: Path) -> None:
    for column, words in (
        ("Label", "`label` in small letters .*'Label'"),
        ("kind", "labels of the source 'left' as `y` or"),
    ):
        for name in ("left", "right"):
            lines = [f"{step % 7},{step % 5},{step // 500}" for step in range(1000)]
            (tmp_path / f"{name}.csv").write_text("\n".join([f"a,b,{column}", *lines]) + "\n")
        with pytest.raises(AdaptError, match=words):
            windows(tmp_path, length=64)

"""Scans as people have them: read to the same values from every format, split by patient, new ones as the target's."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapt
from adapt.cli import main
from adapt.data import Volumes, standing_alone
from adapt.data.scans import matched, read_scan, resampled, scans_below, windowed
from adapt.data.views import in_memory
from adapt.errors import AdaptError, SampleError

SHAPE = (4, 6, 8)


def scan(seed: int, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write(path: Path, values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.name.endswith((".nii", ".nii.gz")):
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(values.transpose(), np.eye(4)), path)
    else:
        write_series(path, values)
    return path


def write_series(folder: Path, values: Any, slope: float = 2.0, intercept: float = -100.0) -> None:
    """Slices whose names are in no order, stored as bytes of half the value plus 50."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid()
    for k, part in enumerate(values):
        item = pydicom.Dataset()
        item.file_meta = FileMetaDataset()
        item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item.SOPClassUID = item.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        item.SeriesInstanceUID, item.InstanceNumber = series, 1
        item.ImageOrientationPatient, item.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, -10 + 3 * k]
        item.Rows, item.Columns = part.shape
        item.SamplesPerPixel, item.PhotometricInterpretation = 1, "MONOCHROME2"
        item.BitsAllocated = item.BitsStored = 16
        item.HighBit, item.PixelRepresentation = 15, 0
        item.RescaleSlope, item.RescaleIntercept = slope, intercept
        item.PixelData = np.round((part - intercept) / slope).astype(np.uint16).tobytes()
        item.save_as(folder / f"{(7 * k) % 5}{k}.dcm", enforce_file_format=True)


def hospital(root: Path, name: str, n: int = 12, shift: float = 0.0, labels: bool = True) -> None:
    """Patients with two scans each: those of class `sick` have a bright corner."""
    for k in range(n):
        for visit in range(2):
            values = scan(100 * n + 2 * k + visit)
            values[:2, :3, :4] += 4 * (k % 2)
            place = root / name / ("sick" if k % 2 else "well") if labels else root / name
            write(place / f"p{k}" / f"{visit}.npy", 3 * values + shift)


def hospitals(root: Path, **options: Any) -> Volumes:
    if not root.exists():
        hospital(root, "a")
        hospital(root, "b", 10, 7.0)
    return Volumes("a", "b", root=str(root), **{"shape": SHAPE, "batch_size": 4} | options)


@pytest.mark.parametrize("kind", ["p.npy", "p.nii", "p.nii.gz", "series"])
def test_every_format_is_read_to_the_same_values(kind: str, tmp_path: Path) -> None:
    values = np.round(20 * scan(0)).astype(np.float32) * 2
    found = read_scan(write(tmp_path / kind, values), 3)
    assert found.dtype == np.float32 and found.shape == (1, *SHAPE)
    np.testing.assert_array_equal(found[0], values)


def test_channels_come_first_and_images_have_two_axes(tmp_path: Path) -> None:
    both = np.stack([scan(0), scan(1)])
    np.testing.assert_array_equal(read_scan(write(tmp_path / "a.npy", both), 3), both)
    np.testing.assert_array_equal(read_scan(write(tmp_path / "a.nii", both), 3), both)
    assert read_scan(write(tmp_path / "b.npy", scan(0)), 2).shape == SHAPE
    write_series(tmp_path / "slices", np.round(20 * scan(0)) * 2)
    assert read_scan(next((tmp_path / "slices").glob("*.dcm")), 2).shape == (1, *SHAPE[1:])


def test_channels_that_stand_last_are_channels_and_no_axis_of_the_body(tmp_path: Path) -> None:
    volume, picture = np.zeros((8, 9, 10, 1)), np.arange(9 * 10 * 3).reshape(9, 10, 3)
    assert read_scan(write(tmp_path / "v.npy", volume), 3).shape == (1, 8, 9, 10)
    found = read_scan(write(tmp_path / "p.npy", picture), 2)
    np.testing.assert_array_equal(found, picture.transpose(2, 0, 1))
    many = np.zeros((13, 19, 20))  # of a satellite
    assert read_scan(write(tmp_path / "m.npy", many), 2).shape == (13, 19, 20)
    tile, block = scan(0, (16, 16, 12)), scan(0, (9, 9, 9, 6))
    np.testing.assert_array_equal(read_scan(write(tmp_path / "t.npy", tile), 2), tile.transpose(2, 0, 1))
    assert read_scan(write(tmp_path / "b.npy", block), 3).shape == (6, 9, 9, 9)
    assert read_scan(write(tmp_path / "s.npy", np.zeros((200, 9, 9))), 2).shape == (200, 9, 9)
    with pytest.warns(UserWarning, match="16 channels of 12 × 6.*put them first"):
        assert read_scan(write(tmp_path / "o.npy", np.zeros((16, 12, 6))), 2).shape == (16, 12, 6)
    steps = np.zeros((200, 9, 9, 6), np.float32)  # a NIfTI file says which axis its steps are
    assert read_scan(write(tmp_path / "f.nii", steps), 3).shape == (200, 9, 9, 6)


@pytest.mark.parametrize("signed", [0, 1])
def test_dicom_files_of_which_low_values_are_bright_are_turned_around(signed: int, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    values = np.arange(12).reshape(1, 3, 4) * 2.0 - 100
    write_series(tmp_path / "plain", values)
    write_series(tmp_path / "turned", values)
    path = next((tmp_path / "turned").glob("*.dcm"))
    item = pydicom.dcmread(path)
    item.PhotometricInterpretation, item.PixelRepresentation = "MONOCHROME1", signed
    stored = np.arange(12).astype(np.int64)
    item.PixelData = (-1 - stored if signed else 65535 - stored).astype(np.int16 if signed else np.uint16).tobytes()
    item.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(read_scan(path, 2)[0], values[0])
    np.testing.assert_array_equal(read_scan(tmp_path / "plain", 2)[0], values[0])


def test_a_series_with_two_slices_at_one_place_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "slices", np.zeros((3, 4, 5)))
    pydicom = pytest.importorskip("pydicom")
    first = next((tmp_path / "slices").glob("*.dcm"))
    pydicom.dcmread(first).save_as(tmp_path / "slices" / "copy.dcm", enforce_file_format=True)
    with pytest.raises(SampleError, match="several slices at"):
        read_scan(tmp_path / "slices", 3)


def test_a_series_that_lacks_slices_is_read_with_a_warning(tmp_path: Path) -> None:
    write_series(tmp_path / "slices", np.zeros((6, 4, 5)))
    sorted((tmp_path / "slices").glob("*2.dcm"))[0].unlink()  # the third of six
    with pytest.warns(
        UserWarning, match="1 of 4 gaps between slices are larger than the usual 3 mm, the first one 6 mm"
    ):
        assert read_scan(tmp_path / "slices", 3).shape == (1, 5, 4, 5)


def test_a_turned_nifti_file_is_turned_back(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    values = scan(0)
    turned = nibabel.Nifti1Image(values.transpose()[::-1], np.diag([-1.0, 1, 1, 1]))
    nibabel.save(turned, tmp_path / "a.nii")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii", 3)[0], values)


def test_a_window_and_a_smaller_shape_are_what_they_say() -> None:
    values = np.arange(16, dtype=np.float32).reshape(1, 2, 2, 4)
    np.testing.assert_allclose(windowed(values, 8, 4), np.clip((values - 6) / 4, 0, 1))
    np.testing.assert_allclose(
        resampled(values, (1, 1, 2)), values.reshape(1, 2, 2, 2, 2).mean((1, 2, 4))[:, None, None]
    )
    assert resampled(values, (4, 4, 4)).shape == (1, 4, 4, 4)


def test_matching_is_scikit_images_and_takes_a_scanners_contrast_away() -> None:
    exposure = pytest.importorskip("skimage.exposure")
    one, other = scan(0), scan(1)
    levels = np.sort(one.reshape(-1))[None]
    found = matched(np.exp(other)[None], levels)[0]
    np.testing.assert_allclose(found, exposure.match_histograms(np.exp(other), one), atol=1e-5)
    # A growing map of the intensities changes nothing.
    np.testing.assert_allclose(found, matched(other[None], levels)[0], atol=1e-4)


@pytest.mark.parametrize("test_fraction", [0.2, 0.5])
def test_no_patient_is_in_two_splits(test_fraction: float, tmp_path: Path) -> None:
    data = hospitals(tmp_path / "data", test_fraction=test_fraction)
    for name in ("a", "b"):
        splits = [data.sample_names(name, split) for split in ("train", "val", "test")]  # type: ignore[arg-type]
        patients = [{path.split("/")[2] for path in split} for split in splits]
        assert all(patients) and sum(map(len, patients)) == len(set.union(*patients))
        assert sum(map(len, splits)) == (24 if name == "a" else 20)
    assert data.class_names == ["sick", "well"] and data.input_shape == (1, *SHAPE)


def test_a_patient_may_stand_in_the_files_name(tmp_path: Path) -> None:
    for k in range(6):
        for side in "lr":
            for name in "ab":
                write(tmp_path / name / ("x" if k % 2 else "y") / f"p{k}_{side}.npy", scan(k))
    data = hospitals(tmp_path, patient_pattern=r"^(p\d+)_")
    assert data._whole("a").arrays.groups.tolist()[:4] == ["p1", "p1", "p3", "p3"]  # type: ignore[union-attr]
    with pytest.raises(AdaptError, match="patient_pattern"):
        hospitals(tmp_path, patient_pattern=r"^(q\d+)_")


def test_a_list_says_the_same_as_folders(tmp_path: Path) -> None:
    data = hospitals(tmp_path / "data")
    rows = [
        {"path": f"data/{path}", "label": path.split("/")[1], "patient": path.split("/")[2], "domain": name}
        for name in ("a", "b")
        for path in data._listing(name).arrays.names
    ]
    with (tmp_path / "all.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    listed = hospitals(tmp_path, file="all.csv")
    for split in ("train", "test"):
        found, expected = (in_memory(d.domain("b", split)) for d in (listed, data))  # type: ignore[arg-type]
        assert found is not None and expected is not None
        assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    # Beside the folder of its scans a list was not read: its labels and splits had no effect.
    with (tmp_path / "data" / "b.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, ["path", "label"])
        out.writeheader()
        out.writerows({"path": row["path"].removeprefix("data/"), "label": "sick"} for row in rows[-30:])
    beside = hospitals(tmp_path / "data")._listing("b")
    assert set(beside.arrays.y) == {"sick"} and len(beside.paths) == 30  # type: ignore[arg-type]
    new, names = data.read_inputs(tmp_path / "all.csv")
    assert len(new) == 44 and names[0] == rows[0]["path"]  # type: ignore[arg-type]
    (tmp_path / "all.csv").write_text("path,label,domain\ngone.npy,x,a\ngone.npy,x,b\n")
    with pytest.raises(AdaptError, match=r"nothing at .*gone\.npy"):
        hospitals(tmp_path, file="all.csv")


@pytest.mark.parametrize(
    "options", [{}, {"percentiles": (1, 99)}, {"window": (0, 20)}, {"match": "histogram"}], ids=str
)
def test_a_datamodule_that_stands_alone_reads_new_scans_as_the_targets(options: Any, tmp_path: Path) -> None:
    data = hospitals(tmp_path / "data", **options)
    torch.save(data.state_dict(), tmp_path / "state.pt")
    with standing_alone(torch.load(tmp_path / "state.pt", weights_only=True)):
        alone = Volumes("a", "b", root=str(tmp_path / "gone"), **{"shape": SHAPE} | options)
    new, names = alone.read_inputs(tmp_path / "data" / "b")
    found = in_memory(new)
    known = dict(zip(names, found[0], strict=True)) if found is not None else {}
    split = in_memory(data.domain("b", "test"))
    assert split is not None and len(split[0])
    for name, x in zip(data.sample_names("b", "test"), split[0], strict=True):
        assert torch.allclose(known[name], x, atol=1e-5)
    given = alone.prepare([tmp_path / "data" / names[0], np.load(tmp_path / "data" / names[1])])
    assert torch.allclose(given[1], known[names[1]], atol=1e-5)


def test_a_target_of_patients_without_classes_has_no_labels(tmp_path: Path) -> None:
    hospital(tmp_path, "a")
    hospital(tmp_path, "b", labels=False)
    with pytest.raises(AdaptError, match="unlabelled"):
        hospitals(tmp_path)
    with pytest.raises(AdaptError, match="Unknown domain 'c' of Volumes"):
        hospitals(tmp_path, unlabelled=["c"])
    data = hospitals(tmp_path, unlabelled=["b"])
    assert data.target_labels("test").labelled == 0
    assert len(set(data._whole("b").arrays.groups.tolist())) == 12  # type: ignore[union-attr]
    assert len(scans_below(tmp_path / "b", 3)) == 24


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    hospitals(tmp_path / "data")
    for options, said in (
        ({"shape": (4,)}, "three positive numbers"),
        ({"window": (0, 0)}, "width above 0"),
        ({"window": (0, 1), "percentiles": (1, 99)}, "found both"),
        ({"percentiles": (99, 1)}, "lower first"),
        ({"match": "levels"}, "match expects 'none' or 'histogram'"),
        ({"match": "histogram", "source_free": True, "standardise": "none"}, "source_free"),
        ({"positive": "ill"}, "positive class out of sick, well"),
    ):
        with pytest.raises((AdaptError, SampleError), match=said):
            _ = hospitals(tmp_path / "data", **options).problem
    (tmp_path / "data" / "a" / "empty").mkdir()
    with pytest.raises(AdaptError, match="of the class 'empty'"):
        hospitals(tmp_path / "data")
    with pytest.raises(SampleError, match="as many as a scan has axes"):
        read_scan(write(tmp_path / "flat.npy", np.zeros((4, 4))), 3)
    write(tmp_path / "nan.npy", np.full(SHAPE, np.nan))
    with pytest.raises(SampleError, match="finite"):
        read_scan(tmp_path / "nan.npy", 3)
    (tmp_path / "broken.nii").write_bytes(b"no")
    with pytest.raises(SampleError, match="could not read"):
        read_scan(tmp_path / "broken.nii", 3)


def test_two_series_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, 2 * np.round(20 * scan(0)))
    for path in list(tmp_path.glob("*.dcm")):
        path.rename(path.with_name(f"a{path.name}"))
    write_series(tmp_path, 2 * np.round(20 * scan(1)))
    with pytest.raises(SampleError, match="found 2"):
        read_scan(tmp_path, 3)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.nii", scan(0))
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(AdaptError, match=r"pip install 'adapt-lightning\[medical\]'"):
        read_scan(path, 3)


def test_phantoms_need_no_file() -> None:
    data = Volumes(shape=(16, 16, 16), root="nowhere", batch_size=8)
    data.setup("fit")
    batch = next(iter(data.batches()))
    assert batch.source.x.shape == batch.target.x.shape == (8, 1, 16, 16, 16)


@pytest.mark.slow
def test_matching_beats_source_only_under_another_scanner(tmp_path: Path) -> None:
    words = ["--config", "tasks/phantoms", "--config", "methods/source_only", "--trainer.logger", "false"]
    words += ["--trainer.accelerator", "cpu"]
    found = []
    for match in ("none", "histogram"):
        main(["fit", *words, "--data.match", match, "--run_dir", str(tmp_path / match)])
        model = adapt.load(tmp_path / match, device="cpu")
        data = Volumes(shape=(16, 16, 16))
        scans = data._inputs("phantom_scanner", torch.arange(200))
        found.append((model.predict(scans.numpy()) == data._class_indices("phantom_scanner")).mean())
    assert found[1] > 0.9 > found[0] + 0.1

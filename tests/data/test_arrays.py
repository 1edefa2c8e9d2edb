"""Files as people have them, each read to the same numbers; what does not fit is refused with what was found."""

import bz2
import gzip
import lzma
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.data import NO_LABEL, Arrays, Features, ImageFolders, Moons, standing_alone
from adapt.data.array_files import as_texts, load_arrays, read_lines
from adapt.data.arrays import read_arrays
from adapt.data.views import in_memory
from adapt.errors import AdaptError
from tests.data.files import write_images

COLOURS = ("red", "green", "blue")


def vectors(n: int = 60, seed: int = 0, shift: float = 0.0, width: int = 4) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return (3 * np.eye(3, width)[y] + 0.3 * rng.normal(size=(n, width)) + shift).astype("float32"), y


def write_npz(path: Path, x: Any, **more: Any) -> Path:
    np.savez(path, x=x, **more)
    return path


def write_npy(path: Path, x: Any, **more: Any) -> Path:
    for name, values in {"x": x, **more}.items():
        np.save(path.with_name(f"{path.stem}_{name}.npy"), values)
    return path.with_name(f"{path.stem}_x.npy")


def write_mat(path: Path, x: Any, **more: Any) -> Path:
    from scipy.io import savemat

    made = {
        name: np.array(values, dtype=object) if np.asarray(values).dtype.kind == "U" else np.asarray(values)[:, None]
        for name, values in more.items()
    }
    savemat(path, {"x": x, **made})
    return path


def write_mat73(path: Path, x: Any, **more: Any) -> Path:
    import h5py

    # As MATLAB does: axes from the last to the first, texts as cells of 16-bit characters.
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in {"x": x, **more}.items():
            values = np.asarray(values)
            if values.dtype.kind == "U":
                cells = [np.array([[ord(c)] for c in text], dtype=np.uint16) for text in values.tolist()]
                made = [file.create_dataset(f"#refs#/{name}{k}", data=cell) for k, cell in enumerate(cells)]
                item = file.create_dataset(name, (1, len(made)), dtype=h5py.ref_dtype)
                item[0] = [cell.ref for cell in made]
                item.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                columns = values if values.ndim > 1 else values[:, None]
                item = file.create_dataset(name, data=columns.transpose())
                item.attrs["MATLAB_class"] = np.bytes_("double")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(head)
    return path


def write_hdf5(path: Path, x: Any, **more: Any) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in {"x": x, **more}.items():
            values = np.asarray(values)
            file[name] = values.astype(object) if values.dtype.kind == "U" else values
    return path


def write_csv(path: Path, x: Any, **more: Any) -> Path:
    lines = [",".join([f"f{k}" for k in range(x.shape[1])] + list(more))]
    lines += [",".join(map(str, [*row, *(more[name][i] for name in more)])) for i, row in enumerate(x.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_parquet(path: Path, x: Any, **more: Any) -> Path:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"f{k}": x[:, k] for k in range(x.shape[1])} | {name: list(values) for name, values in more.items()}
    parquet.write_table(pyarrow.table(columns), path)
    return path


FORMATS: dict[str, Callable[..., Path]] = {
    "npz": write_npz,
    "npy": write_npy,
    "mat": write_mat,
    "h5": write_hdf5,
    "csv": write_csv,
    "parquet": write_parquet,
}


@pytest.mark.parametrize("kind", [*FORMATS, "mat73"])
@pytest.mark.parametrize("labels", ["numbers", "texts", "none"])
def test_every_format_is_read_to_the_same_numbers(kind: str, labels: str, tmp_path: Path) -> None:
    x, y = vectors(9)
    write = write_mat73 if kind == "mat73" else FORMATS[kind]
    given = {"numbers": y + 1, "texts": np.array(COLOURS)[y]}.get(labels)
    groups = np.array([f"person {i // 3}" for i in range(9)])
    more = {} if given is None else {"y": given}
    found = read_arrays(write(tmp_path / f"a.{kind.removesuffix('73')}", x, **more, groups=groups))
    assert found.x.dtype == np.float32 and np.array_equal(found.x, x)
    assert found.names == [str(i) for i in range(9)]
    assert found.groups is not None and found.groups.tolist() == groups.tolist()
    assert (found.y is None) if given is None else (found.y is not None and found.y.tolist() == given.tolist())


@pytest.mark.parametrize("kind", FORMATS)
def test_both_domains_of_every_format_train_and_predict(kind: str, tmp_path: Path) -> None:
    (xs, ys), (xt, _) = vectors(), vectors(seed=1, shift=0.5)
    ending = kind
    FORMATS[kind](tmp_path / f"a.{ending}", xs, y=np.array(COLOURS)[ys])
    b = FORMATS[kind](tmp_path / f"b.{ending}", xt)
    data = Arrays("a", "b", root=str(tmp_path), batch_size=8)
    assert (data.known_domains, list(data.class_names), data.input_shape) == (["a", "b"], sorted(COLOURS), (4,))
    assert data.target_labels("test") == (0, 12)
    data.setup("fit")
    batch = next(iter(data.train_dataloader().source))
    assert batch.x.dtype == torch.float32 and batch.y.dtype == torch.int64
    new, names = data.read_inputs(b)
    assert len(new) == 60 and names[-1] == "59" and new[0][1] is NO_LABEL  # type: ignore[arg-type]  # it has a length


def test_inputs_of_other_types_become_float32_and_pictures_stay_bytes(tmp_path: Path) -> None:
    for dtype in ("float64", "int32", "bool", "uint8", "float16"):
        write_npz(tmp_path / "a.npz", np.ones((6, 3, 5), dtype=dtype))
        assert read_arrays(tmp_path / "a.npz").x.dtype == np.float32
    write_npz(tmp_path / "a.npz", np.ones((6, 3, 5, 5), dtype="uint8"))
    assert read_arrays(tmp_path / "a.npz").x.dtype == np.uint8
    write_npz(tmp_path / "a.npz", np.ones(6))
    assert read_arrays(tmp_path / "a.npz").x.shape == (6, 1)


@pytest.mark.parametrize(
    ("source", "target", "names"),
    [
        ([5, 7, 9], [9, 5, 7], ["5", "7", "9"]),
        ([-1, 1, 1], [1, 1, -1], ["-1", "1"]),
        ([2.0, 10.0, 2.0], [10.0, 2.0, 2.0], ["2", "10"]),
        ([True, False, True], [False, True, True], ["False", "True"]),
        (["b", "a", "c"], ["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_labels_of_any_kind_become_the_same_classes_in_both_domains(
    source: Any, target: Any, names: Any, tmp_path: Path
) -> None:
    for name, values in (("a", source), ("b", target)):
        write_npz(tmp_path / f"{name}.npz", np.zeros((30, 2)), y=np.array(values * 10))
    data = Arrays("a", "b", root=str(tmp_path))
    assert list(data.class_names) == names
    for name, values in (("a", source), ("b", target)):
        whole = torch.cat([in_memory(data.domain(name, split))[1] for split in ("train", "val", "test")])  # type: ignore[arg-type,index]
        expected = [names.index(str(int(v)) if isinstance(v, float) else str(v)) for v in values * 10]
        assert sorted(whole.tolist()) == sorted(expected)


def test_class_names_of_a_file_name_labels_from_0_or_from_1_or_texts(tmp_path: Path) -> None:
    for values in ([0, 1, 2], [1, 2, 3], list(COLOURS)):
        write_npz(tmp_path / "a.npz", np.zeros((30, 2)), y=np.array(values * 10), class_names=np.array(COLOURS))
        write_npz(tmp_path / "b.npz", np.zeros((30, 2)))
        data = Arrays("a", "b", root=str(tmp_path))
        assert list(data.class_names) == list(COLOURS)
        _, y = in_memory(data.domain("a", "train"))  # type: ignore[misc]
        assert set(y.tolist()) == {0, 1, 2}


def test_some_labels_may_be_missing(tmp_path: Path) -> None:
    x, y = vectors(30)
    write_csv(tmp_path / "a.csv", x, y=np.array(COLOURS)[y])
    write_csv(tmp_path / "b.csv", x, y=[COLOURS[k] if i % 2 else "" for i, k in enumerate(y)])
    data = Arrays("a", "b", root=str(tmp_path), batch_size=4)
    assert sum(data.target_labels(split).labelled for split in ("train", "val", "test")) == 15
    with pytest.raises(AdaptError, match="Expected a label for every sample of 'b'"):
        Arrays("b", "a", root=str(tmp_path), batch_size=4).setup("fit")
    write_npz(tmp_path / "c.npz", x, y=np.where(np.arange(30) % 2, y, -1))
    write_npz(tmp_path / "d.npz", x, y=y)
    with pytest.raises(AdaptError, match=r"-1 beside 0, 1, 2"):
        Arrays("d", "c", root=str(tmp_path))
    data = Arrays("d", "c", root=str(tmp_path), no_label=-1)
    assert list(data.class_names) == ["0", "1", "2"]


def test_one_file_with_a_column_of_domains(tmp_path: Path) -> None:
    x, y = vectors(60)
    write_csv(
        tmp_path / "all.csv",
        x,
        y=y,
        site=["a" if i < 40 else "b" for i in range(60)],
        id=[f"row-{i}" for i in range(60)],
    )
    data = Arrays("a", "b", root=str(tmp_path), file="all.csv", domain_column="site", index="id", batch_size=4)
    assert data.known_domains == ["a", "b"] and data.input_shape == (4,)
    assert set(data.sample_names("b", "test")) <= {f"row-{i}" for i in range(40, 60)}
    write_npz(tmp_path / "one.npz", x, y=y)
    with pytest.raises(AdaptError, match="domain of each row as 'domain'"):
        Arrays("a", "b", root=str(tmp_path), file="one.npz")


def test_fixed_splits_by_a_column_a_second_file_or_index_lists(tmp_path: Path) -> None:
    x, y = vectors(60)
    x[:, 0] = np.arange(60)
    split = np.array(["test" if i >= 45 else "train" for i in range(60)])
    write_npz(tmp_path / "column.npz", x, y=y, split=split)
    write_npz(tmp_path / "other.npz", x, y=y)
    write_npz(tmp_path / "two.npz", x[:45], y=y[:45])
    write_npz(tmp_path / "two_test.npz", x[45:], y=y[45:])
    write_npz(tmp_path / "lists.npz", x, y=y, train_index=np.arange(45), test_index=np.arange(45, 60))
    for name in ("column", "two", "lists"):
        data = Arrays(name, "other", root=str(tmp_path), batch_size=4)
        assert data.known_domains == ["column", "lists", "other", "two"]
        parts = {part: in_memory(data.domain(name, part))[0][:, 0] for part in ("train", "val", "test")}  # type: ignore[arg-type,index]
        assert sorted(parts["test"].tolist()) == list(range(45, 60))
        assert sorted([*parts["train"].tolist(), *parts["val"].tolist()]) == list(range(45))


def test_a_group_is_never_in_two_splits(tmp_path: Path) -> None:
    x, y = vectors(90)
    groups = np.arange(90) // 9
    write_npz(tmp_path / "a.npz", x, y=y, person=groups)
    write_npz(tmp_path / "b.npz", x, y=y, person=groups)
    for transductive in (False, True):
        data = Arrays("a", "b", root=str(tmp_path), groups="person", transductive=transductive)
        parts = [{groups[int(row)] for row in data.sample_names("a", split)} for split in ("train", "val", "test")]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and set.union(*parts) == set(range(10))
    split = np.array(["test" if i % 2 else "train" for i in range(90)])
    write_npz(tmp_path / "b.npz", x, y=y, person=groups, split=split)
    with pytest.raises(AdaptError, match="each group of 'b' in one split, found '0'"):
        Arrays("a", "b", root=str(tmp_path), groups="person").setup("fit")


@pytest.mark.parametrize("option", ["groups", "split", "index", "domain_column"])
@pytest.mark.parametrize("ending", ["npz", "csv"])
def test_a_column_that_no_domain_has_is_refused(tmp_path: Path, option: str, ending: str) -> None:
    x, y = vectors(90)
    for name in "ab":
        FORMATS[ending](tmp_path / f"{name}.{ending}", x, y=y, person=np.arange(90) // 9)
    with pytest.raises(AdaptError, match=rf"Expected 'persom' in 'a' or 'b', found .*person.*--data.{option}"):
        Arrays("a", "b", root=str(tmp_path), **{option: "persom"})  # type: ignore[arg-type]


def test_groups_of_one_domain_alone_are_said(tmp_path: Path) -> None:
    x, y = vectors(90)
    write_npz(tmp_path / "a.npz", x, y=y, person=np.arange(90) // 9)
    write_npz(tmp_path / "b.npz", x)
    with pytest.warns(UserWarning, match="No 'person' in 'b'"):
        Arrays("a", "b", root=str(tmp_path), groups="person")


@pytest.mark.parametrize("shape", [(60, 4), (60, 3, 8), (60, 2, 5, 5)])
@pytest.mark.parametrize("standardise", ["source", "domains"])
def test_inputs_of_any_rank_are_standardised_per_feature_or_channel_and_new_ones_alike(
    shape: tuple[int, ...], standardise: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    write_npz(tmp_path / "a.npz", 5 + 2 * rng.normal(size=shape), y=y)
    b = write_npz(tmp_path / "b.npz", -1 + 3 * rng.normal(size=shape))
    data = Arrays("a", "b", root=str(tmp_path), standardise=standardise, batch_size=8)
    name = "a" if standardise == "source" else "b"
    x, _ = in_memory(data.domain(name, "train"))  # type: ignore[misc]
    axes = tuple(k for k in range(x.ndim) if k != 1)
    assert torch.allclose(x.mean(axes), torch.zeros(shape[1]), atol=1e-5)
    assert torch.allclose(x.transpose(1, -1).reshape(-1, shape[1]).std(0), torch.ones(shape[1]), atol=1e-5)
    state, (new, _) = data.state_dict(), data.read_inputs(b)
    wanted = in_memory(new)[0]  # type: ignore[index]
    rows = [int(row) for row in data.sample_names("b", "test")]
    assert torch.allclose(wanted[rows], in_memory(data.domain("b", "test"))[0])  # type: ignore[index]
    moved = b.rename(tmp_path / "new.npz")
    (tmp_path / "a.npz").unlink()
    with standing_alone(state):
        alone = Arrays("a", "b", root=str(tmp_path / "gone"), standardise=standardise)
    assert torch.equal(in_memory(alone.read_inputs(moved)[0])[0], wanted)  # type: ignore[index]
    assert alone.problem == data.problem and alone.input_shape == shape[1:]
    with pytest.raises(AdaptError, match="built for new inputs alone"):
        alone.setup("fit")


def test_numbers_to_predict(tmp_path: Path) -> None:
    x, _ = vectors(40)
    for name in "ab":
        write_csv(tmp_path / f"{name}.csv", x, y=x[:, 0] * 10)
    with pytest.raises(AdaptError, match=r"--data.labels numbers"):
        Arrays("a", "b", root=str(tmp_path))
    data = Arrays("a", "b", root=str(tmp_path), labels="numbers", batch_size=4)
    assert data.problem.kind == "regression" and data.target_labels("test") == (8, 8)
    data.setup("fit")


def test_columns_of_a_table_are_taken_by_their_names(tmp_path: Path) -> None:
    x, y = vectors()
    turned = [3, 1, 0, 2]
    write_csv(tmp_path / "a.csv", x, y=y)
    header, *rows = write_csv(tmp_path / "b.csv", x, y=y).read_text().splitlines()

    def reordered(line: str) -> str:
        cells = line.split(",")
        return ",".join([cells[4], *(cells[k] for k in turned)])

    (tmp_path / "b.csv").write_text("\n".join(map(reordered, [header, *rows])) + "\n")
    data = Arrays("a", "b", root=str(tmp_path), batch_size=8, standardise="source")
    for part in ("train", "val", "test"):
        names = data.sample_names("b", part)  # type: ignore[arg-type]
        kept, _ = in_memory(data.domain("b", part))  # type: ignore[arg-type,misc]
        assert torch.allclose(kept, data.standardised(torch.from_numpy(x[[int(row) for row in names]]), "b"))
    with standing_alone(data.state_dict()):
        alone = Arrays("a", "b", root=str(tmp_path / "gone"), standardise="source")
    wanted, _ = in_memory(alone.read_inputs(tmp_path / "a.csv")[0])  # type: ignore[misc]
    assert torch.equal(in_memory(alone.read_inputs(tmp_path / "b.csv")[0])[0], wanted)  # type: ignore[index]
    # Columns that were no inputs are left out, texts among them; a DataFrame's are taken by their names, too.
    (tmp_path / "more.csv").write_text("\n".join(["who," + header, *(f"p{k}," + r for k, r in enumerate(rows))]) + "\n")
    assert torch.equal(in_memory(alone.read_inputs(tmp_path / "more.csv")[0])[0], wanted)  # type: ignore[index]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x[:, turned], columns=[f"f{k}" for k in turned])
    assert torch.allclose(alone.prepare(frame).x, wanted, atol=1e-6)
    with pytest.raises(AdaptError, match=r"the column 'f2' in the table, as in training"):
        alone.prepare(frame.drop(columns="f2"))
    (tmp_path / "more.csv").write_text((tmp_path / "a.csv").read_text().replace("f2", "g2", 1))
    with pytest.raises(AdaptError, match=r"the column 'f2' in .*more.csv, as in training, found 'f0', 'f1', 'g2'"):
        alone.read_inputs(tmp_path / "more.csv")
    with pytest.raises(AdaptError, match=r"found 'g2' and no 'f2'"):
        Arrays("a", "more", root=str(tmp_path))


def test_pandas_index_is_no_input(tmp_path: Path) -> None:
    x, _ = vectors(9)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=[f"f{k}" for k in range(4)], index=[100 + k * k for k in range(9)])
    frame.to_csv(tmp_path / "a.csv")
    with pytest.warns(UserWarning, match="has no name"):
        assert np.allclose(read_arrays(tmp_path / "a.csv").x, x)
    pandas.read_csv(tmp_path / "a.csv").to_csv(tmp_path / "b.csv", index=False)  # "Unnamed: 0"
    with pytest.warns(UserWarning, match="has no name"):
        assert np.allclose(read_arrays(tmp_path / "b.csv").x, x)
    pytest.importorskip("pyarrow")
    frame.rename_axis("patient").to_parquet(tmp_path / "a.parquet")
    assert np.array_equal(read_arrays(tmp_path / "a.parquet").x, x)
    assert read_arrays(tmp_path / "a.parquet", groups="patient").groups.tolist()[0] == "100"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("f0;f1;y\n1,5;2;red\n-3;4,25e1;blue\n", "utf-8-sig"),
        ("sep=;\r\nf0;f1;y\r\n1,5;2;red\r\n-3;4,25e1;blue\r\n", "utf-8"),
        ("f0\tf1\ty\n1.5\t2\tred\n-3\t42.5\tblue\n", "utf-16"),
        (" f0 , f1 , y \n 1.5 , 2 , red \n -3 , 42.5 , blue \n", "utf-8"),
    ],
)
def test_tables_as_spreadsheets_save_them(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text, encoding=encoding, newline="")
    found = read_arrays(tmp_path / "a.csv")
    assert found.x.tolist() == [[1.5, 2.0], [-3.0, 42.5]] and found.columns == ("f0", "f1")
    assert found.y is not None and found.y.tolist() == ["red", "blue"]


@pytest.mark.parametrize("text", ["f0|f1|y\n1.5|2,0|red\n", '"f0, in m";"f1|x";y\n1,5;2;red\n'])
def test_a_table_is_separated_by_what_its_header_says(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    found = read_arrays(tmp_path / "a.csv")
    assert found.x.tolist() == [[1.5, 2.0]] and found.y is not None and found.y.tolist() == ["red"]


def test_categories_of_pandas_that_are_missing_are_no_category(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    y, codes = ["red", None, "blue", "green"], [3.0, None, 7.0, 3.0]
    frame = pandas.DataFrame({"f0": [1.0, 2.0, 3.0, 4.0], "code": codes, "y": y})
    frame.astype({"y": "category", "code": "category"}).to_parquet(tmp_path / "a.parquet")
    found = load_arrays(tmp_path / "a.parquet")
    assert as_texts(found["y"]).tolist() == ["red", "", "blue", "green"]
    assert as_texts(found["code"]).tolist() == ["3", "", "7", "3"]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_packed_tables_are_read_as_they_are(ending: str, pack: Any, tmp_path: Path) -> None:
    x, y = vectors(30)
    rows = [",".join(map(str, [*row, k])) for row, k in zip(x.tolist(), y, strict=True)]
    plain = "\n".join(["f0,f1,f2,f3,y", *rows, ""])
    (tmp_path / f"a.csv{ending}").write_bytes(pack.compress(plain.encode("utf-8-sig")))
    (tmp_path / f"b.TSV{ending.upper()}").write_bytes(pack.compress(plain.replace(",", "\t").encode("utf-16")))
    for path in sorted(tmp_path.iterdir()):
        found = read_arrays(path)
        assert np.array_equal(found.x, x) and found.y is not None and found.y.tolist() == y.tolist()
    data = Arrays("a", "b", root=str(tmp_path), batch_size=4)
    assert data.known_domains == ["a", "b"] and data.input_shape == (4,)
    (tmp_path / f"a.csv{ending}").write_bytes(pack.compress(plain.encode())[:-9])
    with pytest.raises(AdaptError, match="is the file whole"):
        read_lines(tmp_path / f"a.csv{ending}", ",")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_above_the_header_are_left_out_with_a_warning(encoding: str, end: str, tmp_path: Path) -> None:
    above, table = ["# exported in May", "#by Ä, B and C", ""], ["f0;f1;y", "1,5;2;red"]
    (tmp_path / "a.csv").write_text(end.join([*above, *table, ""]), encoding=encoding, newline="")
    with pytest.warns(UserWarning, match=r"Left out '# exported in May' and 1 more above the header of .*a.csv"):
        found = read_arrays(tmp_path / "a.csv")
    assert found.x.tolist() == [[1.5, 2.0]] and found.columns == ("f0", "f1")


def test_a_header_that_begins_like_such_a_line_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("#f0,f1\n1,2\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_arrays(tmp_path / "a.csv").columns == ("#f0", "f1")
    (tmp_path / "a.csv").write_text("Export of May\nf0,f1\n1,2\n")
    with pytest.raises(AdaptError, match="remove what stands before the names of the columns, such as 'Export of May'"):
        read_arrays(tmp_path / "a.csv")


def test_other_encodings_are_named_and_true_and_false_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f0,y\n1,rot\n2,grün\n", encoding="latin-1")
    with pytest.raises(AdaptError, match=r"as UTF-8, found other bytes"):
        read_arrays(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("f0,f1\nTrue,1\nFalse,2\n")
    assert read_arrays(tmp_path / "a.csv").x.tolist() == [[1.0, 1.0], [0.0, 2.0]]


def test_fields_of_a_structure_of_matlab(tmp_path: Path) -> None:
    from scipy.io import savemat

    x, y = vectors(9)
    savemat(tmp_path / "a.mat", {"data": {"x": x, "y": np.array(COLOURS, dtype=object)[y]}})
    with pytest.raises(AdaptError, match=r"found data/x float32 \(9, 4\), data/y text"):
        read_arrays(tmp_path / "a.mat")
    found = read_arrays(tmp_path / "a.mat", x="data/x", y="data/y")
    assert np.array_equal(found.x, x) and found.y is not None and found.y.tolist() == np.array(COLOURS)[y].tolist()


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float64])
def test_a_mask_of_rows_is_a_list_of_them(kind: type, tmp_path: Path) -> None:
    x, y = vectors(6)
    test = np.arange(6) >= 4
    np.savez(tmp_path / "a.npz", x=x, y=y, train_index=(~test).astype(kind), test_index=test.astype(kind))
    split = read_arrays(tmp_path / "a.npz").split
    assert split is not None and split.tolist() == ["train"] * 4 + ["test"] * 2


def test_a_file_that_is_no_npz_is_not_said_to_be_pickled(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("f0,f1\n1,2\n")
    with pytest.raises(AdaptError, match="it is no npz file, or was cut short"):
        read_arrays(tmp_path / "a.npz")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "pickled objects": ({"x": np.array([{}, {}], dtype=object)}, "pickled objects"),
    "no inputs": ({"data": np.zeros((3, 2))}, r"the array 'x' in .*found data float64 \(3, 2\)"),
    "texts": ({"x": np.array(["a", "b"])}, "Expected numbers as 'x'"),
    "no rows": ({"x": np.zeros((0, 2))}, "found none"),
    "too few labels": ({"x": np.zeros((4, 2)), "y": np.zeros(3)}, r"4 rows of 'x' in .*found \(3,\)"),
    "odd split": ({"x": np.zeros((2, 2)), "split": ["train", "tset"]}, "found 'tset'"),
    "lists that overlap": ({"x": np.zeros((4, 2)), "train_index": [0, 1], "test_index": [1]}, "in one list"),
    "mask that is too short": ({"x": np.zeros((4, 2)), "test_index": [True, False]}, "row numbers from 0 to 3"),
    "list out of range": ({"x": np.zeros((4, 2)), "test_index": [4]}, "row numbers from 0 to 3"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_refused_with_what_was_found(kind: str, tmp_path: Path) -> None:
    arrays, words = REFUSED[kind]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(AdaptError, match=words):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f0,f1,colour\n1,2,red\n3,4,blue\n", "found 'red' in 'colour'.\n.*--data.y colour"),
        ("1,2\n3,4\n", "names of the columns in the first line"),
        ("f0,f0\n1,2\n", "found 'f0' twice"),
        ("f0,f1\n1,2\n1\n", "found 1 in row 3"),
        ("f0,f1\n", "found no row"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(AdaptError, match=words):
        read_arrays(tmp_path / "a.csv")


def test_domains_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    x, y = vectors(30)
    write_npz(tmp_path / "a.npz", x, y=y)
    write_npz(tmp_path / "narrow.npz", x[:, :3], y=y)
    write_npz(tmp_path / "fewer.npz", x[y < 2], y=y[y < 2])
    write_npz(tmp_path / "onehot.npz", x, y=np.eye(3)[y])
    for target, words in (
        ("narrow", r"\(4,\) in 'a' and \(3,\)"),
        ("fewer", "only 'a' has 2"),
        ("onehot", "argmax"),
        ("fower", "Did you mean 'fewer'"),
    ):
        with pytest.raises(AdaptError, match=words):
            Arrays("a", target, root=str(tmp_path), class_sets="closed")
    write_npz(tmp_path / "blank.npz", x)
    with pytest.raises(AdaptError, match="a source needs labels"):
        Arrays("blank", "a", root=str(tmp_path))
    write_csv(tmp_path / "a.csv", x, y=y)
    with pytest.raises(AdaptError, match=r"found a\.csv and a.npz"):
        Arrays("a", "blank", root=str(tmp_path))


def test_new_images_are_read_as_in_evaluation(tmp_path: Path) -> None:
    write_images(tmp_path / "data" / "studio", ["cat", "dog"], 10, "png")
    write_images(tmp_path / "data", ["phone"], 20, "png")
    write_images(tmp_path, ["today"], 3, "png")
    data = ImageFolders("studio", "phone", root=str(tmp_path / "data"), image_size=8)
    state = data.state_dict()
    with standing_alone(state):
        alone = ImageFolders("studio", "phone", root=str(tmp_path / "gone"), image_size=8)
    new, names = alone.read_inputs(tmp_path / "today")
    assert names == [f"today/{i}.png" for i in range(3)] and list(alone.class_names) == ["cat", "dog"]
    assert new[0][0].shape == (3, 8, 8) and new[0][1] is NO_LABEL
    one, (name,) = alone.read_inputs(tmp_path / "today" / "0.png")
    assert name.endswith("0.png") and torch.equal(one[0][0], new[0][0])
    with pytest.raises(AdaptError, match="found nothing there"):
        alone.read_inputs(tmp_path / "tomorrow")


def test_features_read_files_of_their_own_and_of_others(tmp_path: Path) -> None:
    x, y = vectors(40)
    about = {
        "class_names": np.array(COLOURS),
        "settings": np.array("{}"),
        "files": np.array([f"{i}.png" for i in range(40)]),
    }
    np.savez(tmp_path / "a.npz", features=x, labels=y, **about)
    np.savez(tmp_path / "b.npz", features=x + 1, **about)
    data = Features("a", "b", root=str(tmp_path), standardise="domains")
    assert data.target_labels("test") == (0, 8)
    new, names = data.read_inputs(tmp_path / "b.npz")
    assert names[3] == "3.png" and abs(float(in_memory(new)[0].mean())) < 0.2  # type: ignore[index]
    other, _ = data.read_inputs(write_csv(tmp_path / "c.csv", x))
    assert len(other) == 40  # type: ignore[arg-type]  # it has a length


def test_a_datamodule_that_reads_no_files_says_so_in_two_lines() -> None:
    with pytest.raises(AdaptError, match=r"found Moons\.\n") as caught:
        Moons().read_inputs("new.csv")
    assert str(caught.value).count("\n") == 1


def test_the_command_line_trains_on_arrays(tmp_path: Path) -> None:
    (xs, ys), (xt, _) = vectors(), vectors(seed=1, shift=0.5)
    write_npz(tmp_path / "a.npz", xs, y=ys)
    write_npz(tmp_path / "b.npz", xt)
    fit = ["fit", "--data", "Arrays", "--data.root", str(tmp_path), "--data.source", "a", "--data.target", "b"]
    fit += ["--data.batch_size", "8", "--data.standardise", "source", "--model", "CORAL", "--model.backbone", "MLP"]
    fit += ["--trainer.max_steps", "4", "--trainer.max_epochs", "-1", "--trainer.val_check_interval", "2"]
    folder = tmp_path / "run"
    assert (
        main([*fit, "--run_dir", str(folder), "--trainer.enable_progress_bar", "false", "--trainer.logger", "false"])
        == 0
    )
    kept = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["Arrays"]
    assert kept["fixed"]["class_names"] == ["0", "1", "2"] and kept["input_shape"] == [4] and "a" in kept["statistics"]


def test_names_in_a_table_of_text_stay_as_they_are_written(tmp_path: Path) -> None:
    rows = [f"{k % 7},{k % 3},{k:04d},12345678901234567890{k // 10},1_{k % 3}0" for k in range(60)]
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["u,v,index,groups,y", *rows]) + "\n")
    data = Arrays("a", "b", root=str(tmp_path), batch_size=8)
    assert {"0007", "0059"} <= {name for split in ("train", "val", "test") for name in data.sample_names("b", split)}  # type: ignore[arg-type]
    assert len(set(data._whole("b").arrays.groups.tolist())) == 6  # type: ignore[union-attr]
    # Python reads 1_10 and 11_0 as one number.
    assert data.class_names == ["1_00", "1_10", "1_20"]


def test_a_label_of_infinity_is_refused(tmp_path: Path) -> None:
    x, y = vectors()
    for name in ("a", "b"):
        write_npz(tmp_path / f"{name}.npz", x, y=np.where(y == 1, np.inf, y))
    with pytest.raises(AdaptError, match="such as inf"):
        Arrays("a", "b", root=str(tmp_path))


def test_a_feature_in_millions_hides_no_spread_of_one_in_hundredths(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    wide, narrow = draw.normal(5e6, 2e6, 200), draw.normal(0.1, 0.02, 200)
    x = np.stack([wide, narrow, np.full(200, 1 / 3)], 1).astype(np.float32)
    for name in "ab":
        write_npz(tmp_path / f"{name}.npz", x, y=np.arange(200) % 2)
    found = Arrays("a", "b", root=str(tmp_path), standardise="source").domain("a", "train").x  # type: ignore[attr-defined]
    assert torch.allclose(found.std(0)[:2], torch.ones(2), atol=1e-3)
    assert found[:, 2].abs().max() < 1e-6


def test_a_patient_of_both_domains_is_in_one_split_of_both(tmp_path: Path) -> None:
    x, y = vectors(200)
    draw = np.random.default_rng(0)
    people = {"a": draw.integers(0, 20, 200), "b": draw.integers(5, 30, 200)}
    for name, person in people.items():
        write_npz(tmp_path / f"{name}.npz", x, y=y, person=person)
    data = Arrays("a", "b", root=str(tmp_path), groups="person")
    parts = {
        split: [{int(people[name][int(row)]) for row in data.sample_names(name, split)} for name in "ab"]
        for split in ("train", "val", "test")
    }
    for split, others in (("train", ("val", "test")), ("val", ("test",))):
        own = set.union(*parts[split])
        assert not own & set.union(*(groups for other in others for groups in parts[other]))
    assert all(len(data.sample_names(name, "test")) in range(30, 65) for name in "ab")  # a fifth, in whole groups


def test_a_patient_whose_name_is_written_in_two_ways_is_one(tmp_path: Path) -> None:
    x, y = vectors(200)
    numbers = np.repeat(np.arange(20), 10)
    plain = np.array([f"Jürgen {number}" for number in numbers])
    apart = np.array([unicodedata.normalize("NFD", f"{name} ") for name in plain])
    mixed = np.where(np.arange(200) % 2, plain, apart)
    for a, b in ((mixed, mixed), (plain, apart)):  # in a domain, and between them
        write_npz(tmp_path / "a.npz", x, y=y, person=a)
        write_npz(tmp_path / "b.npz", x, y=y, person=b)
        data = Arrays("a", "b", root=str(tmp_path), groups="person")
        parts = {
            split: {numbers[int(row)] for name in "ab" for row in data.sample_names(name, split)}
            for split in ("train", "val", "test")
        }
        assert not parts["train"] & (parts["val"] | parts["test"]) and not parts["val"] & parts["test"]
    write_npz(tmp_path / "a.npz", x, y=y, person=mixed, split=np.where(np.arange(200) % 2, "train", "test"))
    with pytest.raises(AdaptError, match="in one split"):
        Arrays("a", "b", root=str(tmp_path), groups="person").sample_names("a", "test")


def test_rows_without_a_group_are_no_group_together(tmp_path: Path) -> None:
    x, y = vectors(200)
    person = np.array([f"p{k // 4}" if k < 60 else "" for k in range(200)])
    for name in "ab":
        write_npz(tmp_path / f"{name}.npz", x, y=y, person=np.char.add(person, np.where(person == "", "", name)))
    data = Arrays("a", "b", root=str(tmp_path), groups="person")
    with pytest.warns(UserWarning, match="140 of 200 rows of 'a' have no group"):
        assert 35 <= len(data.sample_names("a", "test")) <= 45

"""Tables as people have them: vectors as scikit-learn's, from the source's training rows alone, kept for new rows."""

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapt
from adapt.cli import main
from adapt.data import Tables, standing_alone
from adapt.data.amounts import with_points
from adapt.data.columns import Kinds, column_transformer
from adapt.data.views import in_memory
from adapt.errors import AdaptError

WARDS = ("east", "north", "west")


def rows(n: int = 90, seed: int = 0, shift: float = 0.0, wards: tuple[str, ...] = WARDS) -> list[dict[str, Any]]:
    """Patients with an age, a lactate that is missing for one in five, a ward and an outcome."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        sick = k % 3 == 0
        found.append(
            {
                "age": round(60 + 10 * sick + 8 * rng.normal(), 2),
                "lactate": "" if k % 5 == 1 else round(1 + 2 * sick + 0.3 * rng.normal() + shift, 3),
                "ward": "" if k % 7 == 2 else wards[int(rng.integers(len(wards)))],
                "code": f"0{k % 2}",
                "patient": f"p{k // 2}",
                "died": "yes" if sick else "no",
            }
        )
    return found


def write(path: Path, table: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = {name: [None if row[name] == "" else row[name] for row in table] for name in table[0]}
        parquet.write_table(pyarrow.table(columns), path)
        return path
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(table[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        out.writeheader()
        out.writerows(table)
    return path


def hospitals(root: Path, ending: str = ".csv", **options: Any) -> Tables:
    if not (root / f"a{ending}").exists():
        write(root / f"a{ending}", rows())
        new = [{k: v for k, v in row.items() if k != "died"} for row in rows(60, 1, 0.5, (*WARDS, "harbour"))]
        write(root / f"b{ending}", new)
    return Tables("a", "b", root=str(root), **{"y": "died", "groups": "patient", "batch_size": 8} | options)


def split_inputs(data: Tables, name: str, split: Any) -> Any:
    found = in_memory(data.domain(name, split))
    assert found is not None
    return found[0]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_every_kind_of_file_gives_the_same_vectors(ending: str, tmp_path: Path) -> None:
    data, reference = hospitals(tmp_path, ending), hospitals(tmp_path / "csv")
    assert data.preprocessing == reference.preprocessing
    assert torch.equal(split_inputs(data, "b", "test"), split_inputs(reference, "b", "test"))
    assert data.preprocessing.names == [
        "age", "lactate", "code", "ward=", *(f"ward={ward}" for ward in WARDS),
    ]  # fmt: skip
    assert data.class_names == ["no", "yes"] and data.target_labels("test").labelled == 0


@pytest.mark.parametrize("impute", ["median", "mean", "most_frequent"])
@pytest.mark.parametrize("scale", [True, False])
def test_vectors_are_those_of_scikit_learn_fitted_on_the_sources_training_rows(
    impute: Any, scale: bool, tmp_path: Path
) -> None:
    data = hospitals(tmp_path, impute=impute, standardise="source" if scale else "none", categorical=["code"])
    train = [rows()[int(at)] for at in data._positions("a")["train"]]
    kinds = Kinds(("age", "lactate"), ("ward", "code"))
    cells = [
        np.array(
            [
                [r["age"], np.nan if r["lactate"] == "" else r["lactate"], r["ward"], r["code"]]
                for r in table
            ],
            dtype=object,
        )
        for table in (train, rows(60, 1, 0.5, (*WARDS, "harbour")))
    ]  # fmt: skip
    expected = column_transformer(kinds, impute, scale).fit(cells[0]).transform(cells[1])
    new, _ = data.read_inputs(tmp_path / "b.csv")
    found = in_memory(new)
    assert found is not None
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-5, atol=1e-5)
    # By hand: means are of the training rows, and no others.
    ages = np.array([r["age"] for r in train])
    if scale:
        assert data.preprocessing.mean[0] == pytest.approx(ages.mean())
        assert data.preprocessing.std[0] == pytest.approx(ages.std())
    assert "code=00" in data.preprocessing.names


def test_neither_held_out_rows_nor_the_target_change_the_preprocessing(tmp_path: Path) -> None:
    before = hospitals(tmp_path).preprocessing
    data = hospitals(tmp_path)
    table = rows()
    for split in ("val", "test"):
        for at in data._positions("a")[split].tolist():  # type: ignore[index]
            table[at] |= {"age": 1e6, "ward": "elsewhere"}
    write(tmp_path / "a.csv", table)
    write(tmp_path / "b.csv", rows(60, 3, 99.0, ("harbour",)))
    assert hospitals(tmp_path).preprocessing == before


def test_an_unknown_category_and_a_missing_number_become_zeros_and_the_median(tmp_path: Path) -> None:
    data = hospitals(tmp_path, marks=True)
    x = data.prepare([{"age": None, "lactate": "?", "ward": "harbour", "code": "01", "more": 1}])[0]
    known = data.preprocessing
    assert dict(zip(known.names, x.tolist(), strict=True))["lactate missing"] == 1
    assert x[0].item() == pytest.approx((known.fill[0] - known.mean[0]) / known.std[0], abs=1e-6)
    assert x[[k for k, name in enumerate(known.names) if name.startswith("ward")]].sum() == 0


def test_columns_in_another_order_and_every_way_to_give_a_table_are_the_same(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    data = hospitals(tmp_path)
    table = rows(12, 5)
    turned = [dict(reversed(row.items())) for row in table]
    expected = in_memory(data.read_inputs(write(tmp_path / "new.csv", table))[0])
    assert expected is not None
    columns = {name: [row[name] for row in table] for name in table[0]}
    nothing = [{name: None if value == "" else value for name, value in row.items()} for row in turned]
    for given in (turned, columns, nothing, pandas.DataFrame(nothing), pandas.read_csv(tmp_path / "new.csv")):
        assert torch.equal(torch.stack([data.prepare(given)[k] for k in range(12)]), expected[0])


def test_no_patient_is_in_two_splits(tmp_path: Path) -> None:
    data = hospitals(tmp_path)
    patients = [
        {rows()[int(at)]["patient"] for at in data._positions("a")[split]} for split in ("train", "val", "test")
    ]
    assert all(patients) and not set.intersection(*patients)
    assert sum(map(len, patients)) == len(set.union(*patients)) == 45


def test_a_domain_column_and_numbers_to_predict(tmp_path: Path) -> None:
    both = [row | {"domain": name} for name, seed in (("a", 0), ("b", 1)) for row in rows(60, seed)]
    write(tmp_path / "all.csv", both)
    data = Tables("a", "b", root=str(tmp_path), file="all.csv", y="age", labels="numbers", drop=["died", "patient"])
    assert data.problem.names == ("age",) and data.known_domains == ["a", "b"]
    assert "age" not in data.preprocessing.names and "lactate" in data.preprocessing.names


def test_standardised_by_domains_leaves_zeros_and_ones(tmp_path: Path) -> None:
    data = hospitals(tmp_path, standardise="domains")
    for name in ("a", "b"):
        x = split_inputs(data, name, "train")
        assert x[:, :3].mean(0).abs().max() < 1e-5
        assert set(x[:, 3:].unique().tolist()) <= {0.0, 1.0}


def test_a_datamodule_that_stands_alone_needs_no_file(tmp_path: Path) -> None:
    for standardise in ("source", "domains"):
        data = hospitals(tmp_path, standardise=standardise)
        torch.save(data.state_dict(), tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        with standing_alone(state):
            alone = Tables("a", "b", root=str(tmp_path / "gone"), y="died", standardise=standardise)  # type: ignore[arg-type]
        expected, found = (in_memory(d.read_inputs(tmp_path / "b.csv")[0]) for d in (data, alone))
        assert expected is not None and found is not None and torch.equal(expected[0], found[0])


def test_without_its_source_the_preprocessing_comes_from_a_checkpoint(tmp_path: Path) -> None:
    data = hospitals(tmp_path)
    torch.save({"Tables": data.state_dict()}, tmp_path / "source.ckpt")
    with pytest.raises(AdaptError, match=r"--data\.checkpoint"):
        hospitals(tmp_path, source_free=True)
    free = hospitals(tmp_path, source_free=True, checkpoint=str(tmp_path / "source.ckpt"))
    assert torch.equal(split_inputs(free, "b", "train"), split_inputs(data, "b", "train"))
    (tmp_path / "other.ckpt").write_bytes(b"none")
    with pytest.raises(AdaptError, match="another file"):
        hospitals(tmp_path, source_free=True, checkpoint=str(tmp_path / "other.ckpt"))


def changed(**values: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda table: [row | values for row in table]


@pytest.mark.parametrize(
    ("domain", "change", "options", "said"),
    [
        ("b", lambda t: [{k: v for k, v in r.items() if k != "age"} for r in t], {}, "column 'age' in"),
        ("b", changed(age="old"), {}, "found 'old'"),
        ("b", changed(age="inf"), {}, "found 'inf'"),
        ("a", changed(ward=""), {}, "'ward' of the source 'a', found none"),
        ("a", lambda t: [r | {"note": f"note {k}"} for k, r in enumerate(t)], {}, "different texts"),
        ("a", changed(), {"drop": ["weight"]}, "no 'weight'"),
        ("a", changed(), {"y": "outcome"}, "--data.y NAME"),
        ("a", changed(), {"impute": "guess"}, "impute expects 'median'"),
        ("a", changed(), {"drop": ["age", "lactate", "ward", "code"]}, "none of which is left"),
    ],
)
def test_what_does_not_fit_is_refused(domain: str, change: Any, options: Any, said: str, tmp_path: Path) -> None:
    hospitals(tmp_path)
    table = rows() if domain == "a" else rows(60, 1)
    write(tmp_path / f"{domain}.csv", change(table))
    with pytest.raises(AdaptError, match=said):
        hospitals(tmp_path, **{"drop": []} | options)


def test_categories_that_training_never_saw_are_not_zeros_without_a_word(tmp_path: Path) -> None:
    data = hospitals(tmp_path)
    header, line = "age,ward,lactate,code", "61.5,{},2.25,1"
    ward = data.preprocessing.values[data.preprocessing.kinds.categories.index("ward")][-1]
    for spelt, warned in ((ward, 0), (ward.upper(), 1)):
        (tmp_path / "new.csv").write_text("\n".join([header, line.format(spelt), line.format(spelt)]) + "\n")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            data.read_inputs(tmp_path / "new.csv")
        found = [str(each.message) for each in told if "'ward'" in str(each.message)]
        assert len(found) == warned, found
    assert f"2 of 2 values of the column 'ward' of {tmp_path / 'new.csv'}" in found[0]


def test_a_table_with_semicolons_is_read_and_another_ending_refused(tmp_path: Path) -> None:
    data = hospitals(tmp_path)
    (tmp_path / "new.csv").write_text("age,ward,lactate,code\n61.5,east,2.25,1\n70,west,,2\n")
    (tmp_path / "spread.csv").write_text("sep=;\nage;ward;lactate;code\n61,5;east;2,25;1\n70;west;;2\n")
    wanted, found = (in_memory(data.read_inputs(tmp_path / f"{name}.csv")[0]) for name in ("new", "spread"))
    assert wanted is not None and found is not None and torch.equal(wanted[0], found[0])
    with pytest.raises(AdaptError, match="Expected a table"):
        data.read_inputs(tmp_path / "new.xlsx")
    with pytest.raises(AdaptError, match="a list of dicts"):
        data.prepare(torch.zeros(2, 6))


def test_a_run_trains_predicts_new_rows_and_is_loaded_without_its_data(tmp_path: Path) -> None:
    root, run = tmp_path / "data", tmp_path / "run"
    write(root / "a.csv", rows()), write(root / "b.csv", rows(60, 1, 0.5))
    words = ["--data", "Tables", "--data.root", str(root), "--data.source", "a", "--data.target", "b"]
    words += ["--data.y", "died", "--data.groups", "patient", "--data.batch_size", "16", "--model", "CORAL"]
    words += ["--model.backbone", "MLP", "--trainer.max_steps", "40", "--run_dir", str(run)]
    main(["fit", *words, "--trainer.logger", "false", "--trainer.accelerator", "cpu"])
    new = write(tmp_path / "new.csv", [{k: v for k, v in r.items() if k != "died"} for r in rows(30, 7, 0.5)])
    for file in root.iterdir():
        file.unlink()
    model = adapt.load(run, device="cpu")
    found = model.predict(new)
    right = np.array([row["died"] == "yes" for row in rows(30, 7, 0.5)])
    assert (found == right).mean() > 0.8
    assert model.predict_proba([{"age": 60, "lactate": "NA", "ward": "roof", "code": 0}]).shape == (1, 2)


def test_true_and_false_are_the_same_in_every_format_and_in_python(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": np.arange(40.0), "smokes": np.arange(40) % 2 == 0, "y": np.arange(40) % 2})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "b.csv", index=False)
    data = Tables("a", "b", root=str(tmp_path), batch_size=8)
    wanted = data.preprocessing.applied(data._whole("a").arrays.x)
    for found in (data._whole("b").arrays.x, None):
        given = data.prepare(frame).x if found is None else torch.from_numpy(data.preprocessing.applied(found))
        assert torch.equal(given, torch.from_numpy(wanted))  # type: ignore[arg-type]  # one tensor
    missing = frame.astype({"age": "Int64"})
    missing.loc[0, "age"] = pandas.NA
    assert torch.isfinite(data.prepare(missing[:2]).x).all()  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match="found 'age' alone"):
        data.prepare({"age": 3, "smokes": True})


def test_a_column_that_the_target_has_no_value_in_is_warned_of(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", rows())
    write(tmp_path / "b.csv", [row | {"lactate": "", "ward": ""} for row in rows(60, 1)])
    data = Tables("a", "b", root=str(tmp_path), y="died", groups="patient", batch_size=8)
    with pytest.warns(UserWarning, match="No row of 'b' has a value in 'lactate', 'ward'"):
        data.domain("b", "train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.domain("a", "train")


def test_a_code_is_the_same_with_and_without_a_decimal(tmp_path: Path) -> None:
    for name, codes in (("a", "123"), ("b", ("1.0", "2.0", ""))):
        lines = [f"{k / 40},{codes[k % 3]},{'yn'[k % 2]}" for k in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["age,code,y", *lines]) + "\n")
    data = Tables("a", "b", root=str(tmp_path), categorical=["code"], batch_size=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = data.prepare({"age": [0.5, 0.5], "code": [2.0, 3.0]}).x
    assert data.preprocessing.names == ["age", "code=1", "code=2", "code=3"]
    assert new[:, 1:].tolist() == [[0, 1, 0], [0, 0, 1]]  # type: ignore[index]


def test_a_few_texts_among_numbers_make_no_categories_of_them_without_a_word(tmp_path: Path) -> None:
    hospitals(tmp_path)
    table = [{**row, "age": "n.a." if k == 3 else "" if k == 5 else k % 40} for k, row in enumerate(rows())]
    write(tmp_path / "a.csv", table)
    with pytest.warns(UserWarning, match=r"'age'.*taken for categories, because of 'n.a.' in 1 of 89 cells"):
        assert "age" in hospitals(tmp_path).preprocessing.kinds.categories
    for missing in (["n.a."], "n.a.", ("", "n.a.")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "age" in hospitals(tmp_path, missing=missing).preprocessing.kinds.numbers
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "age" in hospitals(tmp_path, categorical=["age"]).preprocessing.kinds.categories


def test_a_column_of_many_numbers_and_a_text_is_no_name(tmp_path: Path) -> None:
    hospitals(tmp_path)
    write(tmp_path / "a.csv", [{**row, "age": "n.a." if k == 3 else k} for k, row in enumerate(rows())])
    with pytest.raises(AdaptError, match=r"Expected numbers in the column 'age'.*found 'n.a.' in 1 of 90 cells"):
        hospitals(tmp_path)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("{:,.2f}", lambda k: 40 * k + 0.5),
        ("{:,}", lambda k: 40 * k),
        ("{} %", lambda k: k / 2),
        ("${:,.2f}", lambda k: 40 * k + 0.5),
        ("-{} €", lambda k: -k),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_numbers_with_commas_and_units_are_numbers(
    form: str, value: Callable[[float], float], ending: str, tmp_path: Path
) -> None:
    def table(shift: int, plain: bool) -> list[dict[str, Any]]:
        wanted = [value(float(abs(k))) for k in range(shift, 90 + shift)]
        shown = [abs(v) if form.startswith("-") else v for v in wanted]
        written = [form.format(int(v) if form == "{:,}" else v) for v in shown]
        cells = wanted if plain else written
        return [{**row, "age": "" if k == 3 else cells[k]} for k, row in enumerate(rows())]

    found = []
    for plain in (True, False):
        root = tmp_path / str(plain)
        for name, shift in (("a", 0), ("b", 7)):
            write(root / f"{name}{ending}", table(shift, plain))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = hospitals(root, ending)
            new = Tables("a", "b", root=str(root), y="died", groups="patient")
            new.load_state_dict(data.state_dict())
            write(root / f"new{ending}", table(20, plain)[:1])  # one row, of which nobody could tell alone
            x = in_memory(new.read_inputs(root / f"new{ending}")[0])[0]
        assert "age" in data.preprocessing.kinds.numbers
        assert ("written" in data.preprocessing.plain()) == (not plain)
        found.append((split_inputs(data, "a", "train"), split_inputs(data, "b", "test"), x))
    assert all(torch.allclose(one, other) for one, other in zip(*found, strict=True))


def test_a_share_without_its_sign_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [{**row, "age": f"{k} %"} for k, row in enumerate(rows())])
    write(tmp_path / "b.csv", [{**row, "age": k / 100} for k, row in enumerate(rows())])
    with pytest.raises(AdaptError, match=r"Expected numbers with %, as in the source, in the column 'age' .* '0.0'"):
        hospitals(tmp_path)


@pytest.mark.parametrize("cells", [("1,234", "5,678"), ("3,5", "4"), ("45 %", "0.4"), ("$3", "€4"), ("(3.50)", "4")])
def test_numbers_that_may_be_others_are_warned_of(cells: tuple[str, str], tmp_path: Path) -> None:
    hospitals(tmp_path)
    write(tmp_path / "a.csv", [{**row, "age": cells[k % 2]} for k, row in enumerate(rows())])
    with pytest.warns(UserWarning, match=r"'age' .* taken for categories: .* may be numbers in more than one way"):
        assert "age" in hospitals(tmp_path).preprocessing.kinds.categories
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hospitals(tmp_path, categorical=["age"])
    many = [f"{1 + k % 9},{100 + k}" for k in range(90)]
    write(tmp_path / "a.csv", [{**row, "age": many[k]} for k, row in enumerate(rows())])
    with pytest.raises(AdaptError, match=r"Expected plain numbers in the column 'age' .* more than one way"):
        hospitals(tmp_path)


def test_decimal_commas_between_semicolons_may_have_points_and_units(tmp_path: Path) -> None:
    lines = ["age;code;died", *(f"{k + 1}.234,50 €;0{k % 2};{'yes' if k % 3 else 'no'}" for k in range(60))]
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    data = Tables("a", "b", root=str(tmp_path), y="died", batch_size=8)
    at = data.preprocessing.kinds.numbers.index("age")
    assert data.preprocessing.fill[at] % 1000 in (234.5, 734.5)
    # A point without any comma stays a decimal point.
    assert with_points(["1,240", "20"]) == ["1,240", "20"]
    assert with_points(["1.234", "2"]) == ["1.234", "2"] and with_points(["1,5", "2"]) == ["1.5", "2"]


@pytest.mark.parametrize("labels", ["classes", "numbers"])
def test_a_source_row_without_an_answer_is_named_by_its_row(labels: Any, tmp_path: Path) -> None:
    column = "died" if labels == "classes" else "age"
    for name, gap in (("a", 40), ("b", None)):
        table = [row | ({column: ""} if k == gap else {}) for k, row in enumerate(rows())]
        write(tmp_path / f"{name}.csv", table)
    data = Tables("a", "b", root=str(tmp_path), y=column, labels=labels, drop=["patient"], batch_size=8)
    with pytest.raises(AdaptError, match=r"sample of 'a' \(.*\), found none in 1 of \d+, the first at .* \('40'\)"):
        for split in ("train", "val", "test"):
            data._checked(data.domain_samples("a", split), "a", split, labelled=True)

"""Tables and text files, tokens, padding, and a method that trains on them."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapt
from adapt.backbones import TransformerBackbone
from adapt.commands.features import extract_features
from adapt.data import NO_LABEL, Features, Pair, Texts
from adapt.data.texts import read_texts, tokenise
from adapt.errors import AdaptError
from adapt.methods import DANN, MaskedLanguage
from tests.texts import WORDS, make_encoder

pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_encoder(tmp_path_factory.mktemp("encoder")))


def write(path: Path, n: int = 40, labelled: bool = True, title: bool = False) -> None:
    draw = torch.Generator().manual_seed(len(path.stem))
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*(["title"] if title else []), "text", *(["label"] if labelled else [])])
        for row in range(n):
            word = WORDS[(row % 2) * 3 + int(torch.randint(3, (1,), generator=draw))]
            text = "the " * (1 + row % 4) + f"book was {word}"
            out.writerow([*(["a title"] if title else []), text, *(["np"[row % 2]] if labelled else [])])


def texts(root: Path, encoder: str, **options: Any) -> Texts:
    kept = {"source": "books", "target": "kitchen", "tokenizer": encoder, "length": 12, "batch_size": 4}
    return Texts(**kept | {"root": str(root)} | options)


def test_splits_hold_every_text_once_and_tokens_are_the_tokenizers(tmp_path: Path, encoder: str) -> None:
    write(tmp_path / "books.csv")
    write(tmp_path / "kitchen.csv", labelled=False)
    data = texts(tmp_path, encoder)
    assert data.class_names == ["n", "p"]
    rows = [int(row) for split in ("train", "val", "test") for row in data.sample_names("kitchen", split)]
    assert sorted(rows) == list(range(40))
    x, y = data.domain("books", "test")[0]
    row = int(data.sample_names("books", "test")[0])
    assert y == row % 2
    assert int(x["mask"].sum()) == 2 + 1 + row % 4 + 3  # [CLS], [SEP], the's, and three words
    assert data.domain("kitchen", "test")[0][1] is NO_LABEL


def test_a_steps_parts_are_padded_to_the_longest_of_them_all(tmp_path: Path, encoder: str) -> None:
    write(tmp_path / "books.csv", title=True)
    write(tmp_path / "kitchen.csv")
    data = texts(tmp_path, encoder)
    data.setup("fit")
    loaders = data.train_dataloader()
    batch = Pair(next(iter(loaders.source)), next(iter(loaders.target)))
    assert batch.source.x["ids"].shape == (4, 12)
    cut = data.on_before_batch_transfer(batch, 0)
    lengths = [part.x["mask"].sum(1).max() for part in cut]
    assert {part.x[name].shape for part in cut for name in part.x} == {(4, int(max(lengths)))}
    assert lengths[0] > lengths[1]


def test_files_in_folders_are_texts_too(tmp_path: Path, encoder: str) -> None:
    for label in ("bad", "good"):
        for k in range(8):
            path = tmp_path / "books" / label / f"{k}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"the book was {label}")
    (tmp_path / "kitchen").mkdir()
    for k in range(8):
        (tmp_path / "kitchen" / f"{k}.txt").write_text("it was good")
    data = texts(tmp_path, encoder)
    assert data.known_domains == ["books", "kitchen"]
    assert data.class_names == ["bad", "good"]
    assert set(data.sample_names("kitchen", "test")) < {f"{k}.txt" for k in range(8)}
    assert all(data.domain("kitchen", "train")[k][1] is NO_LABEL for k in range(3))


def test_endings_may_be_in_capitals_and_a_domain_has_one_table(tmp_path: Path, encoder: str) -> None:
    write(tmp_path / "books.CSV")
    for k in range(8):
        path = tmp_path / "kitchen" / f"{k}.{'TXT' if k % 2 else 'txt'}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("the book was good")
    data = texts(tmp_path, encoder)
    assert (len(data.table("books").texts), len(data.table("kitchen").texts)) == (40, 8)
    assert read_texts(tmp_path / "kitchen" / "1.TXT").texts == ["the book was good"]
    (tmp_path / "books.tsv").write_text("text\nother\n")
    with pytest.raises(AdaptError, match=r"one file of 'books', found books\.CSV and books\.tsv"):
        texts(tmp_path, encoder)


def test_new_texts_are_read_from_a_table_a_file_or_python(tmp_path: Path, encoder: str) -> None:
    write(tmp_path / "books.csv")
    write(tmp_path / "kitchen.csv", labelled=False)
    data = texts(tmp_path, encoder)
    dataset, names = data.read_inputs(tmp_path / "kitchen.csv")
    assert len(dataset) == len(names) == 40  # type: ignore[arg-type]
    (tmp_path / "one.txt").write_text("it was nice")
    alone, called = data.read_inputs(tmp_path / "one.txt")
    assert list(called) == ["one.txt"]
    same = data.prepare(["it was nice"])
    assert torch.equal(alone[0][0]["ids"], same[0]["ids"])


def test_a_table_in_python_is_read_by_its_columns(tmp_path: Path, encoder: str) -> None:
    pandas = pytest.importorskip("pandas")
    write(tmp_path / "books.csv")
    write(tmp_path / "kitchen.csv", labelled=False)
    data, frame = texts(tmp_path, encoder), pandas.DataFrame({"id": [7, 9], "text": ["it was nice", "awful"]})
    wanted = data.prepare(["it was nice", "awful"])
    # As a list it would be the names of its columns.
    for given in (frame, frame.to_dict("list"), frame.to_dict("records"), frame["text"]):
        assert torch.equal(data.prepare(given).x["ids"], wanted.x["ids"])  # type: ignore[attr-defined]
    with pytest.raises(AdaptError, match="column `text`, found 'id'"):
        data.prepare(frame[["id"]])


def test_columns_of_other_names_and_one_table_of_all_domains(tmp_path: Path, encoder: str) -> None:
    names = {"text": "review", "title": "summary", "label": "stars", "index": "asin", "domain_column": "category"}
    rows = [
        f"{domain}{k},{domain},It {word},the book was {word},{word}"
        for domain in ("books", "kitchen")
        for k in range(20)
        for word in [("bad", "good")[k % 2]]
    ]
    (tmp_path / "all.csv").write_text("\n".join(["asin,category,summary,review,stars", *rows]) + "\n")
    data = texts(tmp_path, encoder, file="all.csv", **names)
    assert data.known_domains == ["books", "kitchen"]
    assert data.class_names == ["bad", "good"]
    assert data.table("kitchen").texts[1] == "It good\nthe book was good"
    assert set(data.sample_names("kitchen", "test")) < {f"kitchen{k}" for k in range(20)}
    wanted = data.prepare(["It good\nthe book was good"]).x["ids"]  # type: ignore[attr-defined]
    given = [{"review": "the book was good", "summary": "It good"}]
    assert torch.equal(data.prepare(given).x["ids"], wanted)  # type: ignore[attr-defined]
    new, called = data.read_inputs(tmp_path / "all.csv")
    assert len(new) == 40 and called[0] == "books0"  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match="Unknown domain 'book' of Texts"):
        texts(tmp_path, encoder, file="all.csv", source="book", **names)
    with pytest.raises(AdaptError, match=r"column `text` in .*--data.text"):
        texts(tmp_path, encoder, file="all.csv", **names | {"text": "text"})
    with pytest.raises(AdaptError, match=r"domain as `domain` in .*--data.domain_column"):
        texts(tmp_path, encoder, file="all.csv", **names | {"domain_column": "domain"})
    with pytest.raises(AdaptError, match="a column for each meaning"):
        texts(tmp_path, encoder, file="all.csv", **names | {"title": "review"})


def test_one_persons_texts_are_never_in_two_splits(tmp_path: Path, encoder: str) -> None:
    person = [row // 4 for row in range(40)]
    lines = [f"the book was {WORDS[row % 2]},{'np'[row % 2]},{person[row]}" for row in range(40)]
    for name in ("books", "kitchen"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label,author", *lines]) + "\n")
    for transductive in (False, True):
        data = texts(tmp_path, encoder, groups="author", transductive=transductive)
        train, val, test = (
            {person[int(row)] for row in data.sample_names("books", split)} for split in ("train", "val", "test")
        )
        assert not train & val and not train & test and train | val | test == set(range(10))
        assert val == test if transductive else not val & test
    (tmp_path / "kitchen.csv").write_text("\n".join(["text", *(line.split(",")[0] for line in lines)]) + "\n")
    with pytest.warns(UserWarning, match="No 'author' in 'kitchen'"):
        texts(tmp_path, encoder, groups="author")
    with pytest.raises(AdaptError, match=r"Expected 'writer' in 'books' or 'kitchen', found .*--data.groups"):
        texts(tmp_path, encoder, groups="writer")
    split = ["train" if row % 2 else "test" for row in range(40)]
    mixed = [f"{line},{part}" for line, part in zip(lines, split, strict=True)]
    (tmp_path / "kitchen.csv").write_text("\n".join(["text,label,author,split", *mixed]) + "\n")
    with pytest.raises(AdaptError, match="each group of 'kitchen' in one split, found '0'"):
        texts(tmp_path, encoder, groups="author").sample_names("kitchen", "test")


def test_whole_numbers_as_labels_are_the_same_classes_beside_gaps(tmp_path: Path, encoder: str) -> None:
    lines = [f"the book was {('bad', 'good')[k % 2]},{k % 2}" for k in range(40)]
    (tmp_path / "books.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    # As pandas writes a column of whole numbers in which some are missing.
    some = [f"{line[:-2]},{'' if k % 4 else line[-1] + '.0'},r{k}" for k, line in enumerate(lines)]
    (tmp_path / "kitchen.csv").write_text("\n".join(["text,label,index", *some]) + "\n")
    data = texts(tmp_path, encoder)
    assert data.class_names == ["0", "1"] and data.class_sets is None
    assert data.target_labels("test").labelled < data.target_labels("test").samples
    assert all(name[0] == "r" for name in data.sample_names("kitchen", "test"))
    (tmp_path / "twice.csv").write_text("text,label,text\na,0,b\n")
    with pytest.raises(AdaptError, match="'text' twice"):
        read_texts(tmp_path / "twice.csv")


def test_tokens_are_cut_kept_and_padded_with_the_tokenizers_token(encoder: str) -> None:
    found = tokenise(["the book was good", "it " * 30], encoder, 8)
    assert found["mask"].sum(1).tolist() == [6, 8]
    assert found["ids"][0, 6:].tolist() == [0, 0]
    assert found["ids"].dtype == torch.int32
    with pytest.raises(AdaptError, match="at most 64"):
        tokenise(["it"], encoder, 65)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("first", ["text;label", "sep=;\ntext;label", "text\tlabel"])
def test_tables_of_spreadsheets_are_read(tmp_path: Path, first: str, encoding: str) -> None:
    between = first[-6]
    rows = [f'"so, so {between} schön\nand long"{between}p', f"{'x' * 200_000}{between}n"]
    (tmp_path / "a.csv").write_text("\r\n".join([first, *rows]), encoding=encoding, newline="")
    found = read_texts(tmp_path / "a.csv")
    assert found.texts == [f"so, so {between} schön\nand long", "x" * 200_000]
    assert found.labels == ["p", "n"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", "column `text`"),
        ("text\n", "found no row below"),
        ("text,label\ngood,p\n ,n\n", "row 1"),
        ("text,label\nso, so,p\n", "into quotes"),
        ('text,label\n"so,p\ngood,n\n', "is a quote open"),
        ("text,split\ngood,training\n", "splits"),
    ],
)
def test_odd_tables_are_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "odd.csv").write_text(content)
    with pytest.raises(AdaptError, match=words):
        read_texts(tmp_path / "odd.csv")


def test_what_is_missing_is_named(tmp_path: Path, encoder: str) -> None:
    write(tmp_path / "books.csv")
    write(tmp_path / "kitchen.csv")
    data = texts(tmp_path, encoder, tokenizer=None)
    with pytest.raises(AdaptError, match="tokenizer"):
        data.domain("books", "train")
    write(tmp_path / "books.csv", labelled=False)
    with pytest.raises(AdaptError, match="labels of two classes"):
        texts(tmp_path, encoder)


def test_features_of_texts_are_extracted_once(tmp_path: Path, encoder: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "texts.csv")
    (tmp_path / "reviews").mkdir()
    for name in ("books", "kitchen"):
        write(tmp_path / "reviews" / f"{name}.csv", labelled=name == "books")
    backbone, out = TransformerBackbone(encoder, trainable_layers=0), str(tmp_path / "out")
    for _ in range(2):
        extract_features(backbone, out, "reviews", str(tmp_path), length=12, batch_size=7, device="cpu")
    assert capsys.readouterr().out.count("kept") == 2
    data = Features("books", "kitchen", root=out, batch_size=4)
    x, _ = data.domain("books", "test")[0]
    row = int(data.sample_names("books", "test")[0].rpartition("/")[2])
    table = read_texts(tmp_path / "reviews" / "books.csv")
    alone = tokenise([table.texts[row]], encoder, 12)
    assert torch.allclose(x, backbone.eval()(alone)[0], atol=1e-5)


@pytest.mark.parametrize("method", [DANN, MaskedLanguage])
def test_methods_train_on_texts_and_see_no_target_label(tmp_path: Path, encoder: str, method: Any) -> None:
    from lightning.pytorch import Trainer, seed_everything

    weights = []
    for shuffled in (False, True):
        write(tmp_path / "books.csv")
        write(tmp_path / "kitchen.csv", n=41 if shuffled else 40)
        if shuffled:  # the same texts under other labels
            rows = (tmp_path / "kitchen.csv").read_text().splitlines()[:41]
            swapped = [rows[0], *(row[:-1] + ("n" if row[-1] == "p" else "p") for row in rows[1:])]
            (tmp_path / "kitchen.csv").write_text("\n".join(swapped) + "\n")
        seed_everything(0, verbose=False)
        data = texts(tmp_path, encoder)
        options: dict[str, Any] = {"discriminator_hidden": 4} if method is DANN else {"pretraining": 0.5, "weight": 0.1}
        built = method(problem=data.problem, backbone=TransformerBackbone(encoder), **options)
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        trainer = Trainer(max_steps=4, max_epochs=-1, accelerator="cpu", logger=False, limit_val_batches=0, **quiet)
        trainer.fit(built, datamodule=data)
        weights.append(torch.cat([p.detach().flatten() for p in built.parameters()]))
    assert torch.equal(*weights)


def test_guessing_words_learns_them(tmp_path: Path, encoder: str) -> None:
    torch.manual_seed(0)
    method = MaskedLanguage(problem=2, backbone=TransformerBackbone(encoder, dropout=0.0), rate=0.4)
    x = tokenise(["the book was very good", "a pan was bad and awful"] * 16, encoder, 12)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = method.guessing(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    for wrong in ({"rate": 0.0}, {"pretraining": 1.0}):
        with pytest.raises(AdaptError):
            MaskedLanguage(problem=2, backbone=TransformerBackbone(encoder), **wrong)


def test_a_trained_run_predicts_a_table_and_the_same_texts_in_python_alike(tmp_path: Path, encoder: str) -> None:
    write(tmp_path / "books.csv")
    write(tmp_path / "kitchen.csv", labelled=False)
    data, run = texts(tmp_path, encoder), tmp_path / "run"
    backbone = TransformerBackbone(encoder, trainable_layers=0)
    model = adapt.fit("SourceOnly", data, max_steps=2, backbone=backbone, run_dir=run, device="cpu")
    given = data.table("kitchen").texts
    for found in (model, adapt.load(run, device="cpu")):
        wanted = found.predict_proba(tmp_path / "kitchen.csv")
        for rows in (given, {"text": given}, [{"text": text} for text in given]):
            np.testing.assert_allclose(found.predict_proba(rows), wanted, atol=1e-5)

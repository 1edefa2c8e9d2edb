"""The datamodule that pairs a source with a target domain; a dataset adds `domain(name, split)`."""

import difflib
import sys
import warnings
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from adapt.data.batches import FewShotPair, Labelled, Pair, TargetBatch, Unlabelled
from adapt.data.checks import check_class_names, check_domain, check_inputs, check_poolable, count_labels, labels_of
from adapt.data.classes import (
    Relabelling,
    Selection,
    relate_classes,
    select,
    selected,
    warn_of_near_names,
    with_unseen,
)
from adapt.data.labels import LabelCount
from adapt.data.loaders import (
    BalancedSampler,
    CycledSampler,
    DomainLoader,
    FixedOrder,
    KeptBatches,
    ShareSampler,
    whole_batch,
)
from adapt.data.views import Inputs, LabelledView, ResidentView, UnlabelledView, WithoutLabels, pool
from adapt.errors import AdaptError
from adapt.paths import data_root
from adapt.problems import Classification, ClassSets, Problem, described_problem
from adapt.recorded import Recorded, of_python, plain_arguments
from adapt.trees import Tree, leaves, tree_map

Split = Literal["train", "val", "test"]
Role = Literal["source", "target"]
_TASK_SEPARATOR = "-"
_MOST_KEPT = 2**30
LOADING = ("eval_batch_size", "num_workers", "pin_memory", "prefetch_factor", "on_device", "predict_split")
"""Arguments that change how samples are read, and none that is trained on."""
# What changes no sample and no split, what lies elsewhere after a move, and what others say.
_NO_SETTINGS = (
    *("batch_size", *LOADING),
    *("root", "cache", "path", "tokenizer", "checkpoint", "save_dir", "source_free", "positive", "specificity"),
)


_ALONE: ContextVar[Mapping[str, Any] | None] = ContextVar("alone", default=None)


@contextmanager
def standing_alone(state: Mapping[str, Any]) -> Iterator[None]:
    """Within it, datamodules are built for new data alone: nothing of their own data is read, or has to be there.

    Classes, shapes and statistics come from the checkpoint, and `read_inputs` works as it did in training.

    Args:
        state: What a checkpoint keeps of the datamodule, under the name of its class.
    """
    token = _ALONE.set(state)
    try:
        yield
    finally:
        _ALONE.reset(token)


class DomainDataModule(Recorded, LightningDataModule):
    """Source and target domains as pairs of batches; the base of every dataset.

    A dataset sets `class_names`, `input_shape` and `known_domains` no later than in `__init__`, and writes
    `domain(name, split)`. An epoch is one pass over the larger domain, the smaller one reshuffled and cycled.
    Target training batches carry no label unless `shots` asks for some. The target may have no labels at all, or only
    some: a dataset then gives `(x, NO_LABEL)` for a sample without one, and `TensorDomain(x, None)` is a whole domain
    of them. What is measured on the target is measured on the samples that have one.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        root: Folder of the data; the environment variable `ADAPT_DATA` when None.
        batch_size: Training samples per domain and step (and per process).
        eval_batch_size: Samples per batch at validation, test and prediction.
        num_workers: Loader processes of each loader; 0 is fastest for domains in memory. They live as long as the
            run, and augmentation does not depend on how many there are.
        pin_memory: Copy batches into page-locked memory, for faster transfer to a GPU; None for where there is one.
        prefetch_factor: Batches that each worker reads ahead; None for torch's default of 2.
        on_device: Put domains that lie in memory on the training device once and pick their batches there, instead of
            copying each batch. They, and what is computed on them, have to fit there; needs `num_workers` of 0.
        shots: Labelled target training samples per class that become a third batch, `"all"` for every one, None
            for none. They are drawn with the experiment's seed.
        val_fraction: Share of a training set that `holdout` keeps for validation.
        split_seed: Seed of the held-out share, the same for all of an experiment's seeds.
        source_free: Leave the source out of training, validation and test: not one of its samples is read. Methods
            that adapt without it ask for this themselves on the command line.
        predict_split: What `adapt predict` labels of the target: its test set, or every sample.
        source_classes: Names of the source's classes: samples of the others are left out. All when None.
        target_classes: Names of the target's classes, as benchmarks of partial and open sets are built: samples of the
            others, and those without a label, are left out. All when None.
        class_sets: How the two domains' classes relate: `closed` (they are the same), `partial` (the target has some
            of the source's), `open` (the target has more; these are one class `unknown` in evaluation), `universal`
            (both have classes of their own). None finds out from the labels.
        unseen_classes: Names of classes that may be the answer though no labelled source sample shows them, such as for
            `TextAnchors`; what the source has of them is left out. They follow the source's classes.
        balance_sources: Take as many samples of each source into every batch, instead of pooling them.
        positive: The class that is looked for, such as a disease: tests then also measure `auroc`, and `sensitivity` at
            the given specificity.
        specificity: Share of the other classes' samples that must not be taken for the positive class.
    """

    known_domains: Sequence[str] = ()
    class_names: Sequence[str] = ()
    input_shape: tuple[int, ...] = ()
    transductive: bool = False
    """Whether the target's training, validation and test set are all the whole of it; datasets that offer it set it."""
    training_only: tuple[str, ...] = ()
    """Arguments that hold the data themselves, which a run's configuration leaves out."""
    rows_are_numbered_by_split = True
    """Whether `sample_names` that are numbers count anew in each split."""

    def __init__(
        self,
        source: str | list[str],
        target: str,
        root: str | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        num_workers: int = 0,
        shots: int | Literal["all"] | None = None,
        val_fraction: float = 0.1,
        split_seed: int = 0,
        source_free: bool = False,
        predict_split: Literal["test", "all"] = "test",
        pin_memory: bool | None = None,
        prefetch_factor: int | None = None,
        source_classes: list[str] | None = None,
        target_classes: list[str] | None = None,
        class_sets: ClassSets | None = None,
        balance_sources: bool = False,
        positive: str | None = None,
        specificity: float = 0.9,
        unseen_classes: list[str] | None = None,
        on_device: bool = False,
    ) -> None:
        super().__init__()
        self.sources = [source] if isinstance(source, str) else list(source)
        self.target = target
        self.root = data_root(root)
        # A search in Python draws NumPy's numbers, which torch's loaders refuse.
        self.batch_size, self.eval_batch_size = of_python(batch_size), of_python(eval_batch_size)
        self.num_workers, self.prefetch_factor = of_python(num_workers), of_python(prefetch_factor)
        self.pin_memory, self.on_device = pin_memory, on_device
        self.shots, self.val_fraction, self.split_seed = (
            of_python(shots),
            of_python(val_fraction),
            of_python(split_seed),
        )
        self.source_free, self.predict_split = source_free, predict_split
        self.source_classes, self.target_classes, self.class_sets = source_classes, target_classes, class_sets
        self.balance_sources, self.unseen_classes = balance_sources, unseen_classes
        self.positive, self.specificity = positive, specificity
        self._all_classes: tuple[str, ...] = ()
        self.missing_classes: tuple[str, ...] = ()
        self.unknown_classes: tuple[str, ...] = ()
        self._relabelling: dict[str, Relabelling] = {}
        self._selections: dict[tuple[str, Split], Selection] = {}
        # The experiment's seed, so that orders differ between seeds; a checkpoint restores it.
        self.order_seed = torch.initial_seed() % 2**31
        self._train: dict[str, Dataset[Any]] = {}
        self._source_parts: list[Dataset[Any]] = []
        self._counts: dict[Split, LabelCount] = {}
        self._kept: Any = None
        self._bytes: bool | None = None
        self.restored_problem: Problem | None = None
        if (state := _ALONE.get()) is None:
            self._check_arguments()
        else:
            self.class_names, self.input_shape = state["fixed"]["class_names"], tuple(state["input_shape"])
            self.restored_problem = described_problem(state["problem"])
            self.class_sets = getattr(self.restored_problem, "class_sets", None)
            self.load_state_dict(dict(state))

    @property
    def problem(self) -> Problem:
        """What the labels pose: classification into `class_names`, unless a dataset overrides this.

        Raises:
            AdaptError: The datamodule names no class, or one alone.
        """
        if self.restored_problem is not None:
            return self.restored_problem
        if len(self.class_names) < 2:
            raise AdaptError(
                f"Expected {type(self).__name__} with class_names of two classes or more, found "
                f"{', '.join(self.class_names) or 'none'}."
            )
        found = Classification(
            self.class_names, self.class_sets or "closed", self.unseen_classes or (), self.positive, self.specificity
        )
        found.only_source, found.only_target = tuple(self.missing_classes), tuple(self.unknown_classes)
        return found

    @property
    def num_sources(self) -> int:
        """How many source domains there are."""
        return len(self.sources)

    @property
    def num_classes(self) -> int:
        """Width of the problem's output layer: the number of the source's classes."""
        return self.problem.num_outputs

    @property
    def task(self) -> str:
        """Name of the task, for folders and tables: `mnist-usps`, `art+photo-sketch`."""
        return "+".join(self.sources) + _TASK_SEPARATOR + self.target

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The samples `(x, y)` of one domain, `(x, NO_LABEL)` where one has no label; every dataset writes this.

        Args:
            name: One of `known_domains`.
            split: `train`, `val` or `test`; `holdout` cuts the first two from one training set.
        """
        raise AdaptError(f"{type(self).__name__} has to define domain(name, split), which returns a dataset of (x, y).")

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """New inputs from a user's path, without labels and ready for `transform`, as the target's are in evaluation.

        Each family of datasets overrides this. It needs none of the training data: what it needs of them is in
        `state_dict`.

        Args:
            path: A file or a folder.

        Returns:
            The inputs, as samples `(x, NO_LABEL)`, and what each is called.
        """
        raise AdaptError(
            f"Expected new inputs at {path} for a datamodule that reads such files, found {type(self).__name__}.\n"
            "ImageFolders reads images, Arrays and Features read arrays; of another one write read_inputs(path)."
        )

    def target_labels(self, split: Split) -> LabelCount:
        """How many samples of a split of the target have a label, without which nothing is measured there."""
        if split not in self._counts:
            self._counts[split] = count_labels(self._checked(self._evaluated(split), self.target, split))
        return self._counts[split]

    def transform(self, x: Tree) -> Tree:
        """What happens on the device to a batch of inputs `(N, ...)`; by default bytes become floats in [0, 1]."""
        return tree_map(lambda part: part.float() / 255 if part.dtype == torch.uint8 else part, x)

    def holdout(self, dataset: Dataset[Any], split: Split) -> Dataset[Any]:
        """The training or the validation share of one training set: disjoint, seeded, the same in every run."""
        size = len(dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__
        order = torch.randperm(size, generator=torch.Generator().manual_seed(self.split_seed))
        held = max(1, round(self.val_fraction * size))
        # A list of a million numbers takes 36 MB, and every worker has its own.
        return Subset(dataset, array("q", (order[:held] if split == "val" else order[held:]).numpy().tobytes()))

    def setup(self, stage: str) -> None:
        """Build what the stage needs, and refuse pairs that would train without a word of complaint."""
        if stage != "fit" or self._train:
            return
        if self.restored_problem is not None:
            raise AdaptError("Expected data to train on, found a datamodule that was built for new inputs alone.")
        self._say_class_sets()
        if self._has_classes():
            warn_of_near_names({*self.class_names, *self.unknown_classes})
        names = {"source": "+".join(self.sources), "target": self.target}
        sources = {
            name: self._checked(self.domain_samples(name, "train"), name, "train", labelled=True)
            for name in ([] if self.source_free else self.sources)
        }
        if sources:
            check_poolable(sources)
            self._train["source"] = pool(list(sources.values()))
            self._source_parts = list(sources.values())
        self._train["target"] = self._checked(self.domain_samples(self.target, "train"), self.target, "train")
        if self.shots is not None and not count_labels(self._train["target"]).labelled:
            raise AdaptError(
                f"Expected labelled training samples of {self.target!r} to draw shots from (found --data.shots "
                f"{self.shots}), found none with a label.\nLabel some of them, or choose a method that needs no target "
                "labels and leave out --data.shots."
            )
        for role, dataset in self._train.items():
            size, world = _size(dataset), self._world()[1]
            if size < (needed := self.batch_size * world):
                shared = f" ({self.batch_size} in each of {world} processes)" if world > 1 else ""
                fewer = (
                    f"Lower --data.batch_size to {size // world} or less" if size >= world else "Use fewer processes"
                )
                raise AdaptError(
                    f"The {role} domain {names[role]!r} has {size} training samples, fewer than one batch of "
                    f"{needed}{shared}: training would end after 0 steps. {fewer}."
                )
        domains = sources | {self.target: self._train["target"]}
        check_inputs(domains, self.transform, self.input_shape, lambda name: self.taken_names(name, "train"))

    def forget(self) -> None:
        """Drop what `setup` built, after an argument has changed."""
        self._train, self._source_parts = {}, []

    def train_dataloader(self) -> Pair | FewShotPair | TargetBatch:
        """A pair (or triple) of loaders of equal length, which Lightning combines into a `Pair` of batches.

        Inputs come as the dataset has them: a trainer calls `on_after_batch_transfer`, which applies `transform`. A
        loop of one's own takes `batches()`.
        """
        self.setup("fit")  # for a loop of one's own; a trainer has done it
        target = UnlabelledView(self._train["target"], **self._described("target", "train"))
        joint = self.batch_size * self._world()[1]
        if self.source_free:
            alone: Any = self._cycled(target, len(target) // joint, 1)
            return TargetBatch(alone)
        sizes = [_size(part) for part in self._source_parts] if len(self.sources) > 1 else None
        source = LabelledView(self._train["source"], **self._described("source", "train"), sizes=sizes)
        batches = max(len(source), len(target)) // joint
        # Typed as batches: a combined loader takes the NamedTuple's shape for what it yields.
        pair: list[Any] = [self._cycled(source, batches, 0), self._cycled(target, batches, 1)]
        if self.shots is None:
            return Pair(pair[0], pair[1])
        third: Any = self._cycled(self._labelled_target(self._train["target"]), batches, 2)
        return FewShotPair(pair[0], pair[1], third)

    def batches(self) -> Iterator[Pair | FewShotPair | TargetBatch]:
        """The batches of one epoch as a method receives them, on the CPU: for a training loop of one's own.

        Each call draws the same order, that of the first epoch.
        """
        loaders: Any = self.train_dataloader()
        for parts in zip(*loaders, strict=True):
            yield self.on_after_batch_transfer(type(loaders)(*parts), 0)

    def training_samples(self, role: Role, positions: Sequence[int], visit: int = 0) -> Labelled | Unlabelled:
        """Training samples of a method's own choice, as its batches have them: labels only of the source.

        Like those, they are on the CPU and not transformed: `on_after_batch_transfer` does both.

        Args:
            role: `source` or `target`.
            positions: Their positions in the training set.
            visit: A number of which, with the positions, the random numbers of an augmentation follow.
        """
        self.setup("fit")
        several = [_size(part) for part in self._source_parts] if len(self.sources) > 1 else None
        described = self._described(role, "train")
        view: LabelledView = (
            LabelledView(self._train[role], **described, sizes=several)
            if role == "source"
            else UnlabelledView(self._train[role], **described)
        )
        visits = len(view) * (1 + visit) if view.draws else 0
        return view.__getitems__([visits + position for position in positions])

    def domain_dataloader(self, role: Role) -> DataLoader[Any]:
        """One pass over the training inputs of a role, in order and as evaluation sees them; labels only of the source.

        Args:
            role: `source` or `target`.

        Raises:
            AdaptError: The source is asked for, and left out.
        """
        if role == "target":
            whole = self._checked(self._evaluated("train"), self.target, "train")
            return self._ordered(UnlabelledView(whole, **self._described("target", "train")))
        if self.source_free:
            raise AdaptError("Expected no pass over the source, which source_free leaves out, found one.")
        parts = [
            self._checked(self._taken(self.unaugmented(name), name, "train"), name, "train", labelled=True)
            for name in self.sources
        ]
        return self._ordered(LabelledView(pool(parts), **self._described("source", "train")))

    def labelled_target_dataloader(self) -> DataLoader[Any]:
        """One pass over the labelled target training samples, in order and as evaluation sees them.

        Raises:
            AdaptError: There are none.
        """
        if self.shots is None:
            raise AdaptError("Expected labelled target samples, found none. Say how many per class: --data.shots 5.")
        return self._ordered(self._labelled_target(self._evaluated("train")))

    def unaugmented(self, name: str) -> Dataset[tuple[Any, Any]]:
        """The training samples of a domain as evaluation sees them; datasets that augment override this."""
        return self.domain(name, "train")

    def held_out_dataloader(self) -> DataLoader[Any]:
        """One pass over the source's validation samples, in order, all of them in every process."""
        return self._ordered(LabelledView(pool([self.domain_samples(name, "val") for name in self.sources])))

    def val_dataloader(self) -> list[DataLoader[Labelled]]:
        """Validation loaders `[source, target]`, or `[target]` without the source."""
        return self._evaluation("val")

    def test_dataloader(self) -> list[DataLoader[Labelled]]:
        """Test loaders `[source, target]`, or `[target]` without the source."""
        return self._evaluation("test") if self._kept is None else self._kept

    @contextmanager
    def reading_tests_once(self, most: int = _MOST_KEPT) -> Iterator[None]:
        """Within it, test samples are read once, however often they are tested on: several checkpoints of one run are.

        Args:
            most: Bytes of each domain that may lie in memory; what is larger is read in every pass.
        """
        loaders: Any = self._evaluation("test")
        # What lies in memory already is read from there.
        self._kept = [KeptBatches(each, most) if each.dataset.draws else each for each in loaders]
        try:
            yield
        finally:
            self._kept = None

    def predict_dataloader(self) -> DataLoader[Unlabelled]:
        """The target inputs that `predict_split` asks for, as evaluation sees them and without labels."""
        splits = [self._evaluated(split) for split in self.predicted_splits()]
        return self._shared(UnlabelledView(pool(splits), **self._described("target", "test")))

    def prepare(self, inputs: Any) -> Any:
        """Inputs that a person has in Python, `(N, ...)`, as the samples that `transform` takes.

        Datasets of files override this where they do more to a sample than `transform` does.

        Args:
            inputs: An array or tensor, or a list of them.

        Raises:
            AdaptError: They are no numbers, or not of the shape that the network was trained on.
        """
        try:
            found = Inputs(torch.stack([torch.as_tensor(x) for x in inputs]) if isinstance(inputs, list) else inputs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise AdaptError(f"Expected a list of arrays of one shape, could not read it ({error}).") from error
        shapes = [tuple(leaf.shape) for leaf in leaves(found.x)]
        # Of inputs with several parts one is what the shape is of.
        if self.input_shape and all(shape[1:] != tuple(self.input_shape) for shape in shapes):
            wanted = tuple(self.input_shape)
            last = len(wanted) == 3 and all(shape[1:] == (*wanted[1:], wanted[0]) for shape in shapes)
            mend = "The channels come first: x.transpose(0, 3, 1, 2)." if last else "One sample alone is x[None]."
            raise AdaptError(
                f"Expected inputs of shape (N, {', '.join(map(str, wanted))}), found "
                f"{', '.join(map(str, shapes[:5]))}. {mend}"
            )
        if any(leaf.is_complex() for leaf in leaves(found.x)):
            raise AdaptError("Expected real inputs, found complex ones. Give for example their sizes.")
        return Inputs(self.as_trained(found.x))

    def as_trained(self, x: Tree) -> Tree:
        """Inputs as bytes where training had bytes, and else as numbers, of which `transform` divides none by 255.

        Raises:
            AdaptError: Training had bytes, and these are other numbers.
        """
        return x if self._bytes is None else tree_map(self._of_type, x)

    def _of_type(self, part: Tensor) -> Tensor:
        if not self._bytes or part.dtype == torch.uint8:
            return part.float() if part.dtype == torch.uint8 and not self._bytes else part
        low, high = (float(part.min()), float(part.max())) if part.numel() else (0.0, 255.0)
        # Up to 1 they may be shares of what bytes mean.
        whole = not part.is_floating_point() or (high > 1 and bool((part == part.round()).all()))
        if not whole or not 0 <= low <= high <= 255:
            raise AdaptError(
                f"Expected bytes (uint8, 0 to 255), as in training, found {part.dtype} from {low:.3g} to {high:.3g}. "
                "Give the inputs as they were in training."
            )
        return part.to(torch.uint8)

    def inputs_path(self, name: str) -> Path | None:
        """Where a domain's inputs lie, as `read_inputs` takes it; None where they lie in no file of a person's own."""
        return None

    def predicted_inputs(self) -> Dataset[Any]:
        """The inputs of `predict_split`, without labels."""
        return WithoutLabels(pool([self._evaluated(split) for split in self.predicted_splits()]))

    def predicted_splits(self) -> Sequence[Split]:
        """The target's splits that `predict_split` asks for."""
        return self.every_split() if self.predict_split == "all" else ("test",)

    def every_split(self) -> Sequence[Split]:
        """Splits of the target that hold every sample once; datasets whose splits overlap otherwise override this."""
        return ("test",) if self.transductive else ("train", "val", "test")

    def trains_on(self, split: Split) -> bool:
        """Whether a split of the target is its training set, row by row; where splits overlap, override this."""
        return self.transductive or split == "train"

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """What each sample of a split is called in `predictions.csv`: here its row; datasets of files override this."""
        return [str(row) for row in range(_size(self.domain(name, split)))]

    def predicted_names(self) -> tuple[list[str], int]:
        """Names of the samples that are predicted, in order, and how many samples the target has in all."""
        splits = self.predicted_splits()
        rows = {split: self.taken_names(self.target, split) for split in splits}
        # Rows of several splits share their numbers.
        numbered = self.rows_are_numbered_by_split and len(splits) > 1
        numbered = numbered and any(row.isdecimal() for split in splits for row in rows[split])
        names = [f"{split} {row}" if numbered else row for split in splits for row in rows[split]]
        return names, sum(_size(self._evaluated(split)) for split in self.every_split())

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Apply `transform` to each domain's inputs, a whole batch at once, on the device, in the network's type."""
        if isinstance(batch, Labelled | Unlabelled):
            # After Lightning's precision plugin, which sees bytes: what they become has to be converted here.
            network = getattr(self.trainer, "lightning_module", None)
            dtype = getattr(network, "dtype", torch.float32)
            if self._train and self._bytes is None and isinstance(batch.x, Tensor):
                self._bytes = batch.x.dtype == torch.uint8
            x = self.transform(batch.x)
            if isinstance(x, Tensor):
                return batch._replace(x=x.to(dtype))
            # Of inputs with several parts whole numbers stay what they are: a text's ids are no quantities.
            return batch._replace(x=tree_map(lambda part: part.to(dtype) if part.is_floating_point() else part, x))
        return type(batch)(*(self.on_after_batch_transfer(part, dataloader_idx) for part in batch))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run goes on from, what it was trained on, and what new inputs need: classes and shapes."""
        fixed: dict[str, Any] = {
            name: getattr(self, name) for name in ("target", "shots", "val_fraction", "split_seed")
        }
        fixed |= {"source": self.sources, "class_names": [str(name) for name in self.class_names]}
        fixed |= {name: getattr(self, name) for name in ("source_classes", "target_classes", "class_sets")}
        if self.unseen_classes is not None:
            fixed["unseen_classes"] = [str(name) for name in self.unseen_classes]
        inputs = {"input_shape": list(self.input_shape), "problem": self.problem.describe()}
        told: dict[str, Any] = {"arguments": plain_arguments(self, (*_NO_SETTINGS, *fixed, *self.training_only))}
        told["sizes"] = {role: _size(dataset) for role, dataset in self._train.items()}
        told |= {"order_seed": self.order_seed, "batch_size": self.batch_size, "bytes": self._bytes}
        return {"fixed": fixed} | inputs | told

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the seed of the order."""
        self.order_seed = state_dict["order_seed"]
        if state_dict.get("bytes") is not None:
            self._bytes = state_dict["bytes"]
        for role, before in state_dict.get("sizes", {}).items():
            if role in self._train and (now := _size(self._train[role])) != before and self._world()[0] == 0:
                warnings.warn(
                    f"The {role} has {now} training samples, and had {before} when the checkpoint was saved: training "
                    "goes on with other data, or other splits, and may have seen what is now tested on.",
                    stacklevel=2,
                )

    def data_path(self, *parts: str, instructions: str) -> Path:
        """A path below the data root that has to exist.

        Args:
            *parts: Path below the root.
            instructions: What to download, and where it has to lie.

        Raises:
            AdaptError: Nothing lies there.
        """
        path = self.root.joinpath(*parts)
        if not path.exists():
            raise AdaptError(
                f"Expected data at {path}, found nothing there. {instructions} "
                "The root is --data.root, or the environment variable ADAPT_DATA."
            )
        return path

    def _check_arguments(self) -> None:
        for name in [*self.sources, self.target]:
            self.check_domain(name)
        if self.target in self.sources:
            raise AdaptError(f"Expected two different domains, found {self.target!r} as source and as target.")
        if len(set(self.sources)) < len(self.sources):
            raise AdaptError(f"Expected each source domain once, found {', '.join(self.sources)}.")
        if not self.sources:
            raise AdaptError("Expected at least one source domain, found an empty list.")
        whole = {
            "a batch size": (self.batch_size, 1),
            "an eval_batch_size": (self.eval_batch_size, 1),
            "num_workers": (self.num_workers, 0),
            "a prefetch_factor": (1 if self.prefetch_factor is None else self.prefetch_factor, 1),
        }
        for name, (value, least) in whole.items():
            if not isinstance(value, int) or value < least:
                raise AdaptError(f"Expected {name} of at least {least}, found {value!r}.")
        if self.on_device and self.num_workers:
            raise AdaptError(
                f"Expected num_workers 0 beside on_device, where workers have nothing to do, found {self.num_workers}."
            )
        if self.balance_sources and self.batch_size < len(self.sources):
            raise AdaptError(
                f"Expected a batch size of at least {len(self.sources)}, one sample of each source, beside "
                f"balance_sources, found {self.batch_size}."
            )
        if not isinstance(self.split_seed, int) or not 0 <= self.split_seed < 2**63:
            raise AdaptError(f"Expected a split_seed of at least 0 and below 2^63, found {self.split_seed!r}.")
        if self.source_free and self.shots is not None:
            raise AdaptError(f"Expected no labelled target samples beside source_free, found shots {self.shots!r}.")
        if not 0 < self.val_fraction < 1:
            raise AdaptError(f"Expected a validation fraction between 0 and 1, found {self.val_fraction}.")
        if self.shots not in (None, "all") and not (isinstance(self.shots, int) and self.shots >= 1):
            raise AdaptError(f"Expected at least 1 shot per class or 'all', found {self.shots!r}.")
        self._relate_classes()

    def check_domain(self, name: str) -> None:
        """Refuse a domain that this datamodule does not have."""
        if name in self.known_domains:
            return
        if not self.known_domains:
            raise AdaptError(
                f"{type(self).__name__} names no domains: set known_domains in the class, such as "
                f'known_domains = ("{name}", ...).'
            )
        close = difflib.get_close_matches(name, self.known_domains, n=1)
        raise AdaptError(
            f"Unknown domain {name!r} of {type(self).__name__}: expected one of {', '.join(self.known_domains)}."
            + (f" Did you mean {close[0]!r}?" if close else "")
        )

    @property
    def all_classes(self) -> Sequence[str]:
        """The classes of the data set, of which `class_names` are those that the source has and that were asked for."""
        return self._all_classes or self.class_names

    def domain_classes(self, name: str) -> Sequence[str]:
        """Class names of one domain, none without labels; datasets whose domains could differ override this."""
        return self.all_classes

    def label_names(self, name: str) -> Sequence[str]:
        """What a domain's labels 0, 1, ... mean; datasets that number each domain's classes anew override this."""
        return self.all_classes

    def domain_samples(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """`domain(name, split)` with the classes that were asked for alone, numbered as the problem numbers them."""
        return self._taken(self.domain(name, split), name, split)

    def taken_names(self, name: str, split: Split) -> Sequence[str]:
        """`sample_names`, of the samples that `domain_samples` has."""
        names = self.sample_names(name, split)
        if name not in self._relabelling:
            return names
        self.domain_samples(name, split)
        return [names[row] for row in self._selections[name, split].rows.tolist()]

    def _taken(self, dataset: Dataset[Any], name: str, split: Split) -> Dataset[Any]:
        if name not in self._relabelling:
            return dataset
        if (name, split) not in self._selections:
            where = f"{name!r} ({split})"
            chosen = select(labels_of(dataset), self._relabelling[name], where)
            if not len(chosen.rows):
                if self.source_classes is None and self.target_classes is None and self.unseen_classes is None:
                    raise AdaptError(f"Expected samples in {where}, found none. Give the domain more of them.")
                raise AdaptError(f"Expected samples of the asked classes in {where}, found none. Name other classes.")
            self._selections[name, split] = chosen
        return selected(dataset, self._selections[name, split])

    def _relate_classes(self) -> None:
        """Find the problem's classes, which are the source's, and what becomes of each domain's labels."""
        self._all_classes = tuple(map(str, self.class_names))
        asked = {"source_classes": self.source_classes, "target_classes": self.target_classes}
        if self.unseen_classes is not None:
            asked["source_classes"] = self._seen_classes()
        told = asked | {"class_sets": self.class_sets, "unseen_classes": self.unseen_classes}
        given = [name for name, value in told.items() if value is not None]
        if given and not self._has_classes():
            raise AdaptError(f"Expected classes to choose from, found {self.problem.kind}. Leave {given[0]} out.")
        if not self._has_classes():
            named = {name: self.domain_classes(name) for name in [*self.sources, self.target]}
            check_class_names({name: classes for name, classes in named.items() if classes})
            return
        found = relate_classes(
            {name: self.domain_classes(name) for name in self.sources},
            (self.target, self.domain_classes(self.target)),
            asked["source_classes"],
            self.target_classes,
            None if self.unseen_classes else self.class_sets,
        )
        if self.unseen_classes:
            found = with_unseen(found, self.unseen_classes, (self.target, self.domain_classes(self.target)))
        self.class_sets = None if self.class_sets is None and found.class_sets == "closed" else found.class_sets
        self.missing_classes, self.unknown_classes = found.missing, found.private
        names = [*self.sources, self.target]
        if found.unchanged and all(tuple(self.label_names(name)) == self._all_classes for name in names):
            return
        self.class_names = found.classes
        for name in names:
            role: Role = "target" if name == self.target else "source"
            kept = asked[f"{role}_classes"]
            self._relabelling[name] = Relabelling.of(self.label_names(name), found, role, kept)

    def _seen_classes(self) -> list[str] | None:
        """The classes that the source keeps where some are to be unseen."""
        if self.class_sets is not None:
            raise AdaptError("Expected class_sets or unseen_classes, found both: leave class_sets out, it follows.")
        unseen = list(map(str, self.unseen_classes or ()))
        if not unseen or len(set(unseen)) < len(unseen):
            raise AdaptError(f"Expected unseen_classes as class names, each once, found {', '.join(unseen) or 'none'}.")
        kept = self.source_classes
        if kept is None and self._has_classes():
            kept = list(dict.fromkeys(name for source in self.sources for name in self.domain_classes(source)))
        return None if kept is None else [name for name in kept if name not in unseen]

    def _say_class_sets(self) -> None:
        """Say which classes only one domain has: a misspelt name would otherwise go unnoticed."""
        asked = (self.source_classes, self.target_classes, self.unseen_classes) != (None, None, None)
        if self.class_sets not in (None, "closed") and not asked and self._world()[0] == 0:
            parts = [("source", self.missing_classes), ("target", self.unknown_classes)]
            only = "; ".join(f"only the {role} has {', '.join(names[:6])}" for role, names in parts if names)
            told = only or ("no class is missing" if self.domain_classes(self.target) else "the target's are not known")
            print(f"adapt: {self.class_sets} class sets: {told}", file=sys.stderr)

    def _has_classes(self) -> bool:
        """Whether the labels are classes, which their names tell without a look at the data."""
        return type(self).problem is DomainDataModule.problem

    def _checked(self, dataset: Dataset[Any], name: str, split: Split, labelled: bool = False) -> Dataset[Any]:
        where = f"{name!r} ({split})"
        check_domain(dataset, self.problem, where, labelled, lambda: self.taken_names(name, split))
        return dataset

    def _described(self, role: Role, split: Split) -> dict[str, Any]:
        """What a view is to know of a role's labels, to check those that are only seen with their inputs."""
        names = "+".join(self.sources) if role == "source" else self.target
        return {"problem": self.problem, "where": f"{names!r} ({split})"}

    def _evaluated(self, split: Split) -> Dataset[tuple[Any, Any]]:
        found = self.unaugmented(self.target) if split == "train" else self.domain(self.target, split)
        return self._taken(found, self.target, split)

    def _labelled_target(self, training: Dataset[Any]) -> LabelledView:
        described = self._described("target", "train")
        if isinstance(self.shots, int):
            few: Sequence[int] = self._few_shots(self.shots).indices
        elif count_labels(training).all:
            return LabelledView(training, **described)
        else:
            few = labels_of(training).known.nonzero().flatten().tolist()
        return LabelledView(Subset(training, few), few, **described)

    def _unseen(self, dataset: Dataset[Any], split: Split) -> Dataset[Any]:
        """A split of the target without the few samples whose labels are trained on."""
        if not isinstance(self.shots, int) or not self.trains_on(split):
            return dataset
        fitted = "target" in self._train
        if not fitted:
            self._train["target"] = self.domain_samples(self.target, "train")
        seen = set(self._few_shots(self.shots).indices)
        if not fitted:  # or `setup` would take the stage of training for built
            del self._train["target"]
        return Subset(dataset, [row for row in range(_size(dataset)) if row not in seen])

    def _few_shots(self, shots: int) -> Subset[Any]:
        if not isinstance(self.problem, Classification):
            raise AdaptError(
                f"Expected classes to draw {shots} shots of each, found {self.problem.kind}. Give --data.shots all."
            )
        described = self._described("target", "train")
        found = labels_of(self._train["target"])
        known = found.known.nonzero().flatten()
        labels = self.problem.labels(found.y[known], described["where"], known)
        generator = torch.Generator().manual_seed(self.order_seed)
        chosen: list[int] = []
        for k, name in enumerate(self.class_names):
            at = known[(labels == k).nonzero().flatten()]
            if len(at) < shots:
                some = "" if len(known) == len(found.known) else "labelled "
                raise AdaptError(
                    f"Expected at least {shots} {some}target training samples of class {name!r}, found {len(at)}. "
                    "Lower --data.shots."
                )
            chosen += at[torch.randperm(len(at), generator=generator)[:shots]].tolist()
        return Subset(self._train["target"], chosen)

    def _world(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _placed(self, view: LabelledView) -> LabelledView:
        """The view, on the training device where `on_device` asks for it and its samples lie in memory: none draws."""
        if not self.on_device or self.trainer is None or view.draws:
            return view
        return ResidentView(view, self.trainer.strategy.root_device)

    def _pins(self, view: LabelledView) -> bool:
        if isinstance(view, ResidentView):
            return False
        return torch.cuda.is_available() if self.pin_memory is None else self.pin_memory

    def _cycled(self, view: LabelledView, batches: int, role: int) -> DomainLoader:
        rank, world = self._world()
        size = min(self.batch_size, len(view) // world)
        # A part of the trainer sets them, so that mypy knows neither. Both may be shares of an epoch.
        limit: int | float = getattr(self.trainer, "limit_train_batches", 1.0)
        per_epoch = min(limit, batches) if isinstance(limit, int) else int(limit * batches)
        seed = 3 * self.order_seed + role
        fixed = bool(getattr(self.trainer, "overfit_batches", 0))
        if view.sizes is not None and self.balance_sources:
            sampler: CycledSampler = BalancedSampler(view.sizes, size, batches, seed, rank, world, fixed)
        else:
            sampler = (FixedOrder if fixed else CycledSampler)(len(view), size, batches, seed, rank, world)
        view = self._placed(view)
        return DomainLoader(
            view, sampler, self.num_workers, self._pins(view), max(1, per_epoch), prefetch_factor=self.prefetch_factor
        )

    def _evaluation(self, split: Split) -> list[DataLoader[Labelled]]:
        roles: dict[Role, list[str]] = {"source": [] if self.source_free else self.sources, "target": [self.target]}
        loaders = []
        for role, names in roles.items():
            labelled = role == "source" or self.target_labels(split).all
            if parts := [self._checked(self.domain_samples(name, split), name, split, labelled) for name in names]:
                parts = [self._unseen(parts[0], split)] if role == "target" else parts
                described = self._described(role, split)
                sizes = [_size(part) for part in parts] if len(parts) > 1 else None
                loaders.append(self._shared(LabelledView(pool(parts), **described, labelled=labelled, sizes=sizes)))
        return loaders

    def _shared(self, view: LabelledView) -> DataLoader[Any]:
        rank, world = self._world()
        if len(view) < world:
            # A process without a batch would leave the others waiting.
            raise AdaptError(
                f"Expected at least {world} samples, one for each process, found {len(view)} of {view.where}. "
                "Use fewer processes: --trainer.devices 1."
            )
        return self._ordered(view, ShareSampler(len(view), rank, world) if world > 1 else None)

    def _ordered(self, view: LabelledView, sampler: ShareSampler | None = None) -> DataLoader[Any]:
        view = self._placed(view)
        return DataLoader(
            view,
            batch_size=self.eval_batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=whole_batch,
            persistent_workers=self.num_workers > 0,
            prefetch_factor=self.prefetch_factor if self.num_workers else None,
            pin_memory=self._pins(view),
            # Its own generator, as in training: evaluating more often must not change what is learned.
            generator=torch.Generator(),
        )


def _size(dataset: Dataset[Any]) -> int:
    return len(dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__

"""Loaders whose order is a function of seed and epoch alone, so that a resumed run sees the same batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, DistributedSampler, SequentialSampler

from adapt.data.views import LabelledView
from adapt.errors import AdaptError
from adapt.trees import leaves

# Together with a domain's size their product stays below 2⁶³.
_SEEDS, _VISITS = 2**16, 2**20


class CycledSampler(DistributedSampler[Any]):
    """A fixed number of batches per epoch, in as many fresh permutations of the domain as that takes.

    Each permutation drops its last partial batch, so no batch holds a sample twice. It derives from
    `DistributedSampler` because Lightning leaves those alone: a wrapped random sampler would repeat one order on
    every pass of the cycled domain.

    Args:
        size: Number of samples N of the domain.
        batch_size: Samples per batch and process.
        num_batches: Batches per epoch and process.
        seed: Seed of the order; two domains of a pair take different ones.
        rank: This process among the `world_size` that share a batch.
        world_size: Number of processes.

    Attributes:
        numbered: Whether positions are `i + N · visit` for the given visit to sample i, so that augmentation follows
            from seed, epoch and sample alone: the same in any number of workers, and in a run that is continued.

    Raises:
        AdaptError: The domain has fewer samples than one batch of all processes.
    """

    def __init__(
        self, size: int, batch_size: int, num_batches: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__(range(size), num_replicas=world_size, rank=rank, seed=seed)  # type: ignore[arg-type]  # only its length is used
        self.size, self.batch_size, self.num_batches = size, batch_size, num_batches
        self.first_batch = 0
        self.numbered = False
        if size < batch_size * world_size:
            raise AdaptError(
                f"Expected at least {batch_size * world_size} samples, a batch of {batch_size} for each of {world_size}"
                f" processes, found {size}. Lower --data.batch_size, raise --data.shots, or take fewer devices."
            )

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        first, self.first_batch = self.first_batch, 0
        # One generator per (seed, epoch): multiplying by a large odd number keeps neighbouring seeds apart.
        generator = torch.Generator().manual_seed((self.seed * 2_654_435_761 + self.epoch) % 2**63)
        joint = self.batch_size * self.num_replicas
        per_pass = self.size // joint
        order = torch.empty(0, dtype=torch.long)
        for batch in range(self.num_batches):
            if batch % per_pass == 0:
                order = torch.randperm(self.size, generator=generator) + self._visit(batch // per_pass)
            if batch >= first:
                at = (batch % per_pass) * joint + self.rank * self.batch_size
                yield from order[at : at + self.batch_size].tolist()

    def _visit(self, passes_before: int) -> int:
        """What is added to the positions of a pass over the domain."""
        if not self.numbered:
            return 0
        passes = -(-self.num_batches // (self.size // (self.batch_size * self.num_replicas)))
        visit = (self.epoch * passes + passes_before) % _VISITS
        return self.size * ((self.seed % _SEEDS) * _VISITS + visit + 1)


class BalancedSampler(CycledSampler, SequentialSampler):
    """As many samples of each of several pooled domains in every batch; the first ones have one more if need be.

    Each domain is cycled by itself, in fresh permutations. It derives from `SequentialSampler` because Lightning puts
    such a one in the place of any other for `overfit_batches`, see `FixedOrder`.

    Args:
        sizes: Number of samples of each domain, in the order in which they are pooled.
        batch_size: Samples per batch and process.
        num_batches: Batches per epoch and process.
        seed: Seed of the order.
        rank: This process among the `world_size` that share a batch.
        world_size: Number of processes.
        fixed: Keep the first epoch's order.

    Raises:
        AdaptError: A domain has fewer samples than its share of one batch of all processes.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        batch_size: int,
        num_batches: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        fixed: bool = False,
    ) -> None:
        super().__init__(sum(sizes), batch_size, num_batches, seed, rank, world_size)
        self.sizes, self.fixed = list(sizes), fixed
        even, more = divmod(batch_size, len(sizes))
        self.shares = [even + (k < more) for k in range(len(sizes))]
        for k, (own, share) in enumerate(zip(self.sizes, self.shares, strict=True)):
            if own < share * world_size:
                raise AdaptError(
                    f"Expected at least {share * world_size} samples of each source for balanced batches, found {own} "
                    f"of source {k + 1}. Lower --data.batch_size, or leave --data.balance_sources out."
                )

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch with an order of its own."""
        if not self.fixed:
            super().set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        first, self.first_batch = self.first_batch, 0
        generator = torch.Generator().manual_seed((self.seed * 2_654_435_761 + self.epoch) % 2**63)
        starts = [sum(self.sizes[:k]) for k in range(len(self.sizes))]
        orders = [torch.empty(0, dtype=torch.long) for _ in self.sizes]
        for batch in range(self.num_batches):
            chosen: list[int] = []
            for k, share in enumerate(self.shares):
                joint = share * self.num_replicas
                per_pass = self.sizes[k] // joint
                if batch % per_pass == 0:
                    added = starts[k] + self._visit(batch // per_pass)
                    orders[k] = torch.randperm(self.sizes[k], generator=generator) + added
                at = (batch % per_pass) * joint + self.rank * share
                chosen += orders[k][at : at + share].tolist()
            if batch >= first:
                yield from chosen

    def _visit(self, passes_before: int) -> int:
        """A small domain is passed more often in an epoch than all of them together."""
        if not self.numbered:
            return 0
        visit = (self.epoch * self.num_batches + passes_before) % _VISITS
        return self.size * ((self.seed % _SEEDS) * _VISITS + visit + 1)


class FixedOrder(CycledSampler, SequentialSampler):
    """The same order in every epoch, for Lightning's `overfit_batches`.

    Lightning puts a sequential sampler in the place of any other, which would see the classes one after the other, and
    knows no way to build our loader anew.
    """

    def set_epoch(self, epoch: int) -> None:
        """Keep the first epoch's order."""


class ShareSampler(DistributedSampler[Any]):
    """This process's share of an evaluation, neighbours together and each sample once.

    It derives from `DistributedSampler` because Lightning leaves those alone; its own would repeat samples until all
    shares are as long.

    Args:
        size: Number of samples.
        rank: This process among the `world_size`.
        world_size: Number of processes.
    """

    def __init__(self, size: int, rank: int, world_size: int) -> None:
        super().__init__(range(size), num_replicas=world_size, rank=rank, shuffle=False)  # type: ignore[arg-type]  # only its length is used
        self.share = range(rank * size // world_size, (rank + 1) * size // world_size)

    def __len__(self) -> int:
        return len(self.share)

    def __iter__(self) -> Iterator[int]:
        return iter(self.share)


class DomainLoader(DataLoader[Any]):
    """A training loader that a checkpoint can stop in the middle of an epoch and continue.

    Args:
        view: What yields whole batches.
        sampler: The order.
        num_workers: Worker processes.
        pin_memory: Copy batches into page-locked memory, for faster transfer to a GPU.
        prefetch_factor: Batches that each worker reads ahead; None for torch's default of 2.
        per_epoch: Batches after which the trainer begins a new epoch; None for all of the sampler's.
    """

    def __init__(
        self,
        view: LabelledView,
        sampler: CycledSampler,
        num_workers: int,
        pin_memory: bool,
        per_epoch: int | None = None,
        prefetch_factor: int | None = None,
    ) -> None:
        self.order = sampler
        sampler.numbered = view.draws
        self.yielded = 0
        self.per_epoch = sampler.num_batches if per_epoch is None else per_epoch
        super().__init__(
            view,
            batch_size=sampler.batch_size,
            sampler=sampler,
            num_workers=num_workers,
            pin_memory=pin_memory,
            collate_fn=whole_batch,
            # Starting workers anew takes seconds where they are not copies of this process.
            persistent_workers=num_workers > 0,
            prefetch_factor=prefetch_factor if num_workers else None,
            # Its own generator: drawing the workers' seed must not move the global one, which dropout uses.
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator around torch's iterator
        self.yielded = self.order.first_batch
        self.generator.manual_seed(self.order.seed + self.order.epoch)
        for batch in super().__iter__():
            self.yielded += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Batches of this epoch that were handed out."""
        return {"batches": self.yielded % self.per_epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue the next epoch after the given number of batches."""
        self.order.first_batch = state["batches"]


class KeptBatches:
    """A loader whose batches come from memory once all of them have been read, if they fit.

    Args:
        loader: Gives the same batches in every pass, tuples of trees or None.
        most: Bytes that they may take; with more, each pass reads anew.
    """

    def __init__(self, loader: DataLoader[Any], most: int) -> None:
        self.loader, self.most = loader, most
        self._batches: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        if self._batches is not None:
            yield from self._batches
            return
        kept, held = [], 0
        for batch in self.loader:
            held += sum(leaf.nbytes for part in batch if part is not None for leaf in leaves(part))
            if held <= self.most:
                kept.append(batch)
            else:
                kept.clear()
            yield batch
        if held <= self.most:
            self._batches = kept


def whole_batch(batch: Any) -> Any:
    """A collate function for views, which already return whole batches."""
    return batch

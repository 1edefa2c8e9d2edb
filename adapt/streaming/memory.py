"""A small memory of a stream in which all predicted classes have room."""

from typing import Any, NamedTuple

from adapt.errors import AdaptError
from adapt.losses import memory_score
from adapt.trees import Tree


class Kept(NamedTuple):
    """A sample of the memory.

    Attributes:
        x: Its input, without a leading dimension.
        label: Its predicted class.
        uncertainty: Entropy of that prediction, in nats.
        age: Samples of the stream since it came.
    """

    x: Tree
    label: int
    uncertainty: float
    age: int


class BalancedMemory:
    """Keeps samples that are new and certain, as many of each predicted class.

    RoTTA's memory, Yuan et al., CVPR 2023, https://arxiv.org/abs/2303.13899, as in the authors' code: a class that has
    its share, or the largest classes once the memory is full, give up the sample with the highest `memory_score`, if
    that is above the newcomer's.

    Args:
        capacity: Samples that it holds.
        classes: Number of classes.

    Raises:
        AdaptError: It holds nothing.
    """

    def __init__(self, capacity: int, classes: int) -> None:
        if capacity < 1:
            raise AdaptError(f"Expected a memory of at least 1 sample, found {capacity}.")
        self.capacity, self.classes = capacity, classes
        self.kept: list[Kept] = []

    def add(self, x: Tree, label: int, uncertainty: float) -> None:
        """Offer a sample; all others grow older by one."""
        newcomer = Kept(x, label, uncertainty, 0)
        counts = [sum(k.label == c for k in self.kept) for c in range(self.classes)]
        if counts[label] >= self.capacity / self.classes:
            taken = self._gives_way({label}, newcomer)
        elif len(self.kept) >= self.capacity:
            taken = self._gives_way({c for c in range(self.classes) if counts[c] == max(counts)}, newcomer)
        else:
            taken = True
        if taken:
            self.kept.append(newcomer)
        self.kept = [kept._replace(age=kept.age + 1) for kept in self.kept]

    def _gives_way(self, classes: set[int], newcomer: Kept) -> bool:
        rivals = [(self._score(kept), at) for at, kept in enumerate(self.kept) if kept.label in classes]
        if not rivals:
            return True
        worst, at = max(rivals)
        if worst <= self._score(newcomer):
            return False
        del self.kept[at]
        return True

    def _score(self, kept: Kept) -> float:
        return memory_score(kept.age, kept.uncertainty, self.capacity, self.classes)

    def state(self) -> list[Any]:
        """Plain values and tensors."""
        return [tuple(kept) for kept in self.kept]

    def load(self, state: list[Any]) -> None:
        """Take back what `state` gave."""
        self.kept = [Kept(*entry) for entry in state]

"""What methods for several sources share: which samples of a batch are whose."""

from typing import Any, ClassVar

from torch import Tensor

from adapt.data.batches import Labelled
from adapt.errors import AdaptError
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class SeveralSources(Method):
    """Base of the methods that treat each of several sources by itself.

    Args:
        num_sources: How many sources there are; the command line takes it from the data.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: There are not two sources or more.
    """

    family: ClassVar[str] = "several sources"
    needs: ClassVar[str] = "two sources or more"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    # A batch may have no sample of a source, whose parts are then without a gradient.
    idle_parameters: ClassVar[bool] = True

    def __init__(self, num_sources: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_sources < 2:
            raise AdaptError(
                f"{type(self).__name__} takes two sources or more, found {num_sources}.\n"
                "Give several, --data.source '[a,b]', or choose a method for one source."
            )
        self.num_sources = num_sources

    def setup(self, stage: str) -> None:
        """Refuse data with another number of sources."""
        super().setup(stage)
        found = getattr(getattr(self.trainer, "datamodule", None), "num_sources", self.num_sources)
        if found != self.num_sources:
            raise AdaptError(f"{type(self).__name__} was built for {self.num_sources} sources, found {found}.")

    def sources_of(self, batch: Labelled) -> list[tuple[int, Tensor]]:
        """The sources that have samples in a batch, and which samples these are, as positions.

        Raises:
            AdaptError: The batch does not say which sample is whose.
        """
        if batch.domain is None:
            raise AdaptError(f"{type(self).__name__} takes batches of several sources, found one that names none.")
        at = [(batch.domain == k).nonzero().flatten() for k in range(self.num_sources)]
        return [(k, rows) for k, rows in enumerate(at) if len(rows)]

"""Shares of samples that are predicted right, a row per part of the target and a column per method."""

from collections.abc import Mapping, Sequence

from adapt.benchmark.outputs.table import Entry, Row, Table, accuracy
from adapt.benchmark.statistics.estimates import over_seeds

Shares = Mapping[str, Mapping[str, Sequence[float]]]
"""By part (a class, a shift) and method, the shares of its seeds."""


def methods_in(shares: Shares, methods: Sequence[str]) -> list[str]:
    """Those of the methods that have a share, in their order."""
    return [m for m in methods if any(m in found for found in shares.values())]


def share_table(
    shares: Shares, samples: Mapping[str, int], methods: Sequence[str], seeds: int, caption: str, head: tuple[str, str]
) -> Table:
    """A row per part, in the order in which they came, with its number of samples.

    Args:
        shares: What was reached.
        samples: How many samples a part has.
        methods: The columns.
        seeds: How many seeds were planned.
        caption: What the table shows.
        head: Headings of the parts and of their samples.
    """

    def entry(values: Sequence[float]) -> Entry:
        return accuracy(over_seeds(values), seeds) if values else Entry()

    rows: tuple[Row, ...] = tuple(
        (name, str(samples[name]), tuple(entry(found.get(m, [])) for m in methods)) for name, found in shares.items()
    )
    return Table(caption, tuple(methods), rows, head=head)

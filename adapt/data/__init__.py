"""Datamodules that pair a source with a target domain."""

from adapt.data.batches import FewShotPair, Labelled, Pair, Unlabelled

__all__ = ["FewShotPair", "Labelled", "Pair", "Unlabelled"]

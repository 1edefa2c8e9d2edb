"""What validation and test measure on each domain, as far as its samples have labels."""

from typing import Any, Literal

from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from adapt.data.batches import Labelled
from adapt.encoding import SOURCE, TARGET
from adapt.problems import Problem

DOMAINS = ("source", "target")


class Evaluation(nn.Module):
    """The metrics of both domains, which `update` fills and has logged.

    At validations the headline is enough; tests report every metric. The target's are named oracle at validations, for
    they use target labels; a target without labels has none, and where some samples have one, it is of these.

    Args:
        problem: What is predicted.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        headline = problem.headline
        self.headlines = nn.ModuleList(problem.metrics()[headline] for _ in DOMAINS)
        self.tested = nn.ModuleList([_of_source(problem, "test/source_"), problem.collection("test/target_")])
        watched: dict[str, Metric | MetricCollection] = {
            name: metric for name, metric in problem.metrics().items() if name in problem.watched
        }
        self.watched = MetricCollection(watched, prefix="oracle/target_") if watched else None
        self._sources: dict[str, Any] = {}
        self.per_source: dict[str, float] = {}
        """The headline of each of several sources' test sets, by the domain's name, after a test."""

    def validate(self, method: LightningModule, logits: Tensor, batch: Labelled, domain: int) -> None:
        """Add a validation batch, and have the method log the headline.

        Args:
            method: Logs.
            logits: Outputs `(N, K)`.
            batch: Its labels.
            domain: 0 for the source, 1 for the target.
        """
        metric: Any = self.headlines[domain]
        name = f"{('val/source', 'oracle/target')[domain]}_{self.problem.headline}"
        self._add(method, metric, {name: metric}, logits, batch.y, domain, "val")
        if self.watched is not None and domain == TARGET:
            self._add(method, self.watched, self.watched, logits, batch.y, domain, "val")

    def test(self, method: LightningModule, logits: Tensor, batch: Labelled, domain: int) -> None:
        """Add a test batch, and have the method log every metric.

        Args:
            method: Logs.
            logits: Outputs `(N, K)`.
            batch: Its labels, and with several sources the source of each sample.
            domain: 0 for the source, 1 for the target.
        """
        metrics: Any = self.tested[domain]
        self._add(method, metrics, metrics, logits, batch.y, domain, "test")
        if batch.domain is not None:
            for k, metric in enumerate(self._sources.values()):
                if (rows := batch.domain == k).any():
                    metric.update(self.problem.predict(logits[rows]), batch.y[rows])

    def begin_sources(self, method: LightningModule, source_free: bool) -> None:
        """Prepare to measure each of several sources by itself.

        Args:
            method: Its trainer's data names the sources.
            source_free: Whether no source is tested.
        """
        names = [] if source_free else getattr(getattr(method.trainer, "datamodule", None), "sources", [])
        headline = self.problem.headline
        several = [str(name) for name in names] if len(names) > 1 else []
        self._sources = {name: self.problem.metrics()[headline].to(method.device) for name in several}
        self.per_source = {}

    def end_sources(self) -> None:
        """Compute them, in all processes together."""
        self.per_source = {name: float(metric.compute()) for name, metric in self._sources.items()}

    def _add(
        self,
        method: LightningModule,
        metric: Any,
        logged: Any,
        logits: Tensor,
        y: Tensor,
        domain: int,
        split: Literal["val", "test"],
    ) -> None:
        # Only a datamodule of ours knows of samples without labels; every process is told the same.
        counted = getattr(getattr(method.trainer, "datamodule", None), "target_labels", None)
        labels = None if domain == SOURCE or counted is None else counted(split)
        if labels is not None and not labels.labelled:
            return
        if labels is not None and not labels.all:
            known = self.problem.has_label(y)
            logits, y = logits[known], y[known]
        if len(y):
            metric.update(self.problem.predict(logits), y)
        # A process without a labelled sample takes part in the sum; alone, it has nothing to say.
        if len(y) or method.trainer.world_size > 1:
            method.log_dict(logged, on_step=False, on_epoch=True, add_dataloader_idx=False, batch_size=max(1, len(y)))


def _of_source(problem: Problem, prefix: str) -> MetricCollection:
    left_out = problem.of_target_alone
    kept = {name: metric for name, metric in problem.metrics().items() if name not in left_out}
    return MetricCollection(dict(kept), prefix=prefix) if left_out else problem.collection(prefix)

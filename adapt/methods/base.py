"""The contract of a method: write `losses(batch)`; the base trains, logs, evaluates, saves and continues."""

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

import torch
from lightning.pytorch import Callback
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from adapt.backbones import Backbone
from adapt.backbones.speed import compile_in_place, put_channels_last
from adapt.data.batches import FewShotPair, Labelled, Pair, Unlabelled
from adapt.encoding import DomainEncoding, Encoding, Encodings
from adapt.errors import AdaptError, DivergedError
from adapt.layers import Bottleneck, TextAnchors
from adapt.methods.checkpoints import check_checkpoint, network_state
from adapt.methods.evaluation import DOMAINS, Evaluation
from adapt.methods.global_batch import GlobalBatch
from adapt.methods.late import LateChecks
from adapt.methods.optimization import PlateauSteps, make_optimizer, make_schedule, parameter_groups
from adapt.methods.randomness import ExactContinuation
from adapt.methods.refusals import (
    refuse_anchors,
    refuse_backbone,
    refuse_class_sets,
    refuse_constant_loss,
    refuse_features,
    refuse_infinite_inputs,
    refuse_infinite_loss,
    refuse_missing_start,
    refuse_odd_parts,
    refuse_odd_terms,
    refuse_other_problem,
    refuse_problem,
    refuse_sharpness,
    refuse_source_free_mismatch,
    refuse_unread_labels,
)
from adapt.methods.sharpness import Detour
from adapt.methods.whole_domain import datamodule_of, encode_batches, on_device
from adapt.penalties import ClassifierPenalty, Penalty, TargetLabelPenalty, WeightPenalty
from adapt.problems import Classification, ClassSets, Problem, as_problem
from adapt.recorded import Recorded, of_python
from adapt.trees import Tree, cat, size

_Encode = TypeVar("_Encode", bound=Callable[..., Encodings])


def _remembered(encode: _Encode) -> _Encode:
    """Keep what `encode` returns for the penalties, which would otherwise encode the batch once more."""

    @wraps(encode)
    def remembering(self: "Method", *args: Any, **kwargs: Any) -> Encodings:
        self._encodings = encode(self, *args, **kwargs)
        return self._encodings

    return cast(_Encode, remembering)


class Method(Recorded, GlobalBatch):
    """Base of every method: a backbone, an optional bottleneck, an output layer, and a dict of losses.

    A method is one class in one file: its own keyword arguments, `**kwargs` to this base, and `losses`.

    Args:
        problem: What is predicted, a `Problem`; a whole number K is classification into K classes. The command line
            takes it from the data.
        backbone: Feature extractor with `num_features`.
        bottleneck: Width of a Linear–BatchNorm–ReLU layer between backbone and classifier (256 in the field's
            ResNet-50 protocols), None for none.
        optimizer: Makes the optimizer from parameter groups.
        lr_scheduler: Makes the learning-rate schedule; None for a constant rate. Its unit is the optimizer step, so
            that `step_size`, `milestones` and `T_max` count steps and not epochs; `total_steps` is filled in where it
            is left out. `ReduceLROnPlateau` steps after each validation.
        backbone_lr_scale: Factor on the backbone's learning rate (0.1 in the field's fine-tuning protocols).
        label_smoothing: Smoothing of the cross-entropy on labels; without meaning for regression.
        joint_forward: Encode both domains in one pass, so that batch norm sees their mixture (TLlib's convention);
            False encodes them one after the other.
        penalties: Terms that add to the method's own, such as `MCC` or `BSP`, so that the papers' combinations need
            no class.
        init_from: Checkpoint of another run whose backbone, bottleneck and classifier are the start.
        sharpness: Radius ρ of a flat minimum of the task loss, see `SDAT`; 0 for ordinary training. A step then takes
            twice as long.
        channels_last: Keep images with the channels last in memory, which is faster for convolutions on CPUs, and on
            GPUs in half precision (`--trainer.precision bf16-mixed`).
        compiled: Compile the backbone with `torch.compile`; the first batches take minutes. Needs a C++ compiler.
        anchors: Texts that become the output layer: the classes' names, embedded, see `TextAnchors`. A linear layer
            into the text space is then part of the bottleneck. None for the problem's own output layer.
        unknown_threshold: Probability of the most likely class below which a sample is taken for `unknown`, where the
            target has classes that the source has not: so a method that knows nothing of them can be a baseline. None
            refuses such data, but for the methods that are made for them.
    """

    family: ClassVar[str] = "other"
    """What the method's table is grouped by: matching, adversarial, self-training, ..."""
    needs: ClassVar[str] = ""
    """What it needs beside the two domains, as the method's table says it."""
    source_free: ClassVar[bool] = False
    """Whether it adapts without source samples; its `losses` then receive a `TargetBatch`."""
    starts_from_source: ClassVar[bool] = False
    """Whether training starts from a source run, and is refused without `init_from`."""
    baseline: ClassVar[bool] = False
    """Whether it is what a table measures the others against: training on the source alone. A subclass that changes
    what is done, and not only what is said, has to claim this anew."""
    target_labels: ClassVar[Literal["none", "few", "all"]] = "none"
    """Which target labels `losses` needs; the command line asks the datamodule for them."""
    class_sets: ClassVar[tuple[ClassSets, ...]] = ("closed", "partial")
    """How the classes of source and target may relate: a method for closed sets is a baseline of partial ones, too."""
    problems: ClassVar[tuple[type[Problem], ...]] = (Problem,)
    """The problems that it takes: `(Classification,)` where it needs class probabilities, else any."""
    takes_anchors: ClassVar[bool] = True
    """Whether its output layer may be `anchors`, which is one layer that no training changes."""
    idle_parameters: ClassVar[bool] = False
    """Whether some steps give no gradient to some trained parameters, which DDP has to be told."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.baseline = says_baseline(cls)
        if "encode" in vars(cls):
            cls.encode = _remembered(cls.encode)  # type: ignore[method-assign]  # the same, and remembers

    def __init__(
        self,
        problem: Problem | int,
        backbone: Backbone,
        bottleneck: int | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        lr_scheduler: LRSchedulerCallable | None = None,
        backbone_lr_scale: float = 1.0,
        label_smoothing: float = 0.0,
        joint_forward: bool = True,
        penalties: Sequence[Penalty] = (),
        init_from: str | None = None,
        sharpness: float = 0.0,
        channels_last: bool = False,
        compiled: bool = False,
        unknown_threshold: float | None = None,
        anchors: TextAnchors | None = None,
    ) -> None:
        super().__init__()
        self._save_plain_hyperparameters()
        self.problem = as_problem(problem)
        for part in (self, *penalties):
            refuse_problem(part, self.problem)
        refuse_class_sets(type(self).__name__, self.class_sets, self.problem, unknown_threshold)
        self.unknown_threshold = unknown_threshold
        refuse_sharpness(type(self).__name__, sharpness, self.source_free)
        refuse_backbone(backbone)
        self.backbone = backbone
        if channels_last:
            put_channels_last(backbone)
        if compiled:
            compile_in_place(backbone)
        self.bottleneck: nn.Module = Bottleneck(backbone.num_features, bottleneck) if bottleneck else nn.Identity()
        self.num_features = bottleneck or backbone.num_features
        if not getattr(backbone, "takes_bottleneck", True) and (bottleneck or anchors):
            raise AdaptError(
                "Expected no bottleneck and no anchors with late fusion, whose modalities they would mix, found "
                f"{'anchors' if anchors else f'a bottleneck of {bottleneck}'}. Leave them out, or fuse early."
            )
        if anchors is None:
            self.classifier = self.new_classifier()
        else:
            refuse_anchors(type(self), self.problem)
            self.classifier = anchors.head(self.problem.names, getattr(self.problem, "unseen", ()))
            into_text = nn.Linear(self.num_features, self.classifier.anchors.shape[1])
            self.bottleneck = nn.Sequential(self.bottleneck, into_text)
            self.num_features = into_text.out_features
        refuse_odd_parts(type(self).__name__, penalties, optimizer, lr_scheduler)
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        self.backbone_lr_scale, self.label_smoothing = backbone_lr_scale, label_smoothing
        self.joint_forward, self.penalties = joint_forward, tuple(penalties)
        kinds = [type(penalty).__name__ for penalty in penalties]  # by their names, which the terms and states have
        if len(set(kinds)) < len(kinds):
            raise AdaptError(
                f"Expected each penalty once, found {', '.join(kinds)}. Give one of them the sum of the weights, or "
                "rename an own class that is called like another one."
            )
        self.term_watchers: list[Callable[[Method, dict[str, Tensor]], None]] = []
        """Called with the method and the terms of each step, before their backward pass."""
        self._encodings: Encodings | None = None
        self.evaluation = Evaluation(self.problem)
        self._late = LateChecks()
        self.sharpness, self._detour = sharpness, Detour()
        # A missing file is refused where training starts: loaded from its own checkpoint, or continued from it, a
        # method needs the source run no more.
        self.init_from = init_from
        self.started = init_from is not None and Path(init_from).is_file()
        if self.started:
            own = network_state(self.describe(), self.state_dict(), Path(str(init_from)))
            self.load_state_dict(own, strict=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without an optimizer that is the default: it is a lambda, which cannot be pickled."""
        state: dict[str, Any] = super().__getstate__()
        state.pop("_hparams_initial", None)  # Lightning's copy of all arguments, which it can do without
        return {k: v for k, v in state.items() if k != "optimizer" or v is not _default_optimizer(type(self))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        whole = {"optimizer": _default_optimizer(type(self))} | state
        super().__setstate__(whole)  # type: ignore[no-untyped-call]  # torch's

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy, as averages of weights need it, with the same makers of optimizer and schedule.

        The command line's makers refer to its parser, and through it to the trainer, of which there is no copy.
        """
        memo |= {id(maker): maker for maker in (self.optimizer, self.lr_scheduler)}
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return copied

    def new_classifier(self) -> nn.Module:
        """The layer from features `(N, d)` to outputs `(N, K)`; a method whose paper has another one overrides this."""
        return self.problem.output_layer(self.num_features)

    @property
    def num_outputs(self) -> int:
        """Width K of the output layer: the number of classes, where the problem is classification."""
        return self.problem.num_outputs

    def setup(self, stage: str) -> None:
        """Refuse data that does not fit the method, and tell DDP of parameters that a step may leave out."""
        name, data = type(self).__name__, getattr(self.trainer, "datamodule", None)
        refuse_source_free_mismatch(name, self.source_free, self.penalties, data)
        refuse_other_problem(name, self.problem, data)
        strategy = self.trainer.strategy
        if self.idle_parameters and isinstance(strategy, DDPStrategy):
            strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
        if stage == "fit":
            reads = self.target_labels != "none" or any(isinstance(p, TargetLabelPenalty) for p in self.penalties)
            refuse_unread_labels(name, reads, data)
            for penalty in self.penalties:
                penalty.restore({})  # what another run with the same object left

    def on_fit_start(self) -> None:
        """Refuse to train without the source run that the method starts from."""
        if not self.started and self.trainer.ckpt_path is None:
            refuse_missing_start(type(self).__name__, self.starts_from_source, self.init_from)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Named scalar terms of one step; their sum is minimised. Every method writes this.

        With several processes they are the terms of the global batch: what `encode` and `self(x)` return, and the
        batch's labels and indices, are then those of all processes, while the inputs are this one's share.

        Args:
            batch: Source inputs with labels and target inputs without; a `FewShotPair` where the method asks for
                target labels.
        """
        raise AdaptError(f"{type(self).__name__} has to define losses(batch), which returns a dict of named scalars.")

    @_remembered
    def encode(self, batch: Pair) -> Encodings:
        """Encode both domains, in one pass or two as `joint_forward` says; the penalties see the same encodings."""
        if self.joint_forward:
            features, logits = self.forward(cat([batch.source.x, batch.target.x]))
            at = size(batch.source.x)
            source, target = Encoding(features[:at], logits[:at]), Encoding(features[at:], logits[at:])
        else:
            source, target = self.forward(batch.source.x), self.forward(batch.target.x)
        return Encodings(*self.of_all_processes(source, target))

    def encode_domain(self, role: Literal["source", "target"]) -> DomainEncoding:
        """One pass in evaluation mode over a domain's training inputs, in order, without augmentation or gradient.

        Raises:
            AdaptError: The trainer has no `DomainDataModule`, or it leaves this domain out.
        """
        data = datamodule_of(self.trainer, type(self).__name__, f"a pass over the {role}")
        batches = on_device(data, data.domain_dataloader(role), self.device)
        return encode_batches(self, batches, labelled=role == "source")

    def forward(self, x: Tree) -> Encoding:
        """Features and outputs of inputs `(N, ...)`."""
        found = self.backbone(x)
        refuse_features(self.backbone, found)
        features = self.bottleneck(found)
        return Encoding(features, self.classify(features))

    def classify(self, features: Tensor) -> Tensor:
        """Outputs `(N, K)` of features `(N, d)`."""
        outputs: Tensor = self.classifier(features)
        return outputs

    def answered(self, encoding: Encoding) -> Encoding:
        """An encoding as evaluation and prediction take it: where samples may be unknown, with outputs `(N, K + 1)`."""
        unknown = isinstance(self.problem, Classification) and self.problem.has_unknown
        return encoding._replace(logits=self.with_unknown(encoding)) if unknown else encoding

    def with_unknown(self, encoding: Encoding) -> Tensor:
        """Outputs `(N, K + 1)`, the last of which is the highest where a sample is taken for unknown.

        Here it is `log Σ_k exp z_k + log t`: an unknown class of the constant probability t (`unknown_threshold`),
        before all are normalised. Methods for open sets override this.
        """
        assert self.unknown_threshold is not None  # or `__init__` had refused
        logits = encoding.logits
        return torch.cat([logits, logits.logsumexp(1, keepdim=True) + math.log(self.unknown_threshold)], 1)

    def supervised_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """The problem's mean loss of outputs `(N, K)` against labels, with the method's label smoothing.

        Where the source lacks a class that may be the answer (`unseen_classes`), its samples say nothing of that class.
        """
        if isinstance(self.problem, Classification) and self.problem.unseen and not self.source_free:
            return self.problem.seen_loss(logits, y, label_smoothing=self.label_smoothing)
        return self.problem.loss(logits, y, label_smoothing=self.label_smoothing)

    def cross_entropy(self, logits: Tensor, y: Tensor) -> Tensor:
        """`supervised_loss` by its usual name: cross-entropy of logits `(N, K)` against class indices `(N,)`."""
        return self.supervised_loss(logits, y)

    @property
    def progress(self) -> float:
        """Share of the training done, in [0, 1], counted in batches: 0 at the first one.

        Raises:
            AdaptError: Nobody knows how long the training is.
        """
        total = self.total_batches
        if not total:
            raise AdaptError(
                f"{type(self).__name__} follows the progress of the training, found one without a length. "
                "Give --trainer.max_steps or --trainer.max_epochs; --trainer.max_time may still end it earlier."
            )
        return min(1.0, self.batches_seen / total)

    @property
    def batches_seen(self) -> int:
        """Training batches before this one, over all epochs and resumed runs."""
        return max(0, self.trainer.fit_loop.epoch_loop.batch_progress.total.ready - 1)

    @property
    def total_batches(self) -> int:
        """Training batches of the whole run."""
        steps = self.trainer.estimated_stepping_batches
        return 0 if steps == float("inf") else int(steps) * self.trainer.accumulate_grad_batches

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor | None:
        """Sum and log the method's losses, and stop at the first that is not finite."""
        try:
            with self.global_batch(batch) as whole:
                if self.sharpness:
                    self._leave(whole)
                own: Any = self.losses(whole)  # of a person's own method, whose return nobody has checked
                if not isinstance(own, dict):
                    refuse_odd_terms(type(self).__name__, own)
                terms: dict[str, Tensor] = own | self.penalty_terms(whole, self._encodings)
            self._encodings = None
            total = self.checked_sum(terms, batch)
            refuse_constant_loss(type(self).__name__, total)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # it is there
            self._detour.come_back()
            raise DivergedError(
                f"{type(self).__name__} cannot decompose the features of step {self._step}, for they are not finite. "
                "Lower the learning rate, or the term's weight."
            ) from error
        except BaseException:
            self._detour.come_back()
            raise
        self.log_terms(terms, total)
        return total

    def task_loss(self, batch: Pair) -> Tensor:
        """The loss whose sharpness `sharpness` is about: the supervised loss of the source."""
        return self.supervised_loss(self.encode(batch).source.logits, batch.source.y)

    def _leave(self, batch: Pair) -> None:
        # A loss scale keeps small half-precision gradients from vanishing; the step's length knows nothing of it.
        scaler = None if self._trainer is None else getattr(self.trainer.precision_plugin, "scaler", None)
        loss = self.task_loss(batch)
        network = nn.ModuleList([self.backbone, self.bottleneck, self.classifier])
        self._detour.go(loss if scaler is None else scaler.scale(loss), network.parameters(), self.sharpness)
        self._encodings = None

    def on_after_backward(self) -> None:
        """Put the weights back, once the gradient is taken where the task loss is sharpest."""
        self._detour.come_back()

    def penalty_terms(self, batch: Pair, encodings: Encodings | None) -> dict[str, Tensor]:
        """The penalties' weighted terms; the base adds them, a method that alternates adds them where they belong.

        Args:
            batch: The step's batch; labelled target samples in it are encoded where a penalty reads them.
            encodings: What the method made of the batch; it is encoded where a penalty needs that and this is None.
        """
        terms, labelled = {}, None
        for penalty in self.penalties:
            if isinstance(penalty, TargetLabelPenalty):
                few = few_shot(self, batch)
                labelled = labelled or self(few.x)
                value = penalty.weight * penalty.labelled_value(labelled, few.y)
            elif isinstance(penalty, WeightPenalty):
                value = penalty.of_network(self)
            else:
                source, target = encodings = encodings or self.encode(batch)
                if isinstance(penalty, ClassifierPenalty):
                    asked = penalty.classifier_value(source, target, self.classify, self.progress, self.batches_seen)
                    value = penalty.weight * asked
                else:
                    value = penalty(source, target)
            terms[f"penalty_{type(penalty).__name__.lower()}"] = value
        return terms

    def checked_sum(self, terms: dict[str, Tensor], batch: Pair) -> Tensor:
        """Sum of the terms.

        Raises:
            DivergedError: It is not finite; on a GPU it is raised one or two steps later, and names this one.
            AdaptError: It is not, because the inputs are not.
        """
        owner, step = type(self).__name__, self._step
        refuse_odd_terms(owner, terms)
        names, values = list(terms), torch.stack(list(terms.values()))
        self.check_later(
            values, lambda found: refuse_infinite_loss(owner, step, dict(zip(names, found, strict=True)), batch)
        )
        for watch in self.term_watchers:
            watch(self, terms)
        return values.sum()

    def check_later(self, values: Tensor, judge: Callable[[Tensor], None]) -> None:
        """Have values of this step judged without waiting for the device: on a GPU, one or two steps later.

        Args:
            values: What is to be looked at, detached here.
            judge: Raises an error if they are not what they should be; is given them on the host.
        """
        self._late.add(self._step, values.detach(), judge)

    @property
    def _step(self) -> int:
        return 0 if self._trainer is None else self.global_step  # losses can be looked at without a trainer

    def on_validation_start(self) -> None:
        """Refuse to evaluate weights that a diverged step left."""
        self._late.finish()

    def on_train_end(self) -> None:
        """Look at the last steps' losses, too."""
        self._late.finish()

    @property
    def logs_now(self) -> bool:
        """Whether the loggers write at this batch; what a method logs at others costs time and is seen by nobody."""
        if self._trainer is None:  # losses can be looked at without one
            return False
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # a part of the trainer sets it
        step = self.batches_seen // self.trainer.accumulate_grad_batches
        return every > 0 and (step == 0 or (step + 1) % every == 0)

    def log_terms(self, terms: dict[str, Tensor], total: Tensor) -> None:
        """Log every term as `train/<name>`, and their sum, at the batches that the loggers write."""
        # One that is called `loss` stands alone, and is the sum.
        self.log_values({name: value.detach() for name, value in terms.items() if name != "loss"})
        if self.logs_now:
            self.log("train/loss", total.detach(), prog_bar=True)

    def log_values(self, values: Mapping[str, Tensor | float]) -> None:
        """Log values as `train/<name>`, at the batches that the loggers write."""
        if self.logs_now:
            # A number would be copied to the device, for which the host waits.
            tensors = {
                k: v if isinstance(v, Tensor) else torch.full((), v, device=self.device) for k, v in values.items()
            }
            self.log_dict({f"train/{name}": value for name, value in tensors.items()})

    def validation_step(self, batch: Labelled, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """The headline on each domain; encodings for scores."""
        domain = dataloader_idx + self.source_free
        refuse_infinite_inputs(batch, f"{DOMAINS[domain]} validation samples")
        encoding = self.answered(self.evaluated(batch.x, domain))
        self.evaluation.validate(self, encoding.logits, batch, domain)
        return encoding._asdict()

    def on_test_start(self) -> None:
        """Prepare to measure each of several sources by itself."""
        self.evaluation.begin_sources(self, self.source_free)

    def test_step(self, batch: Labelled, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Every metric on each domain; encodings for whoever draws them."""
        domain = dataloader_idx + self.source_free
        refuse_infinite_inputs(batch, f"{DOMAINS[domain]} test samples")
        encoding = self.answered(self.evaluated(batch.x, domain))
        self.evaluation.test(self, encoding.logits, batch, domain)
        return encoding._asdict()

    def on_test_end(self) -> None:
        """Compute what was measured of each source."""
        self.evaluation.end_sources()

    def predict_step(self, batch: Unlabelled, batch_idx: int) -> dict[str, Tensor]:
        """Index and the problem's columns for each sample."""
        refuse_infinite_inputs(batch, "samples")
        return {"index": batch.index} | self.problem.columns(self.answered(self(batch.x)).logits)

    def findings(self) -> dict[str, Any]:
        """What the method found out on the way, as plain values that `adapt test` adds to `test.json`."""
        return {}

    def configure_optimizers(self) -> Any:
        """The optimizer over the backbone's and the other parameters, and its schedule."""
        return self.with_schedule(self.parameter_groups())

    def with_schedule(self, groups: list[dict[str, Any]]) -> dict[str, Any]:
        """The optimizer over groups of parameters, and its schedule, as Lightning takes them.

        Args:
            groups: What `groups_of` returns.
        """
        optimizer = make_optimizer(self.optimizer, groups)
        if self.lr_scheduler is None:
            return {"optimizer": optimizer}
        scheduler = make_schedule(self.lr_scheduler, optimizer, self.trainer.estimated_stepping_batches)
        schedule = {"scheduler": scheduler, "interval": "step"}
        if isinstance(scheduler, ReduceLROnPlateau):
            if not any(isinstance(callback, PlateauSteps) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]  # a part of the trainer sets it
                self.trainer.callbacks.insert(0, PlateauSteps())  # type: ignore[attr-defined]
            if self.automatic_optimization:
                schedule["reduce_on_plateau"] = False  # Lightning leaves it to `lr_scheduler_step`
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule, but not one that waits for a plateau: that one steps after validations."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups of trainable parameters, each with `lr_scale`, the factor on the optimizer's learning rate."""
        return self.groups_of(self)

    def groups_of(self, *modules: nn.Module) -> list[dict[str, Any]]:
        """The groups of some modules' trainable parameters: the backbone's apart from the others'."""
        return parameter_groups(self.backbone, modules, self.backbone_lr_scale)

    def configure_callbacks(self) -> list[Callback]:
        """What makes a continued run equal an uninterrupted one, also in a trainer that a script builds."""
        return [ExactContinuation()]

    def describe(self) -> dict[str, Any]:
        """Class, problem and backbone, by which a checkpoint is recognised."""
        return {
            "method": type(self).__name__,
            "problem": self.problem.describe(),
            "backbone": type(self.backbone).__name__,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the checkpoint is of; diverged weights are not saved, nor those of a step that was cut off."""
        self._detour.come_back()
        self._late.finish()
        # Of a rate or a factor that is NumPy's a checkpoint could not be read again.
        for part in checkpoint.keys() & {"optimizer_states", "lr_schedulers"}:
            checkpoint[part] = of_python(checkpoint[part])
        kept = checkpoint.setdefault("adapt", {})
        kept.update(self.describe())
        if states := {type(penalty).__name__: state for penalty in self.penalties if (state := penalty.state())}:
            kept["penalties"] = states

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another method, problem or backbone."""
        check_checkpoint(self.describe(), checkpoint)
        states = checkpoint.get("adapt", {}).get("penalties", {})
        for penalty in self.penalties:
            penalty.restore(states.get(type(penalty).__name__, {}))

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse Lightning's way to build a method, which imports and calls what the file names.

        Raises:
            AdaptError: Always.
        """
        raise AdaptError(
            f"A checkpoint holds weights and names no code: build {cls.__name__} yourself and hand the file to "
            "`Trainer.test(ckpt_path=...)` or `init_from`, or use `adapt test --config <run>/config.yaml`."
        )

    def _save_plain_hyperparameters(self) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module`.*")
            self.save_hyperparameters(logger=False)
        # From the command line these are class paths; from Python they are objects, and a checkpoint with one of them
        # could not be read again (weights_only).
        self.hparams.update({name: of_python(value) for name, value in self.hparams.items()})
        for name in [k for k, v in self.hparams.items() if _is_object(v)]:
            del self.hparams[name]

    def evaluated(self, x: Tree, domain: int) -> Encoding:
        """Encoding of inputs at validation and test; `domain` is 0 for the source, 1 for the target."""
        encoding: Encoding = self(x)
        return encoding


def _default_optimizer(cls: type[Method]) -> Any:
    """The default of the first `__init__` that names the optimizer, which is the one that a subclass gets."""
    own = (inspect.signature(vars(owner)["__init__"]).parameters for owner in cls.__mro__ if "__init__" in vars(owner))
    return next(found["optimizer"].default for found in own if "optimizer" in found)


def _is_object(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_object(v) for v in value)
    if isinstance(value, Mapping):
        return any(_is_object(v) for v in value.values())
    return value is not None and type(value) not in (bool, int, float, complex, str, Tensor)


def says_baseline(cls: type[Method]) -> bool:
    """Whether a class claims to be the baseline, itself or by a base all of whose code it keeps."""
    for owner in cls.__mro__:
        if "baseline" in vars(owner):
            return bool(vars(owner)["baseline"])
        if any(
            name == "__init__" or not name.startswith("__") for name, value in vars(owner).items() if _is_code(value)
        ):
            return False
    return False


def _is_code(value: Any) -> bool:
    return inspect.isroutine(value) or isinstance(value, property)


def few_shot(method: Method, batch: Pair | FewShotPair) -> Labelled:
    """The labelled target samples of a batch.

    Raises:
        AdaptError: The datamodule was not asked for any.
    """
    if isinstance(batch, FewShotPair):
        return batch.target_labelled
    raise AdaptError(
        f"{type(method).__name__} trains on labelled target samples, found a batch without any. "
        "Say how many per class: --data.shots 5 (or all)."
    )

"""The estimator for scikit-learn, and scorers that need no target label.

`fit(Xs, ys, Xt)` takes the domains apart. Where scikit-learn cuts the samples itself, as `GridSearchCV` and
`cross_val_score` do, give one `X` with both domains, and `y` with −1 for every target sample, the sign that
`sklearn.semi_supervised` has for "no label":

    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, np.full(len(Xt), -1)])
    search = GridSearchCV(DomainAdaptationClassifier("CORAL"), {"weight": [0.1, 1, 10]},
                          scoring=scorer("information_maximisation"))
    search.fit(X, y)

A pipeline works the same way; a scaler in it then sees both domains.

`ClassicalAdaptationClassifier` trains no network: a mapping or a reweighting, and a classifier of scikit-learn on it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import check_array, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

import adapt.methods
from adapt.backbones import Identity
from adapt.data import InMemory
from adapt.data.batches import Labelled
from adapt.data.labels import is_missing
from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.estimation import ESTIMATES, estimate
from adapt.methods import ImportanceWeighting, MappingMethod, SourceOnly
from adapt.recorded import of_python
from adapt.selection import SCORES, Samples, evaluate
from adapt.training.explain import arguments
from adapt.training.model import TrainedModel
from adapt.training.python import fit

UNLABELLED = -1
"""The label of target samples."""

_FEWEST = 3  # one is held out, and a batch has two

Floats = NDArray[np.float32]
Read = Callable[[Any], Floats]


class _Scored(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A classifier whose accuracy is one on the labelled samples."""

    classes_: NDArray[Any]
    # Scikit-learn takes the name `Xt` for an input without a route: VotingClassifier and others would not hand it on.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"Xt": True}

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labelled samples; those with the label −1 (or None, or NaN) are left out."""
        check_is_fitted(self, "classes_")
        y = _labels(y)
        own = any(not is_missing(k) and _is_unlabelled(k) for k in self.classes_.tolist())
        at = np.flatnonzero(np.ones(len(y), bool) if own else _labelled(y))
        kept = None if sample_weight is None else np.asarray(sample_weight)[at]
        # As a list, because labels beside None are objects.
        return float(accuracy_score(np.array(y[at].tolist()), self.predict(_rows(X, at)), sample_weight=kept))


class DomainAdaptationClassifier(_Scored):
    """A classifier that is trained on a labelled source and an unlabelled target.

    Args:
        method: A method's name such as `CORAL`, or its class.
        backbone: A backbone's name, class or object; it is built for the width of `X`.
        max_steps: Training steps.
        batch_size: Samples per domain and step, two at least; fewer where a domain is smaller.
        learning_rate: Of SGD with momentum 0.9.
        weight: The method's `weight`, the factor on its adaptation term; None for the method's default.
        options: Further arguments of the method.
        rule: Which checkpoint is kept: `last`, or a rule without target labels such as `information_maximisation`.
        random_state: Seed of weights and order; None draws one.
        device: `cpu`, `cuda`; `auto` takes the fastest there is.

    Attributes:
        classes_: The source's labels, sorted.
        n_features_in_: Number of columns of `X`.
        feature_names_in_: Their names, where `X` was a frame.
        model_: The trained model, a `TrainedModel`.

    Examples:
        >>> import numpy as np
        >>> from adapt.sklearn import DomainAdaptationClassifier
        >>> rng = np.random.default_rng(0)
        >>> ys = np.arange(80) % 2
        >>> Xs = rng.normal(size=(80, 4)) + 3 * ys[:, None]
        >>> fitted = DomainAdaptationClassifier("CORAL", max_steps=60, random_state=0).fit(Xs, ys, Xs + 0.5)
        >>> bool(fitted.score(Xs, ys) > 0.9)
        True
    """

    def __init__(
        self,
        method: Any = "DANN",
        backbone: Any = "MLP",
        max_steps: int = 500,
        batch_size: int = 64,
        learning_rate: float = 0.01,
        weight: float | None = None,
        options: Mapping[str, Any] | None = None,
        rule: str = "last",
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.backbone = backbone
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight = weight
        self.options = options
        self.rule = rule
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, Xt: Any = None) -> Self:
        """Train.

        Args:
            X: Source inputs `(N, d)`; with both domains where `y` marks the target.
            y: Source labels `(N,)`; −1 (or None, or NaN) where a sample of `X` is one of the target.
            Xt: Target inputs `(M, d)`, where `X` has the source alone.

        Raises:
            ValueError: The inputs are no numbers, frames have other columns or another order, there is no source or no
                target, or the batch size or learning rate is not above 0.
        """
        for name in ("batch_size", "learning_rate"):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
                raise ValueError(f"Expected {name} as a number above 0, found {value!r}.")
        X, y, Xt = _begin(self, X, y, Xt, _numbers)
        if (least := min(len(X), len(Xt))) < _FEWEST:
            where = "source" if least == len(X) else "target"
            raise ValueError(f"Expected {_FEWEST} samples or more of each domain, found {least} of the {where}.")
        indices = np.searchsorted(self.classes_, y)
        seed = _drawn(self.random_state)
        # What is held out, one sample at least, leaves no smaller domain than this.
        size = max(2, min(int(self.batch_size), *(int(0.9 * len(part)) - 1 for part in (X, Xt))))
        data = InMemory(X, indices, Xt, names=[str(k) for k in self.classes_], batch_size=size)
        options = dict(self.options or {})
        options.setdefault("optimizer", partial(torch.optim.SGD, lr=float(self.learning_rate), momentum=0.9))
        if self.weight is not None:
            options["weight"] = of_python(self.weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.model_: TrainedModel = fit(
                self.method,
                data,
                max_steps=self.max_steps,
                seed=seed,
                rule=self.rule,
                device=self.device,
                backbone=deepcopy(self.backbone),  # a fit changes no parameter of an estimator
                **options,
            )
        # The training data would be carried along with every copy.
        self.model_.data = InMemory.for_prediction(self.classes_.tolist(), (self.n_features_in_,))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities `(N, K)` in the order of `classes_`."""
        found = self.model_of(X).predict_proba(_seen(self, X, _numbers)).astype(np.float64)
        shares: NDArray[np.float64] = found / found.sum(1, keepdims=True)
        return shares

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels `(N,)` out of `classes_`."""
        best = self.predict_proba(X).argmax(1)
        found: NDArray[Any] = self.classes_[best]
        return found

    @torch.no_grad()
    def encode(self, X: Any) -> DomainEncoding:
        """Features and logits of inputs `(N, d)`, for scores."""
        model = self.model_of(X)
        # A copy, because a frame's values may not be written to.
        found = model.method(torch.tensor(_seen(self, X, _numbers), device=model.device))
        return DomainEncoding(found.features.cpu().flatten(1), found.logits.cpu(), None)

    def model_of(self, X: Any) -> TrainedModel:
        """The trained model, once it is there."""
        check_is_fitted(self, "model_")
        return self.model_


class ClassicalAdaptationClassifier(_Scored):
    """A mapping or a reweighting of fixed features, and a classifier of scikit-learn that is fitted on the result.

    This is how the papers before deep networks ran their methods, with a nearest neighbour or an SVM. The map and the
    weights are those of the method of the same name; nothing is trained by gradients. What a mapping gains depends on
    the classifier behind it, so compare with `SourceOnly` and the same `head`. `OTMapping` brings the source's samples
    close together: an SVM behind it needs a `gamma` of the target's width, not `"scale"`.

    Args:
        method: `LinearCORAL`, `SubspaceAlignment`, `TCA`, `OTMapping` or your own `MappingMethod`, which are mappings;
            `ImportanceWeighting`, which weights the source's samples; `SourceOnly`, which does nothing.
        head: A classifier of scikit-learn; with `ImportanceWeighting` one that takes `sample_weight`. None is the
            nearest neighbour, or logistic regression for `ImportanceWeighting`.
        options: Arguments of the method, such as `{"components": 20}` or `{"estimator": "kmm"}`.
        standardise: Bring every feature to mean 0 and deviation 1 before: by each domain's own samples (`domains`, as
            many papers do; it is an adaptation by itself), by the source's (`source`), or not (`none`).
        random_state: Seed of what a method draws; None draws one.

    Attributes:
        classes_: The source's labels, sorted.
        n_features_in_: Number of columns of `X`.
        head_: The fitted classifier.
        weights_: Weights of the source's samples `(N,)` with mean 1; None for a mapping.

    Examples:
        >>> import numpy as np
        >>> from adapt.sklearn import ClassicalAdaptationClassifier
        >>> rng = np.random.default_rng(0)
        >>> ys = np.arange(80) % 2
        >>> Xs = rng.normal(size=(80, 4)) + 3 * ys[:, None]
        >>> fitted = ClassicalAdaptationClassifier("LinearCORAL").fit(Xs, ys, Xs + 2)
        >>> bool(fitted.score(Xs + 2, ys) > 0.9)
        True
    """

    def __init__(
        self,
        method: Any = "LinearCORAL",
        head: Any = None,
        options: Mapping[str, Any] | None = None,
        standardise: Literal["none", "source", "domains"] = "none",
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.head = head
        self.options = options
        self.standardise = standardise
        self.random_state = random_state

    def fit(self, X: Any, y: Any, Xt: Any = None) -> Self:
        """Find the map or the weights from both domains, then fit the classifier on the source.

        Args:
            X: Source inputs `(N, d)`, dense or sparse; with both domains where `y` marks the target.
            y: Source labels `(N,)`; −1 where a sample of `X` is one of the target.
            Xt: Target inputs `(M, d)`, where `X` has the source alone.

        Raises:
            ValueError: The inputs are no numbers, or there is no source or no target.
            AdaptError: The method is none of these, or the classifier takes no weights.
        """
        X, y, Xt = _begin(self, X, y, Xt, _dense)
        if self.standardise not in ("none", "source", "domains"):
            raise AdaptError(f"Expected standardise out of none, source, domains, found {self.standardise!r}.")
        of_source = _moments(X, self.standardise != "none")
        self._of_target = _moments(Xt, True) if self.standardise == "domains" else of_source
        source, target = (torch.from_numpy(_scaled(x, *by)) for x, by in ((X, of_source), (Xt, self._of_target)))
        labels = torch.from_numpy(np.searchsorted(self.classes_, y).astype(np.int64))
        self._of_source, self._labels = of_source, labels
        self.weights_: NDArray[np.float64] | None = None
        self._map: MappingMethod | None = None
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(_drawn(self.random_state))
            made = _classical(self.method, self.n_features_in_, len(self.classes_), dict(self.options or {}))
            if isinstance(made, MappingMethod):
                made.map.fill({k: v.float() for k, v in made.fit_map(*_encodings(source, labels, target)).items()})
                self._map = made
            elif isinstance(made, ImportanceWeighting):
                self.weights_ = made.normalised(made.estimated(source, target)).double().numpy()
        head = self.head
        if head is None:
            head = KNeighborsClassifier(1) if self.weights_ is None else LogisticRegression(max_iter=1000)
        return self._with_head(head, X, y)

    def refit(self, head: Any, X: Any, y: Any) -> Self:
        """A copy with another classifier on the map or the weights that are known, for tables of several classifiers.

        Args:
            head: A classifier of scikit-learn.
            X: The source inputs of `fit`, in their order.
            y: Their labels.

        Raises:
            ValueError: They are other samples than those of `fit`.
            AdaptError: The classifier takes no weights.
        """
        check_is_fitted(self, "head_")
        X, y = _seen(self, X, _dense), _labels(y)
        if y.shape != self._labels.shape or len(X) != len(y) or (self.classes_[self._labels] != y).any():
            raise ValueError(f"Expected the {len(self._labels)} source samples of fit, found others.")
        found = copy(self)
        found.head = head
        return found._with_head(head, X, y)

    def _with_head(self, head: Any, X: NDArray[np.float32], y: NDArray[Any]) -> Self:
        if self.weights_ is not None and not has_fit_parameter(head, "sample_weight"):
            raise AdaptError(
                f"{self.method} weights samples, and {type(head).__name__} takes no sample_weight: give a head such "
                "as LogisticRegression() or SVC()."
            )
        source = torch.from_numpy(_scaled(X, *self._of_source))
        if self._map is not None:
            with torch.no_grad():
                samples = Labelled(source, self._labels, torch.arange(len(source)))
                source = self._map.encode_source(samples).features
        weights = {} if self.weights_ is None else {"sample_weight": self.weights_}
        self.head_ = clone(head).fit(source.numpy(), y, **weights)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Target inputs `(N, d)` as the classifier sees them."""
        check_is_fitted(self, "head_")
        x = _scaled(_seen(self, X, _dense), *self._of_target)
        if self._map is None:
            return x
        with torch.no_grad():
            found: NDArray[np.float32] = self._map.mapped(torch.from_numpy(x), "target").numpy()
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels `(N,)` of target inputs, out of `classes_`."""
        seen = self.transform(X)
        found: NDArray[Any] = self.head_.predict(seen)
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities `(N, K)` in the order of `classes_`, if the classifier has any."""
        seen = self.transform(X)
        found: NDArray[np.float64] = self.head_.predict_proba(seen)
        return found


def scorer(name: str = "information_maximisation") -> Callable[[Any, Any, Any], float]:
    """A scorer for `GridSearchCV(scoring=...)` that reads no target label; higher is better.

    The scorer takes `X` with samples of both domains and `y` with −1 for the target's, as `fit` does.

    Args:
        name: A score (`adapt.selection.SCORES`), an estimate of target accuracy (`adapt.estimation.ESTIMATES`), or
            `source_accuracy`.

    Raises:
        AdaptError: The name is unknown.
    """
    known = [*SCORES, *(k for k, found in ESTIMATES.items() if found.compute is not None), "source_accuracy"]
    if name not in known:
        raise AdaptError(f"Expected a scorer out of {', '.join(known)}, found {name!r}.")
    return _Scorer(name)


class _Scorer:
    """A scorer that can be pickled, for `n_jobs`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"scorer({self.name!r})"

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """The value for a fitted estimator, or for a pipeline that ends with one."""
        y = _labels(y)
        if len(getattr(estimator, "steps", [])) > 1:
            X = estimator[:-1].transform(X)
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        if not isinstance(last, DomainAdaptationClassifier):
            raise AdaptError(f"{self} reads a network: give a DomainAdaptationClassifier, found {type(last).__name__}.")
        labelled = _labelled(y)
        source, target = np.flatnonzero(labelled), np.flatnonzero(~labelled)
        if not len(source) or not len(target):
            raise ValueError("Expected samples of both domains, those of the target with the label -1.")
        if self.name == "source_accuracy":
            return float(last.score(_rows(X, source), y[source]))
        number = {label: k for k, label in enumerate(last.classes_.tolist())}
        known = [k for k in source if y[k] in number]
        if lacking := {str(y[k]) for k in source if y[k] not in number}:
            # The network has no output for them, and a score reads its labels as numbers of outputs.
            warnings.warn(
                f"{self} leaves out {len(source) - len(known)} source samples of classes that the training folds lack: "
                f"{', '.join(sorted(lacking)[:5])}. StratifiedKFold puts some of each class into every fold.",
                stacklevel=2,
            )
        if not known:
            raise ValueError("Expected source samples of the classes of the training folds, found none.")
        y_indices = torch.tensor([number[y[k]] for k in known])
        samples = Samples(last.encode(_rows(X, target)), last.encode(_rows(X, np.array(known)))._replace(y=y_indices))
        find = evaluate if self.name in SCORES else estimate
        value = find(samples, [self.name])[self.name]
        return value if math.isfinite(value) else float("nan")


def _labels(y: Any) -> NDArray[Any]:
    """Labels `(N,)`, also of a frame of one column."""
    found = np.asarray(y)
    return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


def _rows(X: Any, at: NDArray[Any]) -> Any:
    """Samples at some places; of a frame with its columns."""
    return X.iloc[at] if hasattr(X, "iloc") else X[at] if hasattr(X, "shape") else np.asarray(X)[at]


def _check_columns(estimator: Any, X: Any) -> None:
    """Refuse a frame whose columns are not those of the source's, in order: the answers would be wrong."""
    known, found = getattr(estimator, "feature_names_in_", None), _columns(X)
    if known is not None and found is not None and known.tolist() != found.tolist():
        raise ValueError(
            f"The feature names should match those that were passed during fit, in the same order: expected "
            f"{', '.join(known[:8])}, found {', '.join(found[:8])}."
        )


def _columns(X: Any) -> NDArray[Any] | None:
    """The names of a frame's columns; None of what has no names, or others than texts."""
    names = [] if (found := getattr(X, "columns", None)) is None else list(found)
    return np.array(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def _labelled(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples are of the source."""
    return np.array([not (is_missing(k) or _is_unlabelled(k)) for k in y.tolist()], dtype=bool)


def _is_unlabelled(label: Any) -> bool:
    # Beside words NumPy makes a text of the number.
    return label == str(UNLABELLED) if isinstance(label, str) else bool(label == UNLABELLED)


def _begin(estimator: Any, X: Any, y: Any, Xt: Any, read: Read) -> tuple[Floats, NDArray[Any], Floats]:
    """Source inputs, source labels and target inputs, of a target that is apart or marked in `y`; says what was seen.

    Sets `feature_names_in_`, `n_features_in_` and `classes_` of the estimator.
    """
    estimator.__dict__.pop("feature_names_in_", None)
    if (columns := _columns(X)) is not None:
        estimator.feature_names_in_ = columns
    _check_columns(estimator, Xt)
    X, y = read(X), _labels(y)
    if y.ndim != 1 or len(y) != len(X):
        raise ValueError(f"Expected a label for each of {len(X)} samples, found y of shape {y.shape}.")
    if Xt is None:
        source = _labelled(y)
        X, y, Xt = X[source], y[source], X[~source]
        if len(Xt) == 0:
            raise ValueError(
                "Expected target samples: give Xt, or mark them in y by -1. VotingClassifier, BaggingClassifier and "
                "others of scikit-learn number the labels anew: give them Xt (docs/python.md)."
            )
    elif any(map(is_missing, y.tolist())):
        raise ValueError("Expected a label for each source sample beside Xt, found None or NaN among them.")
    Xt = read(Xt)
    if Xt.shape[1] != X.shape[1]:
        raise ValueError(f"Expected a target of {X.shape[1]} features, found {Xt.shape[1]}.")
    # As a list, because labels that stood beside None are objects.
    check_classification_targets(np.array(y.tolist()))
    estimator.classes_ = np.unique(y)
    if len(estimator.classes_) < 2:
        raise ValueError(f"Expected two classes or more, found {len(estimator.classes_)}.")
    estimator.n_features_in_ = X.shape[1]
    return X, y, Xt


def _seen(estimator: Any, X: Any, read: Read) -> Floats:
    """Inputs as an array, refused where they have other columns than the source's."""
    _check_columns(estimator, X)
    found = read(X)
    if found.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {found.shape[1]} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input."
        )
    return found


def _drawn(random_state: Any) -> int:
    """A seed: the one that is given, or one that is drawn."""
    given = isinstance(random_state, int | np.integer)
    return int(random_state if given else check_random_state(random_state).randint(2**31 - 1))


def _refuse_dates(X: Any) -> None:
    """Refuse dates and durations, which NumPy refuses at length, or takes for billions of nanoseconds."""
    types: Any = getattr(X, "dtypes", None)
    for name, dtype in types.items() if hasattr(types, "items") else [("X", getattr(X, "dtype", None))]:
        if getattr(dtype, "kind", "") in ("M", "m"):
            raise ValueError(
                f"Expected numbers in each column, found {dtype} in {name!r}. Leave it out, or make a number of it."
            )


def _numbers(X: Any) -> Floats:
    _refuse_dates(X)
    found: Floats = check_array(X, dtype=np.float32)
    return found


def _dense(X: Any) -> NDArray[np.float32]:
    """Bags of words are often sparse; the maps are dense matrices anyhow."""
    _refuse_dates(X)
    found = check_array(X, accept_sparse="csr", dtype=np.float32)
    dense: NDArray[np.float32] = found.toarray() if hasattr(found, "toarray") else found
    return dense


def _classical(method: Any, width: int, classes: int, options: dict[str, Any]) -> Any:
    """The method, built for features as they come."""
    cls = getattr(adapt.methods, method, None) if isinstance(method, str) else method
    if not (isinstance(cls, type) and issubclass(cls, MappingMethod | ImportanceWeighting | SourceOnly)):
        known = [
            name
            for name, found in vars(adapt.methods).items()
            if isinstance(found, type) and issubclass(found, MappingMethod) and found is not MappingMethod
        ]
        raise AdaptError(
            f"Expected a mapping ({', '.join(sorted(known))}), ImportanceWeighting or SourceOnly, found {method!r}. "
            "Other methods train a network: DomainAdaptationClassifier."
        )
    unknown = [name for name in options if name not in arguments(cls)]
    if unknown:
        raise AdaptError(f"{cls.__name__} has no argument {unknown[0]!r}: it has {', '.join(sorted(arguments(cls)))}.")
    # Nothing is trained, and the optimizer is not built; the base's own default cannot be pickled.
    return cls(**{"optimizer": torch.optim.SGD} | options, problem=classes, backbone=Identity((width,)))


def _encodings(source: torch.Tensor, y: torch.Tensor, target: torch.Tensor) -> tuple[DomainEncoding, DomainEncoding]:
    return DomainEncoding(source, source[:, :0], y), DomainEncoding(target, target[:, :0], None)


def _moments(x: NDArray[np.float32], wanted: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each feature, 1 where it does not vary; what changes nothing if they are not wanted."""
    if not wanted:
        return np.zeros(1, np.float32), np.ones(1, np.float32)
    deviation = x.std(0, dtype=np.float64)
    deviation[deviation < 1e-12] = 1
    return x.mean(0, dtype=np.float64).astype(np.float32), deviation.astype(np.float32)


def _scaled(x: NDArray[np.float32], mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (x - mean) / deviation
    return found

"""The estimator for scikit-learn, and scorers that need no target label.

`fit(Xs, ys, Xt)` takes the domains apart. Where scikit-learn cuts the samples itself, as `GridSearchCV` and
`cross_val_score` do, give one `X` with both domains, and `y` with −1 for every target sample, the sign that
`sklearn.semi_supervised` has for "no label":

    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, np.full(len(Xt), -1)])
    search = GridSearchCV(DomainAdaptationClassifier("CORAL"), {"weight": [0.1, 1, 10]},
                          scoring=scorer("information_maximisation"))
    search.fit(X, y)

A pipeline works the same way; a scaler in it then sees both domains.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from adapt.data import InMemory
from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.estimation import ESTIMATES, estimate
from adapt.selection import SCORES, Samples, evaluate
from adapt.training.model import TrainedModel
from adapt.training.python import fit

UNLABELLED = -1
"""The label of target samples."""


class DomainAdaptationClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A classifier that is trained on a labelled source and an unlabelled target.

    Args:
        method: A method's name such as `CORAL`, or its class.
        backbone: A backbone's name, class or object; it is built for the width of `X`.
        max_steps: Training steps.
        batch_size: Samples per domain and step; fewer where a domain is smaller.
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
            ValueError: The inputs are no numbers, frames have other columns or another order, or there is no source or
                no target.
        """
        self.__dict__.pop("feature_names_in_", None)
        if (columns := _columns(X)) is not None:
            self.feature_names_in_: NDArray[Any] = columns
        self._check_columns(Xt)
        X, y = check_array(X, dtype=np.float32), np.asarray(y)
        if y.ndim != 1 or len(y) != len(X):
            raise ValueError(f"Expected a label for each of {len(X)} samples, found y of shape {y.shape}.")
        if Xt is None:
            source = _labelled(y)
            X, y, Xt = X[source], y[source], X[~source]
            if len(Xt) == 0:
                raise ValueError("Expected target samples: give Xt, or mark them in y by -1.")
        elif any(map(_is_missing, y.tolist())):
            raise ValueError("Expected a label for each source sample beside Xt, found None or NaN among them.")
        Xt = check_array(Xt, dtype=np.float32)
        if Xt.shape[1] != X.shape[1]:
            raise ValueError(f"Expected a target of {X.shape[1]} features, found {Xt.shape[1]}.")
        self.classes_, indices = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Expected two classes or more, found {len(self.classes_)}.")
        self.n_features_in_ = X.shape[1]
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        # What is held out, one sample at least, leaves no smaller domain than this.
        size = max(2, min(self.batch_size, *(int(0.9 * len(part)) - 1 for part in (X, Xt))))
        data = InMemory(X, indices, Xt, names=[str(k) for k in self.classes_], batch_size=size)
        options = dict(self.options or {})
        options.setdefault("optimizer", partial(torch.optim.SGD, lr=self.learning_rate, momentum=0.9))
        if self.weight is not None:
            options["weight"] = self.weight
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.model_: TrainedModel = fit(
                self.method,
                data,
                max_steps=self.max_steps,
                seed=int(seed),
                rule=self.rule,
                device=self.device,
                backbone=self.backbone,
                **options,
            )
        # The training data would be carried along with every copy.
        self.model_.data = InMemory.for_prediction(self.classes_.tolist(), (self.n_features_in_,))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities `(N, K)` in the order of `classes_`."""
        found = self.model_of(X).predict_proba(self._checked(X)).astype(np.float64)
        shares: NDArray[np.float64] = found / found.sum(1, keepdims=True)
        return shares

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels `(N,)` out of `classes_`."""
        found: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labelled samples; those with the label −1 are left out."""
        known = _labelled(np.asarray(y)) if UNLABELLED not in self.classes_ else np.ones(len(X), bool)
        kept = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(super().score(np.asarray(X)[known], np.asarray(y)[known], kept))

    @torch.no_grad()
    def encode(self, X: Any) -> DomainEncoding:
        """Features and logits of inputs `(N, d)`, for scores."""
        model = self.model_of(X)
        found = model.method(torch.as_tensor(self._checked(X), device=model.device))
        return DomainEncoding(found.features.cpu().flatten(1), found.logits.cpu(), None)

    def model_of(self, X: Any) -> TrainedModel:
        """The trained model, once it is there."""
        check_is_fitted(self, "model_")
        return self.model_

    def _checked(self, X: Any) -> NDArray[np.float32]:
        self._check_columns(X)
        found: NDArray[np.float32] = check_array(X, dtype=np.float32)
        if found.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {found.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input."
            )
        return found

    def _check_columns(self, X: Any) -> None:
        """Refuse a frame whose columns are not those of the source's, in order: the answers would be wrong."""
        known, found = getattr(self, "feature_names_in_", None), _columns(X)
        if known is not None and found is not None and known.tolist() != found.tolist():
            raise ValueError(
                f"The feature names should match those that were passed during fit, in the same order: expected "
                f"{', '.join(known[:8])}, found {', '.join(found[:8])}."
            )


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
        X, y = np.asarray(X), np.asarray(y)
        for _, step in getattr(estimator, "steps", [])[:-1]:
            X = step.transform(X)
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        source = _labelled(y)
        if not source.any() or source.all():
            raise ValueError("Expected samples of both domains, those of the target with the label -1.")
        if self.name == "source_accuracy":
            return float(last.score(X[source], y[source]))
        y_indices = torch.as_tensor(np.searchsorted(last.classes_, y[source]))
        samples = Samples(last.encode(X[~source]), last.encode(X[source])._replace(y=y_indices))
        find = evaluate if self.name in SCORES else estimate
        value = find(samples, [self.name])[self.name]
        return value if math.isfinite(value) else float("nan")


def _columns(X: Any) -> NDArray[Any] | None:
    """The names of a frame's columns; None of what has no names, or others than texts."""
    names = [] if (found := getattr(X, "columns", None)) is None else list(found)
    return np.array(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def _labelled(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples are of the source."""
    return np.array([not (_is_missing(k) or _is_unlabelled(k)) for k in y.tolist()], dtype=bool)


def _is_unlabelled(label: Any) -> bool:
    # Beside words NumPy makes a text of the number.
    return label == str(UNLABELLED) if isinstance(label, str) else bool(label == UNLABELLED)


def _is_missing(label: Any) -> bool:
    return label is None or label != label

"""The estimator behaves as scikit-learn's own do."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adapt.errors import AdaptError
from adapt.sklearn import DomainAdaptationClassifier, scorer

RNG = np.random.default_rng(0)
CENTRES = 3 * RNG.normal(size=(3, 6))


def vectors(n: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return (CENTRES[y] + rng.normal(size=(n, 6)) + shift).astype("float32"), y


(XS, YS), (XT, YT) = vectors(150, 0.0, 1), vectors(120, 0.8, 2)


def estimator(**options: object) -> DomainAdaptationClassifier:
    return DomainAdaptationClassifier(
        **{"method": "CORAL", "max_steps": 60, "random_state": 0, "device": "cpu"} | options
    )


def test_it_learns_and_gives_probabilities() -> None:
    names = np.array(["red", "green", "blue"])
    fitted = estimator().fit(XS, names[YS], XT)
    assert fitted.score(XT, names[YT]) > 0.85
    assert list(fitted.classes_) == ["blue", "green", "red"]
    p = fitted.predict_proba(XT)
    np.testing.assert_allclose(p.sum(1), 1)
    assert (fitted.classes_[p.argmax(1)] == fitted.predict(XT)).all()


def test_domains_apart_or_marked_are_the_same_training() -> None:
    apart = estimator().fit(XS, YS, XT)
    marked = estimator().fit(np.concatenate([XS, XT]), np.concatenate([YS, np.full(len(XT), -1)]))
    np.testing.assert_array_equal(apart.predict_proba(XT), marked.predict_proba(XT))


def test_it_clones_pickles_and_says_its_parameters() -> None:
    one = estimator(weight=2.0)
    other = clone(one)
    assert other.get_params() == one.get_params()
    assert other.set_params(max_steps=5).max_steps == 5
    fitted = estimator().fit(XS, YS, XT)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(XT), fitted.predict_proba(XT))


def test_a_grid_search_with_a_score_that_reads_no_target_label() -> None:
    X, y = np.concatenate([XS, XT]), np.concatenate([YS, np.full(len(XT), -1)])
    pipeline = make_pipeline(StandardScaler(), estimator(max_steps=30))
    search = GridSearchCV(
        pipeline,
        {"domainadaptationclassifier__weight": [0.1, 1.0]},
        scoring={name: scorer(name) for name in ("information_maximisation", "atc", "source_accuracy")},
        refit="information_maximisation",
        cv=2,
        error_score="raise",
    )
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_atc"]).all()
    assert (search.cv_results_["mean_test_source_accuracy"] > 0.8).all()
    assert search.predict(XT).shape == YT.shape


def test_wrong_inputs_are_scikit_learns_value_errors() -> None:
    with pytest.raises(ValueError, match="target samples"):
        estimator().fit(XS, YS)
    with pytest.raises(ValueError, match="6 features, found 3"):
        estimator().fit(XS, YS, XT[:, :3])
    with pytest.raises(ValueError, match="two classes"):
        estimator().fit(XS, np.zeros(len(XS), int), XT)
    fitted = estimator(max_steps=2).fit(XS, YS, XT)
    with pytest.raises(ValueError, match="expecting 6"):
        fitted.predict(XT[:, :3])
    with pytest.raises(AdaptError, match="Expected a scorer"):
        scorer("accuracy")
    with pytest.raises(ValueError, match="both domains"):
        scorer()(fitted, XS, YS)


def test_columns_in_another_order_are_refused_and_words_may_stand_beside_the_mark() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    y = np.array(["no", "yes"])[np.arange(40) % 2]
    frame = pandas.DataFrame(rng.normal(size=(40, 3)) + 3 * (y == "yes")[:, None], columns=list("abc"))
    fitted = DomainAdaptationClassifier("SourceOnly", max_steps=3, random_state=0, device="cpu").fit(frame, y, frame)
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
    turned = frame[["c", "a", "b"]]
    for wrong in (lambda: fitted.predict(turned), lambda: clone(fitted).fit(frame, y, turned)):
        with pytest.raises(ValueError, match="in the same order: expected a, b, c, found c, a, b"):
            wrong()
    expected = fitted.predict_proba(frame)
    both = np.concatenate([frame, frame])
    for mark in (None, np.nan, -1, "-1"):
        marked = np.concatenate([y.astype(object), np.full(40, mark, dtype=object)])
        np.testing.assert_array_equal(clone(fitted).fit(both, marked).predict_proba(both[:40]), expected)
    with pytest.raises(ValueError, match="a label for each source sample beside Xt"):
        clone(fitted).fit(frame, np.where(np.arange(40) == 3, None, y), frame)

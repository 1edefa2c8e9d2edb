"""The estimator behaves as scikit-learn's own do."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from adapt.backbones import MLP
from adapt.density_ratio import kliep
from adapt.errors import AdaptError
from adapt.losses import coral_map, subspace_alignment
from adapt.sklearn import ClassicalAdaptationClassifier, DomainAdaptationClassifier, scorer

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


def test_a_second_fit_begins_where_the_first_began() -> None:
    one = estimator(backbone=MLP((XS.shape[1],)), max_steps=5)
    first = one.fit(XS, YS, XT).predict_proba(XT)
    np.testing.assert_array_equal(one.fit(XS, YS, XT).predict_proba(XT), first)


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
    for few in ((XS, YS, XT[:2]), (XS[:2], YS[:2], XT)):
        with pytest.raises(ValueError, match="3 samples or more of each domain, found 2"):
            estimator().fit(*few)
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


# A stretch and a turn that throw classes onto each other, so that a map has something to mend.
TURN = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0].astype("float32")
XF = (2.0 * XT @ TURN + 3).astype("float32")


@pytest.mark.parametrize("head", [KNeighborsClassifier(1), LogisticRegression(), SVC()], ids=lambda h: type(h).__name__)
def test_a_mapping_with_any_classifier_is_that_classifier_on_the_mapped_source(head: object) -> None:
    names = np.array(["red", "green", "blue"])
    fitted = ClassicalAdaptationClassifier("LinearCORAL", head, {"regularization": 0.01}).fit(XS, names[YS], XF)
    weight, bias = (t.numpy() for t in coral_map(torch.from_numpy(XS), torch.from_numpy(XF), regularization=0.01))
    by_hand = clone(head).fit(XS @ weight + bias, names[YS])
    assert (fitted.predict(XF) == by_hand.predict(XF)).mean() > 0.98
    assert set(fitted.classes_) == set(names)


def test_both_sides_of_a_map_and_each_domain_s_own_scale() -> None:
    fitted = ClassicalAdaptationClassifier("SubspaceAlignment", None, {"components": 3}, "domains").fit(XS, YS, XF)
    z = [torch.from_numpy((x - x.mean(0)) / x.std(0)) for x in (XS, XF)]
    of_source, of_target = subspace_alignment(z[0], z[1], components=3)
    spread = float((z[1].double() @ of_target).var(0).mean()) ** 0.5
    np.testing.assert_allclose(fitted.transform(XF), (z[1].double() @ of_target).numpy() / spread, atol=1e-4)
    by_hand = KNeighborsClassifier(1).fit((z[0].double() @ of_source).numpy(), YS)
    expected = by_hand.predict((z[1].double() @ of_target).numpy())
    assert (fitted.predict(XF) == expected).mean() > 0.98


@pytest.mark.parametrize(("method", "options"), [("TCA", {"components": 4, "landmarks": 40}), ("OTMapping", {})])
def test_draws_follow_the_seed_and_the_caller_s_random_numbers_stay(method: str, options: dict[str, object]) -> None:
    state = torch.get_rng_state()
    one, two = (
        ClassicalAdaptationClassifier(method, None, options, random_state=3).fit(XS, YS, XF).transform(XF)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)
    assert torch.equal(state, torch.get_rng_state())


def test_weights_reach_the_classifier_and_one_that_takes_none_is_refused() -> None:
    options = {"estimator": "kliep", "max_weight": None}
    fitted = ClassicalAdaptationClassifier("ImportanceWeighting", LogisticRegression(), options).fit(XS, YS, XT)
    weights = kliep(torch.from_numpy(XS), torch.from_numpy(XT)).double().numpy()
    np.testing.assert_allclose(fitted.weights_, weights / weights.mean(), rtol=1e-4)
    by_hand = LogisticRegression().fit(XS, YS, sample_weight=fitted.weights_)
    np.testing.assert_allclose(fitted.head_.coef_, by_hand.coef_, rtol=1e-3, atol=1e-5)
    assert np.abs(by_hand.coef_ - LogisticRegression().fit(XS, YS).coef_).max() > 1e-3
    with pytest.raises(AdaptError, match="KNeighborsClassifier takes no sample_weight"):
        ClassicalAdaptationClassifier("ImportanceWeighting", KNeighborsClassifier(1)).fit(XS, YS, XT)


def test_another_classifier_on_the_same_map_equals_a_fit_of_its_own() -> None:
    whole = ClassicalAdaptationClassifier("OTMapping", SVC(), random_state=0).fit(XS, YS, XF)
    first = ClassicalAdaptationClassifier("OTMapping", None, random_state=0).fit(XS, YS, XF)
    again = first.refit(SVC(), XS, YS)
    np.testing.assert_array_equal(again.predict(XF), whole.predict(XF))
    assert type(first.head_).__name__ == "KNeighborsClassifier"
    with pytest.raises(ValueError, match="source samples of fit"):
        first.refit(SVC(), XS[1:], YS[1:])


def test_sparse_inputs_marked_targets_copies_and_pickles_agree() -> None:
    plain = ClassicalAdaptationClassifier("LinearCORAL").fit(XS, YS, XF)
    marked = np.concatenate([YS, np.full(len(XF), -1)])
    for other in (
        ClassicalAdaptationClassifier("LinearCORAL").fit(csr_matrix(XS), YS, csr_matrix(XF)),
        clone(plain).fit(np.concatenate([XS, XF]), marked),
        pickle.loads(pickle.dumps(plain)),
    ):
        np.testing.assert_array_equal(other.predict(XF), plain.predict(XF))
    none = ClassicalAdaptationClassifier("SourceOnly").fit(XS, YS, XF)
    np.testing.assert_array_equal(none.predict(XF), KNeighborsClassifier(1).fit(XS, YS).predict(XF))


def test_what_is_no_classical_method_is_named_with_those_that_are() -> None:
    with pytest.raises(AdaptError, match=r"LinearCORAL, OTMapping, SubspaceAlignment, TCA.*found 'DANN'"):
        ClassicalAdaptationClassifier("DANN").fit(XS, YS, XT)
    with pytest.raises(AdaptError, match="no argument 'component'"):
        ClassicalAdaptationClassifier("TCA", None, {"component": 3}).fit(XS, YS, XT)
    with pytest.raises(AdaptError, match="standardise out of"):
        ClassicalAdaptationClassifier("TCA", standardise="domain").fit(XS, YS, XT)
    with pytest.raises(ValueError, match="expecting 6"):
        ClassicalAdaptationClassifier().fit(XS, YS, XT).predict(XT[:, :2])
    with pytest.raises(AdaptError, match="DomainAdaptationClassifier, found Classical"):
        scorer()(ClassicalAdaptationClassifier().fit(XS, YS, XT), XS, YS)


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


@pytest.mark.parametrize("mark", [-1, None, np.nan, "-1"])
def test_marked_target_samples_count_in_no_estimators_score(mark: object) -> None:
    words = np.array(["no", "maybe", "yes"])[YS]
    both, y = np.concatenate([XS, XT]), np.concatenate([words.astype(object), np.full(len(XT), mark, dtype=object)])
    fitted = ClassicalAdaptationClassifier("LinearCORAL").fit(both, y)
    assert fitted.score(both, y) == fitted.score(XS, words) > 0.5
    weights = np.arange(len(both)) % 3 + 1.0
    assert fitted.score(both, y, weights) == fitted.score(XS, words, weights[: len(XS)])
    if mark == -1:
        numbers = np.concatenate([YS, np.full(len(XT), -1)])
        other = ClassicalAdaptationClassifier("LinearCORAL").fit(both, numbers)
        assert other.score(both, numbers) == fitted.score(XS, words)


def test_a_scorer_reads_frames_through_any_pipeline() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = np.concatenate([XS, XT]), np.concatenate([YS, np.full(len(XT), -1)])
    frame = pandas.DataFrame(X, columns=list("pqrstu"), index=np.arange(len(X))[::-1])
    columns = make_column_transformer((StandardScaler(), list("pqrstu")))
    expected = {}
    for name in ("information_maximisation", "dev", "source_accuracy"):
        score = scorer(name)
        plain = make_pipeline(StandardScaler(), estimator()).fit(X, y)
        expected[name] = score(plain, X, y)
        assert score(make_pipeline(columns, estimator()).fit(frame, y), frame, y) == pytest.approx(expected[name])
        skipped = make_pipeline("passthrough", estimator()).fit(frame, y)
        assert score(skipped, frame, y) == score(estimator().fit(frame, y), frame, y)
    search = GridSearchCV(
        make_pipeline(columns, estimator()),
        {"domainadaptationclassifier__weight": [0.1, 1.0]},
        scoring=scorer(),
        cv=2,
        error_score="raise",
    )
    assert np.isfinite(search.fit(frame, y).cv_results_["mean_test_score"]).all()


def test_a_class_that_the_training_folds_lack_is_no_other_class() -> None:
    names = np.array(["b", "d", "c"])
    fitted = estimator().fit(XS[YS < 2], names[YS[YS < 2]], XT)  # "c" would be sorted in as "d"
    X, y = np.concatenate([XS, XT]), np.concatenate([names[YS], np.full(len(XT), "-1")])
    known = y != "c"
    with pytest.warns(UserWarning, match="leaves out 50 source samples of classes that the training folds lack: c"):
        found = scorer("dev")(fitted, X, y)
    assert found == pytest.approx(scorer("dev")(fitted, X[known], y[known]))
    lacking = (y == "c") | (y == "-1")
    with pytest.raises(ValueError, match="found none"), pytest.warns(UserWarning, match="leaves out"):
        scorer("dev")(fitted, X[lacking], y[lacking])


def test_an_unfitted_estimator_says_so_and_marks_of_pandas_are_read() -> None:
    pandas = pytest.importorskip("pandas")
    for one in (estimator(), ClassicalAdaptationClassifier()):
        for ask in (one.predict, one.predict_proba, lambda X, one=one: one.score(X, YT)):
            with pytest.raises(NotFittedError):
                ask(XT)
    names = np.array(["red", "green", "blue"])[YS]
    X, y = np.concatenate([XS, XT]), pandas.Series([*names, *[None] * len(XT)], dtype="string")
    expected = estimator().fit(XS, names, XT)
    fitted = estimator().fit(X, y)
    assert list(fitted.classes_) == list(expected.classes_)
    np.testing.assert_array_equal(fitted.predict(XT), expected.predict(XT))
    assert fitted.score(X, y) == expected.score(XS, names)


def test_a_batch_size_or_a_rate_that_is_none_is_refused() -> None:
    # Batches of two were trained on before, without a word.
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    for name, value in (("batch_size", 0), ("batch_size", -4), ("learning_rate", -1), ("learning_rate", "0.1")):
        with pytest.raises(ValueError, match=f"Expected {name} as a number above 0"):
            DomainAdaptationClassifier("CORAL", **{name: value}).fit(X, y, X)


def test_numbers_that_a_search_draws_are_taken() -> None:
    drawn = {
        "max_steps": np.int64(3),
        "batch_size": np.int64(8),
        "learning_rate": np.float32(0.1),
        "weight": np.float64(1),
    }
    fitted = DomainAdaptationClassifier("CORAL", random_state=np.int64(0), **drawn).fit(XS, YS, XT)
    assert fitted.model_.data.batch_size > 0 and fitted.predict(XT).shape == (len(XT),)


def test_ensembles_and_calibration_of_scikit_learn_hand_the_target_on() -> None:
    names, one = np.array(["red", "green", "blue"])[YS], estimator(max_steps=3)
    calibrated = CalibratedClassifierCV(one, cv=2).fit(XS, names, Xt=XT)
    assert calibrated.classes_.tolist() == ["blue", "green", "red"]
    assert cross_val_predict(one, XS, names, cv=2, method="predict_proba", params={"Xt": XT}).shape == (len(XS), 3)
    with sklearn.config_context(enable_metadata_routing=True):
        voters = [("one", one), ("classical", ClassicalAdaptationClassifier())]
        voting = VotingClassifier([voters[0], ("same", one)], voting="soft").fit(XS, names, Xt=XT)
        np.testing.assert_allclose(voting.predict_proba(XT), one.fit(XS, names, XT).predict_proba(XT), atol=1e-6)
        assert set(VotingClassifier(voters).fit(XS, names, Xt=XT).predict(XT)) <= {"red", "green", "blue"}
        assert BaggingClassifier(one, n_estimators=2).fit(XS, names, Xt=XT).predict(XT).shape == (len(XT),)
        scaled = make_pipeline(StandardScaler(), one, transform_input=["Xt"]).fit(XS, names, Xt=XT)
    scaler = StandardScaler().fit(XS)
    expected = clone(one).fit(scaler.transform(XS), names, scaler.transform(XT))
    np.testing.assert_allclose(scaled.predict_proba(XT), expected.predict_proba(scaler.transform(XT)), atol=1e-6)
    X, y = np.concatenate([XS, XT]), np.concatenate([YS, np.full(len(XT), -1)])
    with pytest.raises(ValueError, match="number the labels anew: give them Xt"):
        VotingClassifier([("one", one)]).fit(X, y)


def test_numbers_that_are_no_classes_and_dates_are_refused() -> None:
    with pytest.raises(ValueError, match="continuous"):
        estimator().fit(XS, YS + np.linspace(0, 0.5, len(YS)), XT)
    days = np.datetime64("2020-01-01") + np.arange(len(XS))[:, None]
    frame = pd.DataFrame({"age": XS[:, 0], "day": days[:, 0]})
    for each in (estimator(), ClassicalAdaptationClassifier()):
        with pytest.raises(ValueError, match=r"found datetime64\[\w+\] in 'X'"):
            each.fit(days, YS, days)
        with pytest.raises(ValueError, match=r"found datetime64\[\w+\] in 'day'"):
            each.fit(frame, YS, frame)
    column = estimator(max_steps=3).fit(XS, YS[:, None], XT)
    np.testing.assert_array_equal(column.predict(XT), estimator(max_steps=3).fit(XS, YS, XT).predict(XT))
    assert column.score(XT, YT[:, None]) == column.score(XT, YT)
    X, y = np.concatenate([XS, XT]), np.concatenate([YS, np.full(len(XT), -1)])
    assert scorer("atc")(column, X, y[:, None]) == scorer("atc")(column, X, y)

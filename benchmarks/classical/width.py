"""Why an SVM with a Gaussian kernel fails behind an optimal-transport map: its width is that of the mapped sources.

    ADAPT_DATA=... python benchmarks/classical/width.py

Books → dvd, as run.py has it. `gamma: scale` is 1 / (d · variance) of what the SVM is trained on.
"""

import numpy as np
from run import DOMAINS, bags, drawn
from sklearn.svm import SVC

from adapt.sklearn import ClassicalAdaptationClassifier

WORDS, SAMPLES, TEST = 500, 1000, 1500


def main() -> None:
    source, target = (drawn(bags(DOMAINS[letter], "train"), SAMPLES, 0) for letter in "BD")
    test = drawn(bags(DOMAINS["D"], "test"), TEST, 0)
    words = np.argsort(-((source[0] > 0).sum(0) + (target[0] > 0).sum(0)), kind="stable")[:WORDS]
    (xs, ys), (xt, _), (x, y) = ((found[:, words], labels) for found, labels in (source, target, test))
    for plan in ("sinkhorn", "group_lasso"):
        model = ClassicalAdaptationClassifier("OTMapping", SVC(), {"plan": plan}, "domains", random_state=0)
        model.fit(xs, ys, xt)
        gamma, spread = model.head_._gamma, float(model.transform(x).var())
        print(f"{plan}: variance of mapped sources {1 / (WORDS * gamma):.3f}, of the target {spread:.3f}")
        print(f"  gamma {gamma:.4f} (scale): {100 * model.score(x, y):.1f} %")
        fitting = 1 / (WORDS * spread)
        print(
            f"  gamma {fitting:.4f} (the target's): {100 * model.refit(SVC(gamma=fitting), xs, ys).score(x, y):.1f} %"
        )


if __name__ == "__main__":
    main()

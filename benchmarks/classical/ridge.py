"""How much penalty a linear classifier needs behind subspace alignment: python benchmarks/classical/ridge.py

Four development pairs of Amazon reviews, 1000 words, each domain standardised by itself, scikit-learn's logistic
regression.
By penalty r: accuracy on the source (cross-validated, five folds, with one standard error) and on 2000 of the target's
test samples, means over the pairs. The last line names the r whose source accuracy is within one standard error of the
best: a choice among these reads no target label.
"""

import numpy as np
import torch
from run import DOMAINS, bags, drawn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from adapt.losses import subspace_alignment

PAIRS = ("BD", "DE", "EK", "KB")
RIDGES = (1e-6, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
WORDS, COMPONENTS = 1000, 50


def main() -> None:
    """Print a row per penalty."""
    data = {key: (bags(name, "train"), bags(name, "test")) for key, name in DOMAINS.items()}
    source, target = np.zeros((len(PAIRS), len(RIDGES))), np.zeros((len(PAIRS), len(RIDGES)))
    for row, (s, t) in enumerate(PAIRS):
        (xs, ys), (xt, _), (tested, yt) = data[s][0], data[t][0], drawn(data[t][1], 2000, 0)
        words = np.argsort(-((xs > 0).sum(0) + (xt > 0).sum(0)), kind="stable")[:WORDS]
        deviations = [np.where((d := x[:, words].std(0)) < 1e-12, 1, d) for x in (xs, xt)]
        zs = (xs[:, words] - xs[:, words].mean(0)) / deviations[0]
        zt, ze = ((x[:, words] - xt[:, words].mean(0)) / deviations[1] for x in (xt, tested))
        of_source, of_target = subspace_alignment(torch.from_numpy(zs), torch.from_numpy(zt), components=COMPONENTS)
        spread = (zt @ of_target.numpy()).var(0, ddof=1).mean() ** 0.5
        zs, ze = zs @ of_source.numpy() / spread, ze @ of_target.numpy() / spread
        for column, ridge in enumerate(RIDGES):
            # scikit-learn has the sum of the losses where our penalty has their mean, and K = 2 rows of weights in one.
            head = LogisticRegression(C=2 / (len(ys) * ridge), max_iter=3000)
            source[row, column] = cross_val_score(head, zs, ys, cv=5).mean()
            target[row, column] = head.fit(zs, ys).score(ze, yt)
    mean = source.mean(0)
    error = np.sqrt(mean * (1 - mean) / len(ys))
    least = mean.max() - error[mean.argmax()]
    print("| r | source | target |\n|--:|--:|--:|")
    for column, ridge in enumerate(RIDGES):
        accuracies = f"{100 * mean[column]:.1f} ± {100 * error[column]:.1f} | {100 * target.mean(0)[column]:.1f}"
        print(f"| {ridge:g} | {accuracies} |")
    kept = ", ".join(f"{ridge:g}" for ridge, value in zip(RIDGES, mean, strict=True) if value >= least)
    print(f"\nWithin one standard error of the best on the source: {kept}.")


if __name__ == "__main__":
    main()

"""Agreement of the predicted classes with clusters of the features."""

import warnings

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.predictions import class_logits


def class_ami(features: Tensor, logits: Tensor, *, seed: int = 0) -> Tensor:
    """Adjusted mutual information of the predicted classes and K clusters of the target's features; higher is better.

    ClassAMI, Musgrave et al. 2022, https://arxiv.org/abs/2208.07360: K-means with as many clusters as classes (the
    best of ten starts), and AMI = (I − E I) / (mean of the two entropies − E I).

    Cost: O(NKd) per iteration of K-means and O(N(d + K)) memory, on the CPU: with d = 256 and K = 31 on one core 0.3 s
    for N = 2000, so about 10 s for N = 50 000.

    Args:
        features: Features of the target `(N, d)`, N ≥ K.
        logits: Class logits of the target `(N, K)`.
        seed: Seed of the starts; the global random numbers do not change.

    Returns:
        Scalar without unit, at most 1; about 0 if clusters and classes are unrelated.

    Raises:
        AdaptError: `features` or `logits` is not a matrix, their lengths differ, there are fewer samples than classes,
            or features are not finite.
    """
    classes = class_logits("class_ami", logits).argmax(1).cpu().numpy()
    if features.ndim != 2 or len(features) != len(logits) or len(logits) < logits.shape[1]:
        raise AdaptError(
            f"class_ami expects features (N, d) beside logits (N, K) with N ≥ K, found {tuple(features.shape)} and "
            f"{tuple(logits.shape)}."
        )
    x = features.detach().cpu().double().numpy()
    if not np.isfinite(x).all():
        raise AdaptError("class_ami expects finite features, found infinite or undefined ones.")
    means = KMeans(n_clusters=logits.shape[1], n_init=10, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different samples than clusters
        clusters = means.fit_predict(x)
    return torch.tensor(adjusted_mutual_info_score(classes, clusters), dtype=torch.float32, device=features.device)

"""The Frechet distance between two sets of faces (FAD), over all clips of a method and emotion."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stccl_train.measures.definitions import Measure

#: ``fad``: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the means and covariances of features of
#: real and generated faces (Heusel et al. 2017), features of a face network. 0 and up, lower is
#: better. A set of few frames is far from any other: never compare values over different n.
FAD = Measure("fad", "FAD", "lower", "feature distance")


def frechet_distance(real: NDArray[np.floating], generated: NDArray[np.floating]) -> float:
    """Return the Frechet distance of the Gaussians fitted to two sets of features.

    The trace of the square root of C1 C2 is the sum of the square roots of the eigenvalues of
    C1^(1/2) C2 C1^(1/2), which are those of C1 C2, real and not negative also when the covariances
    are singular.

    Args:
        real: (n, D), n >= 2.
        generated: (m, D), m >= 2.
    """
    sides = [np.asarray(side, np.float64) for side in (real, generated)]
    means = [side.mean(axis=0) for side in sides]
    covariances = [np.cov(side, rowvar=False) for side in sides]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = np.trace(covariances[0]) + np.trace(covariances[1])
    distance = np.square(means[0] - means[1]).sum() + trace - 2 * np.sqrt(product.clip(min=0)).sum()
    return float(max(0.0, distance))


def pooled_distance(
    real: Sequence[NDArray[np.float32]], generated: Sequence[NDArray[np.float32]]
) -> float:
    """Return the distance of features pooled over clips; NaN if a side has fewer than two."""
    if min(sum(len(clip) for clip in side) for side in (real, generated)) < 2:
        return float("nan")
    return frechet_distance(np.concatenate(real), np.concatenate(generated))

"""How far apart are two sets of features? The Frechet distance between Gaussians fitted to them (docs/metrics.md).

    |m_1 - m_2|^2 + Tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))

Source: Dowson and Landau 1982; Heusel et al. 2017 (FID), Unterthiner et al. 2018 (FVD). All in float64. The last trace
is the sum of the square roots of the eigenvalues of S_1 S_2. With S = R^T R, R from a QR decomposition of the centred
features, those roots are the singular values of R_1 R_2^T: real, never negative, and exact where there are fewer
samples than features, where the matrix square root that pytorch-fid takes adds a multiple of the identity.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked


class Moments(NamedTuple):
    """mean (C,) and a factor (rank, C), rank <= C, of the covariance: factor^T factor."""

    mean: np.ndarray
    factor: np.ndarray


@dataclasses.dataclass(frozen=True)
class Frechet:
    """Frechet distance of two sets of features, with an interval.

    Attributes:
      id: name of the protocol.
      minimum: samples on either side below which a result carries a warning.
      ddof: the covariance divides by N - ddof: 1 as np.cov does (pytorch-fid, DisCo, Bailando), 0 as StyleGAN-V does.
      samples: resamples of both sides for the interval; 0 for none.
      level: coverage of the interval.
      seed: of the resamples.
    """

    id: str = "frechet"
    minimum: int = 2048
    ddof: int = 1
    samples: int = 200
    level: float = 0.95
    seed: int = 0

    @typechecked
    def __call__(self, features: Float[np.ndarray, "N C"], real: Float[np.ndarray, "M C"]) -> float:
        """The distance. Raises ValueError for fewer than two rows on a side, or a row that is not finite."""
        return distance(*(moments(check(rows, side), self.ddof) for side, rows in _sides(features, real)))

    @typechecked
    def interval(
        self, features: Float[np.ndarray, "N C"], real: Float[np.ndarray, "M C"],
        groups: np.ndarray | None = None, real_groups: np.ndarray | None = None,
    ) -> tuple[float, float, float]:
        """(low, high, bias) by resampling both sides with replacement: where the figure lies for other draws of as many
        samples, and how far resampling alone lifts it.

        The distance of finite sets is biased upwards, and resampling adds that bias once more; the interval is moved
        back by it, so that it is about the figure at this number of samples. NaN where `samples` is 0.

        groups: (N,), (M,) for each row whose it is, such as the clip that a window was cut from: groups are drawn
        whole, since their rows are alike. None: every row is its own.
        """
        own = self(features, real)
        if not self.samples:
            return float("nan"), float("nan"), float("nan")
        rng, drawn = np.random.default_rng(self.seed), []
        sides = [(rows, _members(len(rows), of)) for rows, of in ((features, groups), (real, real_groups))]
        for _ in range(self.samples):
            chosen = [(rows, np.bincount(_draw(rng, members), minlength=len(rows))) for rows, members in sides]
            if min(count.sum() for _, count in chosen) > 1:
                fits = [moments(rows[count > 0], self.ddof, count[count > 0]) for rows, count in chosen]
                drawn.append(distance(*fits))
        bias = float(np.mean(drawn)) - own
        low, high = np.quantile(drawn, [(1 - self.level) / 2, (1 + self.level) / 2]) - bias
        return max(0.0, float(low)), float(high), bias

    def report(self, features: np.ndarray, real: np.ndarray) -> Result:
        """"distance", "low", "high" and "bias" (see `interval`); counts "samples" and "real"; a note below `minimum`.

        Raises ValueError as `__call__` does.
        """
        low, high, bias = self.interval(features, real)
        values = {"distance": self(features, real), "low": low, "high": high, "bias": bias}
        counts = {"samples": len(features), "real": len(real)}
        return record(self, values, counts, self.warnings(len(features), len(real)))

    def warnings(self, samples: int, real: int) -> list[str]:
        """A line for each side with fewer samples than the protocol's minimum."""
        sides = {"samples": samples, "real samples": real}
        return [
            f"{self.id}: {count} {side}, the protocol wants {self.minimum} or more; the distance is biased upwards"
            for side, count in sides.items() if count < self.minimum
        ]


def check(rows: np.ndarray, side: str) -> np.ndarray:
    """`rows` (N, C), if a Gaussian can be fitted to them. Raises ValueError that says why not."""
    if len(rows) < 2:
        raise ValueError(f"Frechet distance: {len(rows)} {side}; two or more are needed")
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        shown = ", ".join(map(str, broken[:5])) + (", ..." if len(broken) > 5 else "")
        raise ValueError(f"Frechet distance: {len(broken)} of {len(rows)} {side} are not finite (rows {shown})")
    return rows


def moments(rows: np.ndarray, ddof: int = 1, counts: np.ndarray | None = None) -> Moments:
    """Mean and a factor of the covariance of `rows` (N, C), N > ddof, in float64. counts (N,): how often each row is
    there; once if not given."""
    rows = np.asarray(rows, np.float64)
    counts = np.ones(len(rows)) if counts is None else counts
    mean = counts @ rows / counts.sum()
    centred = (rows - mean) * np.sqrt(counts / (counts.sum() - ddof))[:, None]
    return Moments(mean, np.linalg.qr(centred, mode="r") if len(rows) > rows.shape[1] else centred)


def distance(one: Moments, other: Moments) -> float:
    """Frechet distance, not below 0."""
    root = np.linalg.svd(one.factor @ other.factor.T, compute_uv=False).sum()
    apart = ((one.mean - other.mean) ** 2).sum()
    return max(0.0, float(apart + (one.factor**2).sum() + (other.factor**2).sum() - 2 * root))


def _members(count: int, groups: np.ndarray | None) -> list[np.ndarray]:
    """Rows of each group."""
    if groups is None:
        return [np.arange(count)]
    return [np.flatnonzero(groups == each) for each in np.unique(groups)]


def _draw(rng: np.random.Generator, members: list[np.ndarray]) -> np.ndarray:
    """Row numbers with replacement: single ones of one group, or groups as a whole."""
    if len(members) == 1:
        return rng.choice(members[0], size=len(members[0]))
    return np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])


def _sides(features: np.ndarray, real: np.ndarray) -> tuple[tuple[str, np.ndarray], ...]:
    return ("samples", features), ("real samples", real)


__all__ = ["Frechet", "Moments", "check", "distance", "moments"]

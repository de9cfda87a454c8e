"""Is a reconstruction stable? What encoding and decoding it a second time changes (docs/metrics.md)."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xdancer_jax.evals.pose_error import Parts, PoseL1
from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked


class Pass(NamedTuple):
    """What a tokenizer made of poses: its tokens (..., S, K) and the reconstruction (..., J, 3) from them."""

    tokens: np.ndarray
    poses: np.ndarray


@dataclasses.dataclass(frozen=True)
class SecondPass:
    """Poses -> first pass -> its reconstruction -> second pass, in record coordinates (1 is half the frame's height).

    Attributes:
      min_confidence: all distances are over the joints whose confidence in the true poses is above this.
    """

    min_confidence: float = 0.3
    id: str = "second_pass_half_height"

    @typechecked
    def __call__(
        self, poses: Float[np.ndarray, "*batch J 3"], first: Pass, second: Pass, token_parts: Sequence[str],
        parts: Parts,
    ) -> Result:
        """"PART/kept": share of the tokens that the second pass gives again, for each of the S `token_parts`.

        "PART/drift": pose L1 between the two reconstructions, "PART/error": of the first to the true poses, and
        "PART/drift_ratio" = drift / error (NaN for an error of 0), for each of `parts` (joint indices by name).
        Raises ValueError for a number of names other than S, or two passes of different shapes.
        """
        if first.tokens.shape != second.tokens.shape or first.poses.shape != second.poses.shape:
            raise ValueError(f"second pass: tokens {first.tokens.shape} became {second.tokens.shape}")
        if len(token_parts) != first.tokens.shape[-2]:
            raise ValueError(f"second pass: {len(token_parts)} part names for {first.tokens.shape[-2]} parts")
        kept = first.tokens == second.tokens
        values = {f"{name}/kept": float(kept[..., i, :].mean()) for i, name in enumerate(token_parts)}
        distance = PoseL1(self.id, (1.0, 1.0), self.min_confidence)
        seen = np.concatenate([first.poses[..., :2], poses[..., 2:]], axis=-1)  # the same joints in both distances
        drift, error = distance(second.poses, seen, parts), distance(first.poses, poses, parts)
        for name in parts:
            ratio = drift[name] / error[name] if error[name] > 0 else float("nan")
            values |= {f"{name}/drift": drift[name], f"{name}/error": error[name], f"{name}/drift_ratio": ratio}
        return record(self, values, {"poses": int(np.prod(poses.shape[:-2])), "tokens": kept.size})

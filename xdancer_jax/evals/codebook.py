"""How much of a codebook is in use: share of entries seen, and perplexity."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Int, typechecked


@dataclasses.dataclass(frozen=True)
class CodebookUse:
    """Use of each part's codebook; the K tokens of a part share one codebook and are counted together.

    Attributes:
      entries: V, the size of a codebook.
    """

    entries: int
    id: str = "codebook_use"

    @typechecked
    def __call__(self, tokens: Int[np.ndarray, "*batch S K"], parts: Sequence[str]) -> Result:
        """"PART/used" in [0, 1] and "PART/perplexity" = exp(entropy in nats) in [1, entries] for each of the S parts.

        Both are bounded by the number of tokens counted, which the result states. Raises ValueError for a token
        outside [0, entries), a number of names other than S, or no tokens at all.
        """
        if len(parts) != tokens.shape[-2]:
            raise ValueError(f"codebook use: {len(parts)} part names for {tokens.shape[-2]} parts")
        if tokens.size == 0 or tokens.min() < 0 or tokens.max() >= self.entries:
            raise ValueError(f"codebook use: tokens must be there and lie in [0, {self.entries})")
        values = {}
        for index, name in enumerate(parts):
            counts = np.bincount(tokens[..., index, :].reshape(-1), minlength=self.entries)
            share = counts[counts > 0] / counts.sum()
            values[f"{name}/used"] = len(share) / self.entries
            values[f"{name}/perplexity"] = float(np.exp(-(share * np.log(share)).sum()))
        return record(self, values, {"tokens_per_part": tokens.size // len(parts)})

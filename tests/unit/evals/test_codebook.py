import numpy as np
import pytest

from xdancer_jax.evals.codebook import CodebookUse


def test_use_and_perplexity_by_hand():
    tokens = np.zeros((4, 3, 2, 2), np.int32)  # 12 frames, 2 parts of 2 tokens
    tokens[..., 1, :] = np.arange(24).reshape(4, 3, 2) % 6
    tokens[..., 1, :][tokens[..., 1, :] >= 4] = 0  # 0 half the time, 1, 2 and 3 a sixth each
    result = CodebookUse(entries=8)(tokens, ("still", "busy"))
    assert result.values["still/used"] == 1 / 8 and result.values["still/perplexity"] == pytest.approx(1)
    assert result.values["busy/used"] == 4 / 8
    assert result.values["busy/perplexity"] == pytest.approx(2**0.5 * 6**0.5)
    assert result.counts == {"tokens_per_part": 24} and result.constants == {"entries": 8}


def test_bad_tokens_are_refused():
    tokens = np.full((1, 2, 3), 8, np.int32)
    with pytest.raises(ValueError, match=r"\[0, 8\)"):
        CodebookUse(8)(tokens, ("a", "b"))
    with pytest.raises(ValueError, match="1 part names for 2 parts"):
        CodebookUse(9)(tokens, ("a",))

"""How much work a model is: floating-point operations, a multiplication and an addition counted as two."""

from xdancer_jax.models.music_gpt import MusicGPT


def music_gpt_step(model: MusicGPT, rows: int) -> float:
    """FLOPs of one training step over `rows` examples: matrix products, forward once and backward twice.

    Those of the blocks, of the heads, and the causal half of attention (PaLM's appendix B counts the whole). Not
    counted: what is computed again, embeddings, and the tokenizer.
    """
    slots, width = model.num_positions, model.width
    block = 2 * 12 * width**2 + 2 * width * slots  # of a slot: weights; scores and mixing of values, causal
    heads = 2 * width * model.codebook_size * model.segment_frames * model.frame_tokens
    return 3.0 * rows * (slots * model.num_layers * block + heads)


__all__ = ["music_gpt_step"]

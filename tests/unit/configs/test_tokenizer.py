import pytest

from configs.tokenizer import get_config
from launch import stages


@pytest.mark.parametrize("variant, parts, tokens", [("paper", 5, 6), ("single_part", 1, 30)])
def test_the_papers_numbers(variant, parts, tokens):
    """Paper, section 3.2 and its supplement; the ablation has as many tokens a frame."""
    config = get_config(variant)
    model = stages.find("tokenizer").module(config)
    assert (model.num_joints, len(model.parts), model.tokens_per_part) == (60, parts, tokens)
    assert (model.codebook_size, model.code_dim) == (512, 6)
    assert (config.batch_size, config.steps, config.optimizer.learning_rate) == (2048, 40_000, 2e-4)
    assert config.optimizer.schedule == "constant" and config.optimizer.warmup_steps == 0


@pytest.mark.parametrize("several, single", [("paper", "single_part"), ("tiny", "tiny_single_part")])
def test_the_ablation_differs_in_nothing_else(several, single):
    """Equal tokens, codes and widths a frame: what its figures are compared at."""
    ours, theirs = get_config(several).to_dict(), get_config(single).to_dict()
    theirs["single_part"] = False
    theirs["model"]["tokens_per_part"] //= 5
    assert ours == theirs


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="unknown variant 'huge'; choose one of"):
        get_config("huge")

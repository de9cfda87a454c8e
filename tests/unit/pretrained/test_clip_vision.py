import pytest

from tests.public_weights import listed, ours, source
from xdancer_jax.pretrained.clip_vision import CLIP_VISION


def test_a_whole_clip_is_read_for_its_image_tower():
    text = {"text_model.embeddings.position_ids": (1, 77), "text_projection.weight": (768, 768), "logit_scale": (),
            "text_model.final_layer_norm.weight": (768,), "vision_model.embeddings.position_ids": (1, 257)}
    opened = source(CLIP_VISION, listed("clip_vision") | text, {"vision_config": {"num_attention_heads": 16}})
    assert len(opened.entries(ours("image_encoder"))) == 392 and opened.fields["heads"] == 16


@pytest.mark.parametrize("described", [{"hidden_act": "gelu"}, {"vision_config": {"hidden_act": "gelu"}}])
def test_another_activation_than_openais_is_refused(described):
    with pytest.raises(ValueError, match="hidden_act 'gelu', OpenAI's CLIP has 'quick_gelu'"):
        _ = source(CLIP_VISION, listed("clip_vision"), described).fields

"""Our GPT against transformers' GPT2LMHeadModel with the same weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.pretrained import table
from xdancer_jax.pretrained.gpt2 import GPT2
from xdancer_jax.train import trees

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize(("layers", "width", "heads", "scale"), [(2, 32, 4, 0.2), (3, 24, 3, 0.2), (12, 768, 12, 0.02)])
def test_logits(layers, width, heads, scale, tmp_path):
    parts, vocabulary, frames = 2, 16, 4
    model = MusicGPT(
        num_layers=layers, width=width, num_heads=heads, num_parts=parts, tokens_per_part=3, codebook_size=vocabulary,
        segment_frames=frames, context_frames=2, global_tokens=5, music_width=8, music_kernel=4, global_music=True,
        motion_context=True, dropout=0.1, remat="none",
    )
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=model.num_positions, n_embd=width, n_layer=layers, n_head=heads,
        initializer_range=scale,
    )).eval()
    theirs.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    tokens, context = (jnp.asarray(rng.integers(0, vocabulary, (2, n, parts, 3)), jnp.int32) for n in (frames, 2))
    index = jnp.asarray([[0, 3], [1, 2]], jnp.int32)
    music, song = (jnp.asarray(rng.normal(size=(2, n, 7)), jnp.float32) for n in (8, 5))
    inputs = (tokens, context, index, music, song)
    params = nn.unbox(jax.jit(model.init)(jax.random.key(0), *inputs))["params"]
    own, place = trees.by_path(params), jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = {f"params/gpt/{path}": jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place) for path, x in own.items()}
    source = table.opened(GPT2, tmp_path)
    assert source.fields == {"num_layers": layers, "width": width, "num_heads": heads}
    arrays = {path.removeprefix("params/gpt/"): array for path, array in source.read(wanted).items()}
    assert arrays.keys() < own.keys()
    word_table = theirs.transformer.wte.weight.detach().numpy()  # tied to the output: here the head of both parts
    params = trees.nested(own | arrays | {"heads": np.repeat(word_table.T[None], parts, axis=0)})
    ours = jax.jit(model.apply)({"params": params}, *inputs)

    def slots(module, tokens, context, index, music, song):
        table, added = module.embed(music)
        context_music = jnp.take_along_axis(added, index[:, :, None], axis=1)
        return module.slots(table, tokens, context, context_music, song, added[:, -frames:]) - module.wpe

    embeddings = np.array(model.apply({"params": params}, *inputs, method=slots))
    with torch.no_grad():
        logits = theirs(inputs_embeds=torch.from_numpy(embeddings)).logits.numpy()
    wanted = logits[:, model.prefix - 1 : -1].reshape(ours.shape)
    np.testing.assert_allclose(ours, wanted, atol=1e-4, rtol=0)
    assert np.abs(wanted).max() > 0.1

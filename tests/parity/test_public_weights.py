"""A set of Moore's layout, made by the reference libraries, read from its files: our networks' answers are theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.converting import exporting, importing
from launch.runs import loading

torch = pytest.importorskip("torch", reason="parity needs torch, diffusers and transformers")
pytest.importorskip("diffusers", reason="parity needs torch, diffusers and transformers")

from tests.parity import moore_set  # noqa: E402 - it needs torch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(their modules by part, our run, folder of the set)."""
    root = tmp_path_factory.mktemp("moore")
    theirs = moore_set.write(root / "set")
    importing.convert("moore", str(root / "set"), str(root / "video"))
    return theirs, loading.load(root / "video", "video"), root


def _random(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def _close(ours, theirs):
    theirs = theirs.detach().numpy()
    error = np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()
    print(f"error {error:.2e}")
    assert error < 1e-4


def _torch(x):
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def test_the_u_net_answers_as_theirs(made):
    theirs, run, _ = made
    latents, context = _random(2, 8, 6, 4), _random(2, 1, moore_set.CONTEXT)
    inputs = jnp.asarray(latents)[:, None], jnp.array([3, 801]), jnp.asarray(context)
    module = run.modules["unet"].clone(temporal=False)
    ours = jax.jit(module.apply)({"params": run.params["unet"]}, *inputs)
    with torch.no_grad():
        want = theirs["unet"](_torch(latents), torch.tensor([3, 801]), torch.from_numpy(context)).sample
    _close(ours[:, 0], want.permute(0, 2, 3, 1))


def test_the_autoencoder_and_the_image_encoder_answer_as_theirs(made):
    theirs, run, _ = made
    images, pixels = _random(1, 16, 24, 3), _random(2, 28, 28, 3)
    mean, _ = run.modules["autoencoder"].apply(
        {"params": run.params["autoencoder"]}, jnp.asarray(images), method="encode"
    )
    with torch.no_grad():
        posterior = theirs["autoencoder"].encode(_torch(images)).latent_dist
        embedding = theirs["image_encoder"](_torch(pixels)).image_embeds
    _close(mean, posterior.mean.permute(0, 2, 3, 1))
    np.testing.assert_allclose(run.extra["autoencoder"]["latents"]["std"], 1 / 0.18215, rtol=1e-6)
    ours = run.modules["image_encoder"].apply({"params": run.params["image_encoder"]}, jnp.asarray(pixels))
    _close(ours[:, 0], embedding)


def test_the_pose_guider_answers_as_theirs(made):
    theirs, run, _ = made
    drawn = _random(2, 16, 24, 3)
    ours = run.modules["pose"].apply({"params": run.params["pose"]}, jnp.asarray(drawn)[None])[0][0]
    _close(ours, theirs["pose"](_torch(drawn)).permute(0, 2, 3, 1))


def test_torch_files_come_back_bit_for_bit(made):
    """And diffusers and transformers load what is exported."""
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file, load_model
    from transformers import CLIPVisionModelWithProjection

    theirs, run, root = made
    exporting.export("moore", str(run.workdir), str(root / "back"), "float32")
    for file, part in (("denoising_unet", "unet"), ("reference_unet", "reference_net"), ("pose_guider", "pose"),
                       ("motion_module", "motion_modules")):
        before, after = torch.load(root / "set" / f"{file}.pth"), load_file(root / "back" / f"{file}.safetensors")
        assert after and all(torch.equal(before[name], value) for name, value in after.items()), part
        lost = {name.rsplit(".", 1)[-1] if name.endswith(".pe") else name.split(".transformer_blocks")[0]
                for name in before.keys() - after.keys()}
        tail = {"up_blocks.1.attentions.1", "up_blocks.1.attentions.1.proj_out.weight",
                "up_blocks.1.attentions.1.proj_out.bias"}
        assert lost == {"reference_net": tail, "motion_modules": {"pe"}}.get(part, set())
    load_model(moore_set.unet(), root / "back" / "denoising_unet.safetensors", strict=True)
    for folder, kind, part in (("sd-vae-ft-mse", AutoencoderKL, "autoencoder"),
                               ("image_encoder", CLIPVisionModelWithProjection, "image_encoder")):
        (root / "back" / folder / "config.json").write_text((root / "set" / folder / "config.json").read_text())
        again = kind.from_pretrained(root / "back" / folder).state_dict()
        assert all(torch.equal(again[name], value) for name, value in theirs[part].state_dict().items())

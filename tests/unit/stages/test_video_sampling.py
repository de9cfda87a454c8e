"""Generation against its formulas, written out in numpy, over networks that are formulas themselves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.measures import long_video
from xdancer_jax import rng as streams
from xdancer_jax.diffusion import samplers
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.stages import video_sampling
from xdancer_jax.stages.video_networks import Condition, Networks

SCHEDULE = NoiseSchedule(zero_terminal_snr=True)
SAMPLER = video_sampling.Sampler(num_steps=3, guidance=2.5, window=3, overlap=1, decode_chunk=2)
CELLS = 2  # in height and width; a picture has twice as many pixels


class Codec(AutoencoderKL):
    """Means of 2 x 2 pixels are the latents."""

    def apply(self, variables, x, method):
        scale = variables["params"]["scale"]
        if method == "decode":
            return scale * jnp.repeat(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2), 3, axis=3)
        mean = x.reshape(len(x), CELLS, 2, CELLS, 2, 3).mean((2, 4, 5))[..., None]
        return mean, jnp.zeros_like(mean)


class Formulas(Networks):
    """Answers that depend on all inputs and on each frame's place in its window."""

    def look(self, params, images):
        return images.astype(jnp.float32).mean((1, 2, 3))[:, None, None] / 255

    def condition(self, params, token, latents):
        return Condition(token, (latents,), None)

    def residuals(self, params, extra, batch, cells):
        assert cells == (CELLS, CELLS)
        value = batch["poses"][..., 0, 0] + batch["tokens"][..., 0, 0]
        value = jnp.broadcast_to(value[..., None, None, None], (*value.shape, *cells, 1))
        return (params["pose"]["gain"] * value, None)

    def denoise(self, params, noisy, timesteps, condition, residuals, *, keep):
        place = jnp.arange(1.0, noisy.shape[1] + 1)[:, None, None, None]
        seen = (condition.token[..., None, None] + condition.features[0][:, None])
        seen = seen if keep is None else jnp.where(keep[:, None, None, None, None], seen, 0)
        noise = noisy * params["unet"]["gain"] + 0.2 * noisy.mean(1, keepdims=True)
        return noise + place * residuals[0] + seen + timesteps[:, None, None, None, None] / 1000


FORMULAS = Formulas(autoencoder=Codec(), unet=None, reference_net=None, image_encoder=None)
PARAMS = jax.tree.map(jnp.float32, {"autoencoder": {"scale": 0.1}, "unet": {"gain": 0.5}, "pose": {"gain": 0.2}})
EXTRA = {"autoencoder": {"latents": {"mean": jnp.full(1, 0.1), "std": jnp.full(1, 0.7)}}}


def clip(frames, photo=0):
    rng = np.random.default_rng(frames)
    return {
        "reference": np.random.default_rng(photo).integers(0, 256, (4, 4, 3), dtype=np.uint8),
        "poses": rng.random((frames, 60, 3), dtype=np.float32),
        "tokens": rng.integers(0, 4, (frames, 5, 1)).astype(np.int32),
    }


def make(networks=FORMULAS, **changes):
    sampler = dataclasses.replace(SAMPLER, **changes)
    return video_sampling.make_generate(networks, SCHEDULE, "v_prediction", sampler)


@pytest.fixture(scope="module")
def generate():
    return make()


def written_out(
    seed, given, *, guidance=SAMPLER.guidance, steps=SAMPLER.num_steps, eta=0.0, weights=(1, 1, 1), shifts=None,
    second_order=False,
):
    """Frames of a clip, window by window and step by step, float64."""
    frames = max(len(given["poses"]), 3)
    photo = given["reference"].astype(np.float64)
    latent = ((photo / 127.5 - 1).reshape(CELLS, 2, CELLS, 2, 3).mean((1, 3, 4))[..., None] - 0.1) / 0.7
    seen = photo.mean() / 255 + latent
    control = 0.2 * (given["poses"][:, 0, 0] + given["tokens"][:, 0, 0])
    control = np.pad(control, (0, frames - len(control)), mode="edge")[:, None, None, None]
    place = np.arange(1, 4)[:, None, None, None]
    weights, before = np.asarray(weights, np.float64)[:, None, None, None], None
    noisy = jax.random.normal(streams.stream(jax.random.key(seed), "noise"), (frames, CELLS, CELLS, 1))
    noisy, plan = np.asarray(noisy, np.float64), samplers.plan(SCHEDULE, steps, "trailing")
    alphas = [*plan.alphas_bar.astype(float), 1.0]
    if second_order:
        alphas[0] = 2.0**-24  # as good as pure noise, with a finite logarithm
    for step, (t, alpha, after) in enumerate(zip(plan.timesteps, alphas[:-1], alphas[1:], strict=True)):
        total, count = np.zeros_like(noisy), np.zeros((frames, 1, 1, 1))
        first = range(-(shifts[step] if shifts else 0), frames, 2)
        for start in sorted({min(max(start, 0), frames - 3) for start in first}):
            window = slice(start, start + 3)
            blind = 0.5 * noisy[window] + 0.2 * noisy[window].mean(0) + place * control[window] + t / 1000
            total[window] += weights * (blind + guidance * seen)
            count[window] += weights
        output = total / count
        clean = alpha**0.5 * noisy - (1 - alpha) ** 0.5 * output
        if second_order and 0 < step < steps - 1:  # x_0 on the line through this one and the last, over log SNR
            logs = [0.5 * np.log(a / max(1 - a, 1e-9)) for a in alphas[step - 1 : step + 2]]
            clean, before = clean + (logs[2] - logs[1]) / (logs[1] - logs[0]) / 2 * (clean - before), clean
        else:
            before = clean
        noise = (noisy - alpha**0.5 * clean) / (1 - alpha) ** 0.5
        sigma = eta * ((1 - after) / (1 - alpha) * (1 - alpha / after)) ** 0.5  # DDIM eq. 16
        fresh = jax.random.normal(streams.at_step(jax.random.key(seed), "ddim", step), noisy.shape)
        noisy = after**0.5 * clean + (1 - after - sigma**2) ** 0.5 * noise + sigma * np.asarray(fresh, np.float64)
    pictures = 0.1 * (0.7 * noisy + 0.1) / 2 + 0.5
    assert pictures.min() > 0.01 and pictures.max() < 0.99 and pictures.std() > 0.02  # nothing is clipped
    return np.broadcast_to(pictures.repeat(2, axis=1).repeat(2, axis=2), (frames, 4, 4, 3))[: len(given["poses"])]


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 8, 9])  # windows: 1, 1, 2, 2, 4, 4
def test_clips_of_all_lengths_are_what_the_formulas_say(generate, frames):
    found = generate(PARAMS, EXTRA, jax.random.key(7), **clip(frames))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, written_out(7, clip(frames)), atol=1e-5)


@pytest.mark.parametrize("changes", [{"guidance": 1.0}, {"guidance": 4.0}, {"num_steps": 5}], ids=str)
def test_guidance_and_steps_are_those_asked_for(changes):
    found = make(**changes)(PARAMS, EXTRA, jax.random.key(7), **clip(8))
    names = {"guidance": "guidance", "num_steps": "steps"}
    wanted = written_out(7, clip(8), **{names[name]: value for name, value in changes.items()})
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_another_photo_or_seed_makes_another_clip(generate):
    for seed, photo in ((7, 1), (8, 0)):
        found = generate(PARAMS, EXTRA, jax.random.key(seed), **clip(8, photo))
        np.testing.assert_allclose(found, written_out(seed, clip(8, photo)), atol=1e-5)
        assert np.abs(found - written_out(7, clip(8))).max() > 0.01


def test_eta_adds_fresh_noise_at_every_step():
    found = make(eta=0.6)(PARAMS, EXTRA, jax.random.key(7), **clip(8))
    np.testing.assert_allclose(found, written_out(7, clip(8), eta=0.6), atol=1e-5)
    assert np.abs(found - written_out(7, clip(8))).max() > 0.01


def test_solver_weights_and_shifts_are_those_asked_for():
    given = clip(8)
    for changes, wanted in (
        ({"solver": "dpmsolver++", "num_steps": 5}, {"steps": 5, "second_order": True}),
        ({"weights": "ramp"}, {"weights": (0.5, 1, 0.5)}),
        ({"shift": True, "windows_at_once": 2}, {"shifts": (0, 1, 0)}),
    ):
        found = make(**changes)(PARAMS, EXTRA, jax.random.key(7), **given)
        np.testing.assert_allclose(found, written_out(7, given, **wanted), atol=1e-5, err_msg=str(changes))
        assert np.abs(found - written_out(7, given)).max() > 1e-3, changes


class Windowed(Formulas):
    """Its answer is the pose's, and off by a number of the window's own: so windows disagree where they meet."""

    def denoise(self, params, noisy, timesteps, condition, residuals, *, keep):
        off = 0.45 * jnp.sin(50 * noisy.mean(axis=(1, 2, 3), keepdims=True))
        return jnp.broadcast_to(20 * residuals[0] + off, noisy.shape)


def test_a_minute_has_no_seams_with_ramps_and_shifts():
    """A minute at 30 fps whose poses move by the same amount every frame. Where windows begin or end frames differ as
    elsewhere; by a plain average they differ by more."""
    poses = np.zeros((1800, 60, 3), np.float32)
    poses[:, 0, 0] = np.abs((np.arange(1800) / 30) % 2 - 1)
    given = {"reference": np.zeros((4, 4, 3), np.uint8), "poses": poses, "tokens": np.zeros((1800, 5, 1), np.int32)}
    networks, ratios = Windowed(FORMULAS.autoencoder, None, None, None), {}
    for changes in ({}, {"weights": "ramp", "shift": True}):
        sampler = video_sampling.Sampler(num_steps=2, guidance=1.0, windows_at_once=10, decode_chunk=100, **changes)
        frames = video_sampling.make_generate(networks, SCHEDULE, "sample", sampler).stream(
            PARAMS, EXTRA, jax.random.key(0), **given
        )
        ratios[sampler.weights] = long_video.seam_ratio((x for chunk in frames for x in chunk), 1800, sampler)
    assert ratios["ramp"] < 1.05 and ratios["uniform"] > 1.3, ratios


def test_a_clip_is_streamed_in_chunks(generate):
    chunks = list(generate.stream(PARAMS, EXTRA, jax.random.key(7), **clip(9)))
    assert [len(chunk) for chunk in chunks] == [2, 2, 2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), generate(PARAMS, EXTRA, jax.random.key(7), **clip(9)))


def test_every_length_shares_the_programs_of_the_networks(generate):
    for frames in (3, 8, 5, 17):
        generate(PARAMS, EXTRA, jax.random.key(0), **clip(frames))
    programs = (generate._reference, generate._residuals, generate._predict, generate._decode)
    assert [program._cache_size() for program in programs] == [1] * 4


@pytest.mark.parametrize(("kept", "calls"), [(32, 4), (2, 2 + 3 * 2), (0, 3 * 4)])
def test_pose_features_are_made_once_a_clip_as_far_as_they_are_kept(kept, calls, monkeypatch):
    generate, made = make(kept_windows=kept), []
    compute = generate._residuals
    monkeypatch.setattr(generate, "_residuals", lambda *args: made.append(args) or compute(*args))
    found = generate(PARAMS, EXTRA, jax.random.key(7), **clip(8))  # 4 windows, 3 steps
    assert len(made) == calls
    np.testing.assert_allclose(found, written_out(7, clip(8)), atol=1e-5)


def test_progress_counts_windows_of_all_steps(generate):
    calls = []
    generate(PARAMS, EXTRA, jax.random.key(7), **clip(8), progress=lambda *counts: calls.append(counts))
    assert calls == [(i + 1, 12) for i in range(12)]


def test_what_is_sent_does_not_depend_on_the_number_of_steps(monkeypatch):
    sent, put = [], jax.device_put
    monkeypatch.setattr(jax, "device_put", lambda tree, *args: sent.append(tree) or put(tree, *args))
    sizes = []
    for steps in (2, 6):
        generate = make(num_steps=steps)
        sent.clear()
        with jax.transfer_guard("disallow"):
            generate(PARAMS, EXTRA, put(jax.random.wrap_key_data(put(np.zeros(2, np.uint32)))), **clip(8))
        sizes.append(len(sent))
    assert sizes[0] == sizes[1] > 0


def test_weights_that_lie_on_no_device_are_refused_and_not_sent_again_and_again(generate):
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        generate(jax.tree.map(np.asarray, PARAMS), EXTRA, jax.random.key(0), **clip(8))

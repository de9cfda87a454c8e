import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.toy_stage import optimizer
from xdancer_jax.train import optim
from xdancer_jax.train.parts import Part


@pytest.mark.parametrize("kind, step, expected", [
    ("constant", 0, 0.0), ("constant", 5, 0.5), ("constant", 10, 1.0), ("constant", 99, 1.0),
    ("cosine", 5, 0.5), ("cosine", 10, 1.0), ("cosine", 60, 0.5), ("cosine", 110, 0.0),
])
def test_schedule_values(kind, step, expected):
    assert float(optim.make_schedule(kind, 1.0, 110, 10)(step)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["constant", "cosine"])
def test_without_warmup_the_first_step_has_the_full_rate(kind):
    assert float(optim.make_schedule(kind, 0.3, 10, 0)(0)) == pytest.approx(0.3)


def test_bad_schedules_raise():
    with pytest.raises(ValueError, match="schedule is 'linear'"):
        optim.make_schedule("linear", 1.0, 10, 0)
    with pytest.raises(ValueError, match="warmup_steps 10 must be below steps 10"):
        optim.make_schedule("cosine", 1.0, 10, 10)


def test_first_step_is_adamw_by_hand_and_vectors_do_not_decay():
    params = {"dense": {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.full((2,), 3.0)},
              "stacked": {"bias": jnp.full((4, 2), 3.0), "scale": jnp.full((4, 2), 3.0)}}
    grads = jax.tree.map(lambda x: jnp.full_like(x, 0.5), params)
    transform = optimizer(learning_rate=0.1, weight_decay=0.2, clip_norm=0.0, eps=1e-12).transform
    updates, _ = transform.update(grads, transform.init(params), params)
    # Adam's first update is the gradient's sign.
    np.testing.assert_allclose(updates["dense"]["kernel"], 1 + 0.2 * 3.0, rtol=1e-5)
    for leaf in (updates["dense"]["bias"], updates["stacked"]["bias"], updates["stacked"]["scale"]):
        np.testing.assert_allclose(leaf, 1.0, rtol=1e-5)


def test_clipping_bounds_the_global_norm():
    params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
    transform = optimizer(clip_norm=1.0).transform
    _, state = transform.update({"a": jnp.full(1, 30.0), "b": jnp.full(1, 40.0)}, transform.init(params), params)
    np.testing.assert_allclose(state[1].mu["a"], 0.1 * 30 / 50, rtol=1e-6)


def test_mask_and_its_errors():
    params = {"unet": {"motion": {"w": 0}, "conv": {"w": 0}}, "guider": {"w": 0}, "clip": {"motion": 0}}
    mask = optim.trainable_mask(params, fates(unet=("^motion",), guider=(".*",), clip=()))
    assert mask == {
        "unet": {"motion": {"w": True}, "conv": {"w": False}}, "guider": {"w": True}, "clip": {"motion": False}
    }
    with pytest.raises(ValueError, match="parts.unet.trainable: 'motoin' matches no parameter of the part"):
        optim.trainable_mask(params, fates(unet=("motion", "motoin"), guider=(), clip=()))
    with pytest.raises(ValueError, match="every part is frozen"):
        optim.trainable_mask(params, fates(unet=(), guider=(), clip=()))


def fates(**trainable):
    return {name: Part(regexes) for name, regexes in trainable.items()}


def test_each_part_has_its_own_rate():
    params = {"a": {"w": jnp.ones(2)}, "b": {"w": jnp.ones(2)}, "c": {"w": None}}
    grads = jax.tree.map(jnp.ones_like, params)
    transform = optimizer(learning_rate=0.1, weight_decay=0.0, factors={"b": 0.5, "c": 2.0}).transform
    updates, _ = transform.update(grads, transform.init(params), params)
    np.testing.assert_allclose(updates["b"]["w"], 0.5 * updates["a"]["w"], rtol=1e-6)
    np.testing.assert_allclose(updates["a"]["w"], 1.0, rtol=1e-5)


def test_overview_counts_trainable_and_frozen():
    params = {"unet": {"w": jnp.zeros((3, 4)), "b": jnp.zeros(4)}}
    text = optim.overview(params, {"unet": {"w": True, "b": False}})
    assert text.splitlines()[-1].split() == ["total", "12", "4"]


def test_a_broken_regex_is_named():
    with pytest.raises(ValueError, match=r"parts.a.trainable: '\(' is no regular expression"):
        optim.trainable_mask({"a": {"w": jnp.ones(2)}}, fates(a=("(",)))

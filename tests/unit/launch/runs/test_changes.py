import pytest

from configs import autoencoder, motion, tokenizer, video
from launch.runs import changes


def changed(**fields):
    before, now = tokenizer.get_config("paper"), tokenizer.get_config("paper")
    now.update_from_flattened_dict({name.replace("__", "."): value for name, value in fields.items()})
    return changes.of_config(before, now)


@pytest.mark.parametrize("field, value", [
    ("seed", 1), ("batch_size", 64), ("optimizer.learning_rate", 1e-5), ("ema_decay", 0.5), ("dtype", "bfloat16"),
    ("model.kernel", 5), ("loss.commitment_weight", 1.0), ("data.share", 0.5), ("data.train_split", "test"),
    ("parts.tokenizer.trainable", ("decoder",)), ("parts.tokenizer.learning_rate", 0.5), ("optimizer.b1", 0.5),
    ("parts.tokenizer.source", "run:elsewhere"),  # from random
])
def test_what_changes_the_result_is_found(field, value):
    before = tokenizer.get_config("paper")
    now = tokenizer.get_config("paper")
    now.update_from_flattened_dict({field: value})
    assert changes.of_config(before, now) == {field: (_get(before, field), value)}


def _get(config, field):
    for name in field.split("."):
        config = config[name]
    return config


def test_what_does_not_is_free():
    assert changed(
        log_every=1, eval_every=1, eval_batches=1, samples=0, checkpoint__every=1, checkpoint__keep=9, mesh__fsdp=8,
        sharding="fsdp", data__dir="elsewhere", data__workers=4, start="moved",
    ) == {}
    before, now = motion.get_config("tiny"), motion.get_config("tiny")
    before.parts.tokenizer.source, now.parts.tokenizer.source = "run:here", "start"
    assert changes.of_config(before, now) == {}


@pytest.mark.parametrize("before", [
    tokenizer.get_config(), motion.get_config(), autoencoder.get_config(), video.get_config()
], ids=lambda config: config.name)
def test_what_the_backward_pass_keeps_is_free_in_every_stage(before):
    now = before.copy_and_resolve_references()
    (now.model.unet if now.name == "video" else now.model).remat = "offload"
    assert changes.flat(before) != changes.flat(now) and changes.of_config(before, now) == {}


def test_steps_are_free_under_a_constant_schedule():
    assert changed(steps=9) == {}
    assert changed(steps=9, optimizer__schedule="cosine").keys() == {"steps", "optimizer.schedule"}


def test_digests_are_compared_where_they_are_known():
    before = {"a": "1", "b": "2"}
    assert changes.of_facts(before, {"a": "1", "b": "3"}) == {"b": ("2", "3")}
    assert changes.of_facts(before, {"b": "", "c": "4"}) == {"c": ("", "4")}


def test_all_changes_are_told_with_the_way_out():
    with pytest.raises(ValueError) as error:
        changes.check("w", {"seed": (0, 1), "steps": (2, 3)}, ["steps"])
    assert str(error.value) == (
        "w: the run was begun with other settings: seed: 0 before, 1 now; give those, or another --workdir, or let it "
        "go on with the new ones by --allow_change=seed"
    )
    with pytest.raises(ValueError, match="phase: 'motion' before, 'appearance' now; give those, or another --workdir$"):
        changes.check("w", {"phase": ("motion", "appearance")}, ["phase"])
    changes.check("w", {"seed": (0, 1)}, ["seed"])
    changes.check("w", {}, [])
    with pytest.raises(ValueError, match="--allow_change=sede: nothing of that name has changed; changed: .'seed'."):
        changes.check("w", {"seed": (0, 1)}, ["seed", "sede"])

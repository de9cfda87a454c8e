import jax

from tests import toy_stage
from tests.toy_stage import BATCH, FEATURES, WIDTH
from xdancer_jax import sharding
from xdancer_jax.train.model_flops import model_flops
from xdancer_jax.train.state import plan_state

MESH = {"data": 1, "fsdp": 1, "tensor": 1}


def _flops(**fates):
    mesh, rules = sharding.make_mesh(MESH, jax.devices()[:1]), toy_stage.tables.TABLES["data"]
    batch = sharding.put_batch(next(toy_stage.batches(0)), mesh, rules)
    stage = toy_stage.make()
    plan = plan_state(
        stage, toy_stage.optimizer(), toy_stage.parts(**fates), batch, seed=0, ema=False, mesh=mesh, rules=rules
    )
    return model_flops(stage, plan.abstract, batch, mesh, rules)


def test_frozen_layers_and_what_lies_below_them_have_no_gradient():
    backbone, encoder, decoder, teacher = (
        2 * BATCH * inputs * outputs
        for inputs, outputs in ((FEATURES, WIDTH), (WIDTH, WIDTH), (WIDTH, FEATURES), (FEATURES, FEATURES))
    )
    forward = backbone + encoder + decoder + teacher
    assert _flops(trainable=("decoder",)) == forward + decoder
    assert _flops(trainable=("encoder", "decoder")) == forward + 2 * decoder + encoder
    assert _flops(trainable=(".*",)) == forward + 2 * decoder + 2 * encoder + backbone

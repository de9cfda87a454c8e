import jax
import numpy as np

from configs.sharding import TABLES
from xdancer_jax import sharding


def test_a_batch_lies_split_along_its_examples_with_the_values_it_had():
    mesh, rows = sharding.make_mesh({"data": 2, "fsdp": 2, "tensor": 2}), np.arange(16.0, dtype=np.float32)
    batch = {"x": np.stack([rows, -rows], axis=1), "index": np.arange(16, dtype=np.int32)}
    put = sharding.put_batch(batch, mesh, TABLES["fsdp_tensor"])
    assert put.keys() == batch.keys()
    for name, array in put.items():
        assert array.sharding.is_equivalent_to(
            sharding.batch_sharding(mesh, TABLES["fsdp_tensor"], 16), array.ndim
        )
        assert {shard.data.shape[0] for shard in array.addressable_shards} == {4} and array.dtype == batch[name].dtype
        np.testing.assert_array_equal(jax.device_get(array), batch[name])

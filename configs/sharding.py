"""Sharding tables: logical axis name -> mesh axis, several of them (split over their product), or None (whole).

Models know only the logical names (xdancer_jax/axes.py); this file alone says where they lie. In one array each
mesh axis is used once, by the first dimension that asks for it.
"""

# Every device holds all parameters; the batch is split. dcn_data (slices) splits nothing else in any table: only
# gradients cross the slow network between slices.
data = (
    ("batch", ("dcn_data", "data", "fsdp")),
    ("frames", None),
    ("embed", None),
    ("heads", None),
    ("mlp", None),
    ("vocab", None),
    ("conv_in", None),
    ("conv_out", None),
    ("layers", None),
)

# Parameters, moments and EMA are split along one dimension over fsdp and gathered where they are used.
fsdp = (
    ("batch", ("dcn_data", "data", "fsdp")),
    ("frames", None),
    ("embed", "fsdp"),
    ("heads", None),
    ("mlp", None),
    ("vocab", None),
    ("conv_in", None),
    ("conv_out", "fsdp"),
    ("layers", None),
)

# As fsdp, with heads, hidden widths and vocabularies split over tensor as well.
fsdp_tensor = (
    ("batch", ("dcn_data", "data", "fsdp")),
    ("frames", None),
    ("embed", "fsdp"),
    ("heads", "tensor"),
    ("mlp", "tensor"),
    ("vocab", "tensor"),
    ("conv_in", "tensor"),
    ("conv_out", "fsdp"),
    ("layers", None),
)

# As fsdp, with the frames of a clip split over tensor: for more devices than clips. One clip for each of data x fsdp is
# best; the ReferenceNet, of one picture a clip, runs on each device along tensor.
fsdp_frames = (
    ("batch", ("dcn_data", "data", "fsdp")),
    ("frames", "tensor"),
    ("embed", "fsdp"),
    ("heads", None),
    ("mlp", None),
    ("vocab", None),
    ("conv_in", None),
    ("conv_out", "fsdp"),
    ("layers", None),
)

TABLES = {"data": data, "fsdp": fsdp, "fsdp_tensor": fsdp_tensor, "fsdp_frames": fsdp_frames}

from tests import command_line

state_bytes = command_line.imported("benchmarks.state_bytes")


def test_figures_add_up():
    """Frozen weights once and in bfloat16; of the others three copies and a share on each device."""
    found = state_bytes.figures("motion:tiny")
    trained, still = found["parameters"]["gpt"]["trainable"], found["parameters"]["tokenizer"]["frozen"]
    assert found["parameters"] == {
        "gpt": {"trainable": trained, "frozen": 0}, "tokenizer": {"trainable": 0, "frozen": still}
    }
    codebook = 4 * 5 * 256 * (6 + 6 + 1)  # codes, sums, counts
    assert found["written_once_bytes"] == 4 * still  # the tokenizer's are float32: its tokens are data
    others = found["checkpoint_bytes"] - 3 * 4 * trained - codebook
    assert 0 < others < 64  # steps and a key
    everything = found["checkpoint_bytes"] + found["written_once_bytes"]
    assert found["device_bytes"]["data"] == everything
    assert everything / 16 < found["device_bytes"]["fsdp"] < 0.7 * everything


def test_frozen_parts_are_held_in_bfloat16_and_have_no_moments():
    found = state_bytes.figures("video:tiny_motion", ("fsdp",))
    trained = {name: counts["trainable"] for name, counts in found["parameters"].items() if counts["trainable"]}
    still = {name: counts["frozen"] for name, counts in found["parameters"].items() if counts["frozen"]}
    assert set(trained) == {"motion_modules", "pose"} and not trained.keys() & still.keys()
    tokenizer = still.pop("tokenizer")
    assert found["written_once_bytes"] == 4 * tokenizer + 2 * sum(still.values())
    extra = 4 * (5 * 256 * (6 + 6 + 1) + 2 * 16)  # codes, sums, counts; moments of the latents
    assert 0 < found["checkpoint_bytes"] - 4 * 4 * sum(trained.values()) - extra < 64  # Adam's moments, and EMA

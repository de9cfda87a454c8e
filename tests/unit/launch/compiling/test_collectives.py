"""What is read of lines that XLA writes: kinds, shapes, groups in each of its forms, and what a ring sends for them."""

import pytest

from launch.compiling.collectives import Collective, collectives, shapes

LINE = '  %x.1 = {result} {kind}(%param.1), channel_id=3, replica_groups={groups}, metadata={{op_name="jit(f)/dot"}}'


def read(result="f32[8,4]{1,0}", kind="all-reduce", groups="[2,4]<=[8]"):
    return collectives(LINE.format(result=result, kind=kind, groups=groups))


@pytest.mark.parametrize(("groups", "group"), [
    ("[4,2]<=[8]", (0, 1)), ("[2,4]<=[4,2]T(1,0)", (0, 2, 4, 6)), ("{{0,1,2},{3,4,5}}", (0, 1, 2)),
    ("mesh['axis_0'=8] {'axis_0'}", (0, 1, 2, 3, 4, 5, 6, 7)),
    ("mesh['axis_0'=2,'axis_1'=4], device_ids=([2,2,2]T(1,0,2)) {'axis_0'}", (0, 4)),
    ("mesh['a'=2,'b'=2,'c'=2] {'a', 'c'}", (0, 1, 4, 5)), ("something else", ()),
])
def test_the_group_of_a_collective_is_read_in_every_form(groups, group):
    assert read(groups=groups) == [Collective("all-reduce", (8, 4), "jit(f)/dot", 4, len(group), group)]


@pytest.mark.parametrize(("groups", "axes"), [
    ("[4,2]<=[8]", ("tensor",)), ("[2,4]<=[4,2]T(1,0)", ("data", "fsdp")), ("[1,8]<=[8]", ("data", "fsdp", "tensor")),
    ("[4,2]<=[2,2,2]T(0,2,1)", ("fsdp",)), ("{{0,4},{1,5}}", ("data",)), ("something else", ()),
])
def test_the_axes_of_a_mesh_that_it_reaches_over(groups, axes):
    assert read(groups=groups)[0].axes({"data": 2, "fsdp": 2, "tensor": 2}) == axes


def test_a_permutation_has_pairs():
    line = "%x = f32[4] collective-permute(%y), channel_id=1, source_target_pairs={{3,3},{0,2},{1,3}}"
    (found,) = collectives(line)
    assert found.group == (0, 2) and found.axes({"data": 2, "tensor": 2}) == ("data",)
    assert found.bytes_sent == 16


def test_each_array_of_a_result_counts_with_its_dtype():
    found = read("(bf16[3]{0}, pred[2,2]{1,0}, /*index=2*/u8[], f32[])", "all-to-all")
    assert [(each.shape, each.itemsize) for each in found] == [((3,), 2), ((2, 2), 1), ((), 1), ((), 4)]
    assert shapes("f8e4m3fn[2,3] s32[]") == [(2, 3), ()]


def test_a_ring_sends_an_all_reduce_as_a_reduce_scatter_and_an_all_gather():
    whole, share = 8 * 4 * 4, 2 * 4 * 4
    sent = {
        kind: read(result, kind)[0].bytes_sent for kind, result in (
            ("all-reduce", "f32[8,4]"), ("all-gather", "f32[8,4]"), ("reduce-scatter", "f32[2,4]"),
            ("collective-permute", "f32[2,4]"),
        )
    }
    assert sent["all-gather"] == sent["reduce-scatter"] == whole * 3 / 4
    assert sent["all-reduce"] == sent["all-gather"] + sent["reduce-scatter"]
    assert sent["collective-permute"] == share


def test_a_group_that_cannot_be_read_is_no_zero():
    with pytest.raises(ValueError, match="names no group of devices"):
        _ = read(groups="something else")[0].bytes_sent

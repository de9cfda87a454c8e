import importlib

import pytest
from ml_collections import ConfigDict

from configs import ranges
from launch import stages
from launch.shell import fields

VARIANTS = [
    (name, variant) for name in stages.names() for variant in importlib.import_module(f"configs.{name}").VARIANTS
]

SOURCE = '''
def get_config():
    config = make()
    config.late = 1  # its own, \\
    config.pair, config.other = 1, 2  # of both
    # Above it,
    # in two lines.
    config.above = 3
    config.bare = 4
    config.block = ConfigDict({  # of the block
        "one": 1,
        "two": 2,  # behind it
        "deep": {  # further down
            "leaf": "#",
        },
    })
    if config.bare:
        config.late = 5  # a later one
    adapt(config.block)
    return config



def make():
    made = ConfigDict()
    made.zero = 0  # made elsewhere
    return made


def adapt(block):
    block.added = 6  # by a function that takes the block
'''


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.py"
    path.write_text(SOURCE.replace("\\", ""))
    return path


def test_comments_beside_and_above_belong_to_their_fields_in_the_files_order(source):
    assert fields.comments(source) == {
        ("zero",): "made elsewhere", ("late",): "its own, ", ("pair",): "of both", ("other",): "of both",
        ("above",): "Above it, in two lines.", ("bare",): "", ("block",): "of the block", ("block", "one"): "",
        ("block", "two"): "behind it", ("block", "deep"): "further down", ("block", "deep", "leaf"): "",
        ("block", "added"): "by a function that takes the block",
    }
    assert list(fields.comments(source))[:4] == [("zero",), ("late",), ("pair",), ("other",)]


def test_a_field_without_a_comment_has_that_of_its_block(source):
    found = fields.comments(source)
    assert comment_of(found, ("block", "deep", "leaf")) == "further down"
    assert comment_of(found, ("block", "one")) == "of the block"
    assert comment_of(found, ("bare",)) == ""


def test_the_listing_has_every_field_with_value_and_type(source):
    config = ConfigDict({"block": {"two": (1, 2), "one": True}, "bare": "x", "unknown": 1.5, "late": 5, "empty": {}})
    assert fields.listing(config, source, {"late": ranges.whole(1), "bare": ranges.FREE}).splitlines() == [
        "  --config.late=5  (int, at least 1)  its own,", "  --config.bare=x  (str)", "  config.block: of the block",
        "  --config.block.one=True  (bool)", '  --config.block.two="(1, 2)"  (tuple)  behind it',
        "  --config.empty={}  (block)", "  --config.unknown=1.5  (float)",
    ]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_field_of_every_config_has_a_comment_or_its_block_has_one(name, variant):
    module = importlib.import_module(f"configs.{name}")
    config, found = module.get_config(variant), fields.comments(module.__file__)
    bare = [".".join(path) for path, _ in fields.leaves(config) if not comment_of(found, path)]
    assert not bare, f"configs/{name}.py: say in a comment what these are: {bare}"
    listed = fields.listing(config, module.__file__, ranges.of_stage(name))
    assert all(f"--config.{'.'.join(path)}=" in listed for path, _ in fields.leaves(config))


def comment_of(found, path):
    """The comment of a field, or else of the innermost block around it that has one."""
    blocks = [path[: length + 1] for length in range(len(path))]
    return next((found[block] for block in reversed(blocks) if found.get(block)), "")


def test_a_value_out_of_its_range_is_named_as_the_command_line_sets_it():
    config = ConfigDict({"block": {"hosts": 0, "kind": "a"}, "free": ""})
    allowed = {"block.hosts": ranges.whole(1, 8), "block.kind": ranges.OneOf(("a", "b")), "free": ranges.FREE}
    with pytest.raises(ValueError, match=r"^cluster\.block\.hosts=0: must be in \[1, 8\]$"):
        fields.check(config, allowed, "cluster")
    config.block.update(hosts=1, kind="c")
    with pytest.raises(ValueError, match="^config.block.kind='c': choose one of 'a', 'b'$"):
        fields.check(config, allowed)
    config.block.kind = "b"
    fields.check(config, allowed)

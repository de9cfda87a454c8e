from xdancer_jax.train import trees

TREE = {"a": {"b": 1, "c": {}}, "d": 2}


def test_paths_give_nested_dicts_back():
    assert trees.by_path(TREE) == {"a/b": 1, "d": 2}
    assert trees.nested({"x/a/b": 1, "x/d": 2}) == {"x": {"a": {"b": 1}, "d": 2}}


def test_merge_undoes_split():
    mask = {"a": {"b": True, "c": {}}, "d": False}
    first, second = trees.split(TREE, mask)
    assert (first, second) == ({"a": {"b": 1, "c": {}}, "d": None}, {"a": {"b": None, "c": {}}, "d": 2})
    assert trees.merge(first, second) == TREE

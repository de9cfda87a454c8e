"""Walks the imports of every file and enforces who may import whom (docs/design.md, "Who may import whom")."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("configs", "data_pipeline", "xdancer_jax", "launch", "benchmarks")

# package prefix -> what of this project it may import (longest prefix wins)
MAY_IMPORT = {
    "configs": ("configs",),
    "data_pipeline": ("data_pipeline",),
    "launch": ("configs", "data_pipeline", "xdancer_jax", "launch"),
    "benchmarks": ("configs", "data_pipeline", "xdancer_jax", "launch", "benchmarks"),
    "xdancer_jax": ("xdancer_jax.typing",),
    "xdancer_jax.stage": ("xdancer_jax.typing", "xdancer_jax.rng"),
    "xdancer_jax.boxes": ("xdancer_jax.typing",),
    "xdancer_jax.sharding": ("xdancer_jax.typing", "xdancer_jax.axes", "xdancer_jax.boxes"),
    "xdancer_jax.nn": (
        "xdancer_jax.typing", "xdancer_jax.axes", "xdancer_jax.rng", "xdancer_jax.flops", "xdancer_jax.nn",
    ),
    "xdancer_jax.models": (
        "xdancer_jax.typing", "xdancer_jax.axes", "xdancer_jax.rng", "xdancer_jax.nn", "xdancer_jax.models",
    ),
    "xdancer_jax.diffusion": ("xdancer_jax.typing", "xdancer_jax.rng", "xdancer_jax.diffusion"),
    "xdancer_jax.stages": (
        "xdancer_jax.typing", "xdancer_jax.rng", "xdancer_jax.sharding", "xdancer_jax.stage", "xdancer_jax.stages",
        "xdancer_jax.nn.batch_split", "xdancer_jax.models", "xdancer_jax.diffusion", "xdancer_jax.losses",
        "xdancer_jax.decoding",
    ),
    "xdancer_jax.train": (
        "xdancer_jax.typing", "xdancer_jax.axes", "xdancer_jax.rng", "xdancer_jax.stage", "xdancer_jax.sharding",
        "xdancer_jax.boxes", "xdancer_jax.flops", "xdancer_jax.paths", "xdancer_jax.train",
        "xdancer_jax.pretrained.safetensors_files",
    ),
    "xdancer_jax.pretrained": ("xdancer_jax.typing", "xdancer_jax.pretrained"),
    "xdancer_jax.evals": ("xdancer_jax.typing", "xdancer_jax.stage", "xdancer_jax.evals", "xdancer_jax.paths"),
}
# package prefix -> third-party modules that must not be imported anywhere in it
FORBIDDEN = {
    "configs": ("jax", "flax", "numpy", "tensorflow", "torch", "absl"),
    "data_pipeline": ("jax", "flax", "tensorflow", "torch", "ml_collections", "absl"),
    "xdancer_jax": ("tensorflow", "torch", "ml_collections", "absl.flags", "absl.app", "grain", "tensorflow_datasets"),
    # Torch's own weight files are pickles, and nobody else reads them.
    "xdancer_jax.pretrained.torch_files": ("tensorflow", "ml_collections", "absl", "grain", "tensorflow_datasets"),
    "launch": ("tensorflow", "torch"),
    "benchmarks": ("tensorflow",),
}


def _sources():
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def _module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _inside(name, prefix):
    return name == prefix or name.startswith(prefix + ".")


def _longest(table, module):
    return max((prefix for prefix in table if _inside(module, prefix)), key=len)


@pytest.mark.parametrize("path", _sources(), ids=_module)
def test_imports_point_down(path):
    module = _module(path)
    allowed = MAY_IMPORT[_longest(MAY_IMPORT, module)]
    modules = {_module(source) for source in _sources()}
    for name in _imports(path):
        if name in modules and name not in OURS and not _inside(module, name):
            assert any(_inside(name, prefix) for prefix in allowed), f"{module} may not import {name}"
        for bad in FORBIDDEN[_longest(FORBIDDEN, module)]:
            assert not _inside(name, bad), f"{module} may not import {name}"


@pytest.mark.parametrize("package", ["configs", "data_pipeline"])
def test_importing_the_data_side_does_not_bring_in_jax(package):
    modules = [_module(path) for path in _sources() if _inside(_module(path), package)]
    code = f"import sys, importlib\nfor m in {modules}: importlib.import_module(m)\n"
    code += "bad = {'jax', 'flax', 'tensorflow', 'torch'} & set(sys.modules)\nassert not bad, bad"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_and_functions_stay_small():
    for path in _sources():
        text = path.read_text()
        assert len(text.splitlines()) <= 300, f"{path} is longer than 300 lines"
        assert path.name != "utils.py"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.lineno + 1
                limit = 50 if node.name == "__call__" else 60
                assert length <= limit, f"{path}:{node.lineno} {node.name} has {length} lines (limit {limit})"


def test_launch_mains_are_thin():
    for path in sorted((ROOT / "launch").glob("*.py")):
        if "cli.run(main" in path.read_text():
            assert len(path.read_text().splitlines()) <= 60, f"{path}: a main has at most 60 lines"

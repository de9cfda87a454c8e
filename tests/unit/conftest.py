"""Compiling is most of these tests' time, so LLVM optimises little. Tests of meshes compare sums as users get them."""

import os

os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"

"""Compiling is most of these tests' time, so LLVM optimises little, for all tests of the process.

tests/multidevice, a process of its own, compiles as users do: what it compares to 1e-6 differed by 1.01e-6 here.
"""

import os

os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"

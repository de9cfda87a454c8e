"""Flags of the benchmarks that train: absl has one table of flags a process, and the tests import both."""

from absl import flags

STEPS = flags.DEFINE_integer("steps", None, "Steps of each run; the config's if not given.", lower_bound=1)
OUT = flags.DEFINE_string("out", None, "File to write (.json).")

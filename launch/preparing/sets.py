"""Prepares the data set of a config."""

from ml_collections import ConfigDict
from tqdm import tqdm

from data_pipeline import files
from data_pipeline.preparation import running, whole
from data_pipeline.preparation.cache import Cache
from launch.preparing import plans


def prepare(config: ConfigDict, data: str) -> str:
    """The set's folder in `data`, which is left as it is where the set is complete. Raises what plans.plan,
    running.beam_options and whole.prepare do."""
    files.check_here(data)
    files.check_no_pattern(data)
    plan = plans.plan(config, data)
    beam = running.beam_options(config.workers, config.beam)
    cache = Cache(config.cache or f"{data}/cache")
    with tqdm(total=len(plan.jobs), desc=config.variant, unit="clip") as bar:
        done = whole.prepare(plan, cache, beam, lambda count: bar.update(count - bar.n))
    if not config.keep_cache:
        cache.remove()
    return done


__all__ = ["prepare"]

"""One order of examples, whoever makes them: processes, workers, restarts."""

import itertools

import numpy as np
import pytest
from absl import flags

from configs import autoencoder, motion, tokenizer, video
from data_pipeline import loaders
from data_pipeline.augment import Augment
from tests import data_sets

BATCH, STEPS = 8, 5
AUGMENT = Augment(flip=0.5, stretch=0.1)
CUTS = {
    "tokenizer": {"length": 8},
    "motion": {"previous": 8, "length": 6, "num_context": 4, "song_bins": 3, "margin": 2},
    "video": {"num_frames": 2, "height": 32, "width": 16, "fields": ("reference", "frames", "poses"), "margin": 1},
    "frames": {"height": 16, "width": 8},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain asks for a flag of its own
    return data_sets.toy(tmp_path_factory.mktemp("data"), train_clips=5)


def _take(data, loader, count=STEPS, **order):
    made = getattr(loaders, loader)(data, "train", BATCH, 11, augment=AUGMENT, **CUTS[loader], **order)
    return list(itertools.islice(made, count))


def _assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.keys() == b.keys()
        for field in a:
            np.testing.assert_array_equal(a[field], b[field])


def _rows(batches, index, count):
    rows = BATCH // count
    return [{name: values[index * rows : (index + 1) * rows] for name, values in batch.items()} for batch in batches]


@pytest.mark.parametrize("loader", list(CUTS))
@pytest.mark.parametrize("count", [2, 4, 8])
def test_processes_hold_their_rows_of_the_same_batches(data, loader, count):
    whole = _take(data, loader)
    for index in range(count):
        _assert_same(_take(data, loader, process_index=index, process_count=count), _rows(whole, index, count))


@pytest.mark.parametrize("loader", list(CUTS))
def test_a_restart_at_any_step_goes_on_with_the_same_batches(data, loader):
    whole = _take(data, loader)
    for step in range(STEPS):
        _assert_same(_take(data, loader, STEPS - step, start_step=step), whole[step:])


@pytest.mark.process
@pytest.mark.parametrize(("loader", "workers", "count", "start"), [
    ("tokenizer", 1, 1, 0), ("tokenizer", 2, 4, 1), ("motion", 3, 1, 2), ("video", 2, 8, 0), ("frames", 3, 2, 3),
])
def test_workers_make_the_same_batches(data, loader, workers, count, start):
    whole, index = _take(data, loader), count - 1
    order = {"worker_count": workers, "process_index": index, "process_count": count, "start_step": start}
    _assert_same(_take(data, loader, STEPS - start, **order), _rows(whole[start:], index, count))


def test_every_augmentation_is_a_field_of_some_config():
    named = {name for module in (autoencoder, motion, tokenizer, video) for name in module.get_config().data.augment}
    assert named == {"flip", "stretch", "crop", "colour"}

import dataclasses
import json
import math

import numpy as np
import pytest

from xdancer_jax.evals.beat_alignment import BAS_MASKED_100MS, BAS_MINT_SECONDS
from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.protocols import column, parse, record


def test_a_result_carries_its_protocol_and_constants_through_a_line():
    result = record(BAS_MASKED_100MS, {"score": 0.25, "chance": math.nan}, {"motions": 3})
    line = json.loads(result.as_json())
    assert line["protocol"] == "bas_masked_100ms" and line["constants"]["sigma_ms"] == 100
    assert "id" not in line["constants"] and line["values"]["chance"] is None
    first, _ = parse([result.as_json()] * 2, "results.jsonl")
    assert first.values["score"] == 0.25 and math.isnan(first.values["chance"]) and first.counts == {"motions": 3}
    assert column([first, result], "score") == [0.25, 0.25]
    for line in ('{"protocol": "x"}', "[1]", "{", '{"values": 3}'):
        with pytest.raises(ValueError, match="results.jsonl, line 2: not a metric result"):
            parse([result.as_json(), line], "results.jsonl")


def test_two_protocols_never_share_a_column():
    ours = record(BAS_MASKED_100MS, {"score": 0.2})
    for other in (BAS_MINT_SECONDS, dataclasses.replace(BAS_MASKED_100MS, sigma_ms=50.0)):
        with pytest.raises(ValueError, match="cannot share a column"):
            column([ours, record(other, {"score": 0.3})], "score")
    with pytest.raises(ValueError, match="no figure 'fvd'"):
        column([ours], "fvd")


def test_bootstrap_is_repeatable_and_has_the_width_of_the_standard_error():
    values = np.random.default_rng(1).normal(3, 2, size=400)
    interval = Bootstrap()(np.append(values, np.nan))
    assert interval == Bootstrap()(values) != Bootstrap(seed=1)(values)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose(interval, (values.mean() - half, values.mean() + half), atol=0.15 * half)
    with pytest.raises(ValueError, match="no finite value"):
        Bootstrap()(np.array([np.nan]))

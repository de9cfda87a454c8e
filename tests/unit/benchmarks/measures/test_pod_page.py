import pytest

from benchmarks.measures.pod_page import page


def row(**fields):
    return {
        "topology": "v5e:2x4", "date": "2026-11-28", "jax": "1", "libtpu": "2", "variant": "motion:medium",
        "devices": 8, "batch_size": 24, "mesh": {"data": 1, "fsdp": 8},
        "bytes_a_device": {"weights": 1e9, "batch": 5e8},
        "limit": 16e9, "fits": True, "model_flops": 16e12, "step_seconds": {"peak": 1.0, "45% of the peak": 2.5},
        "days_of_the_paper": {"peak": 3.0, "45% of the peak": 7.5}, **fields,
    }


COMPILED = {
    "temporaries": 2e9, "total": 4e9, "compile_seconds": 150.0, "host_bytes": 5e9, "unmeasured": 0,
    "collectives": {"all-gather fsdp": 3, "all-reduce": 1},
    "collective_bytes_sent": {"all-gather fsdp": 7e9, "all-reduce": 8e9},
}


def test_a_counted_row_says_so_and_leaves_out_what_is_not_known():
    text = page([row()])
    assert "| v5e:2x4 | 8 | 24 | fsdp=8 | 1.50 GB |  | 14.5 of 16.0 GB | 2 | 2.500 s | 7.5 | counted |" in text
    assert "2026-11-28, jax 1, libtpu 2." in text


def test_a_compiled_row_has_temporaries_time_and_what_is_sent():
    compiled = row(**COMPILED)
    text = page([compiled])
    assert "| 1.50 GB | 2.00 GB | 12.0 of 16.0 GB | 2 | 2.500 s | 7.5 | compiled, 2 min, 5.0 GB |" in text
    assert "- v5e:2x4, sent by a device in a step (arrays; in a loop counted once): all-reduce 8.00 GB (1); " in text


def test_what_does_not_fit_is_said():
    assert "**does not fit** -1.0 of 16.0 GB" in page([row(fits=False, **COMPILED | {"total": 17e9})])


def test_weak_scaling_compares_the_flops_of_a_device():
    larger = row(topology="v5e:8x8", devices=64, model_flops=64 * 2.02e12, **COMPILED)
    assert "Weak scaling on v5e: FLOPs a device differ by 1.00% between 8 and 64 devices." in page(
        [row(**COMPILED), larger]
    )
    assert "Weak scaling" not in page([row(**COMPILED), row(topology="v6e:8x8", **COMPILED)])


def test_no_rows_are_told():
    with pytest.raises(ValueError, match="no row is planned yet"):
        page([])

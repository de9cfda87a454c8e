from launch.shell import devices


def test_peaks_are_those_of_the_vendors_pages():
    assert devices.peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert devices.peak_flops("TPU v5 lite") == 197e12
    assert devices.peak_flops("cpu") is None

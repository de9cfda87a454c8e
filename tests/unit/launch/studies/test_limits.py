from launch.studies.limits import Bucket


def test_a_bucket_gives_its_size_at_once_and_its_rate_over_time():
    now = [0.0]
    bucket = Bucket(2, 3, lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [True] * 3 + [False] * 2
    now[0] = 0.4
    assert not bucket.take()
    now[0] = 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 1e6  # holds no more than its size
    assert sum(bucket.take() for _ in range(10)) == 3

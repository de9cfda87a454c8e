from launch.studies import raters
from tests import studies


def test_what_a_rater_did(key):
    answers = [
        studies.answer(key, "one", "beat", 0, at=60_000, seconds=4),
        studies.answer(key, "one", "style", None, at=120_000, seconds=10),
        studies.answer(key, "two", "beat", 0, at=180_000, seconds=20, watched=[1.0, 0.2]),
        studies.answer(key, "two", "beat", 0, rater="other"),
    ]
    other, one = raters.describe(answers)
    assert (other.id, one.id) == ("other", "r1")
    assert (one.comparisons, one.answers, one.minutes, one.seconds) == (2, 3, 2.0, 15.0)
    assert one.unwatched == 0.25 and one.ties == 0.333
    assert list(one.doubts()) == ["25% of the clips were not watched to the end"] and not list(other.doubts())


def test_habits_are_told_once_there_are_enough_answers(key):
    many = studies.key(names=[str(n) for n in range(20)])

    def first(item):
        return next(iter(item.clips.values()))  # `shown` is in the order of the key

    left = raters.describe([studies.answer(many, item.name, "beat", first(item)) for item in many.items])[0]
    assert left.side == 1 and left.first == 1
    assert list(left.doubts()) == ["100% of the answers are for one place on the page"]
    ties = raters.describe([studies.answer(many, item.name, "beat", None) for item in many.items])[0]
    assert list(ties.doubts()) == ["no answer but ties"] and ties.side == 0
    turned = raters.describe([studies.answer(many, item.name, "beat", n % 2) for n, item in enumerate(many.items)])[0]
    assert not list(turned.doubts())
    assert not list(raters.describe([studies.answer(key, "one", "beat", None)])[0].doubts())

import pytest

from data_pipeline.preparation import whole
from data_pipeline.preparation.jobs import Job, Made, Outcome
from data_pipeline.preparation.whole import Division

SCORES = {"seconds": 9.0, "second_person": 0.0, "person_box": 0.5, "corner_deviation": 1.0, "quality": None}


def _outcome(name="a", limits=None, **fields) -> Outcome:
    return Outcome(Job(name, "", {}, {}, limits), (Made(name, file="f", scores=SCORES, **fields),))


def _division(by="song", share=0.5, lists=None, ignored=()) -> Division:
    return Division(by, share, lists or {}, frozenset(ignored))


@pytest.mark.parametrize("by", ["song", "performer"])
def test_no_value_is_on_both_sides(by):
    outcomes = [_outcome(f"{i}", columns={by: f"v{i % 40}"}) for i in range(200)]
    entries = [entry for outcome in outcomes for entry in whole.divide(outcome, _division(by))]
    sides: dict[str, set[str]] = {}
    for entry in entries:
        sides.setdefault(entry.made.columns[by], set()).add(entry.split)
    assert all(len(found) == 1 for found in sides.values())
    assert {split for found in sides.values() for split in found} == {"train", "test"}


def test_without_a_song_clips_of_one_sound_stay_together():
    entries = [
        entry for i in range(60)
        for entry in whole.divide(_outcome(f"{i}", sound="s", sound_digest=f"{i % 20:064d}"[::-1]), _division())
    ]
    sides: dict[str, set[str]] = {}
    for entry in entries:
        sides.setdefault(entry.made.sound_digest, set()).add(entry.split)
    assert len(sides) == 20 and all(len(found) == 1 for found in sides.values())


def test_a_table_knows_better_than_lists_and_lists_than_the_hash():
    lists = {"train": frozenset({"a"}), "test": frozenset({"b"})}
    [known] = whole.divide(_outcome("a", columns={"split": "test"}), _division(lists=lists))
    [listed] = whole.divide(_outcome("b"), _division(lists=lists))
    [neither] = whole.divide(_outcome("c"), _division(lists=lists))
    assert (known.split, listed.split) == ("test", "test") and not known.reasons and not listed.reasons
    assert neither.reasons == ["in_no_list"]
    [unknown] = whole.divide(_outcome("a", columns={"split": "valid"}), _division())
    assert unknown.reasons == ["unknown_split"]


def test_ignored_clips_are_left_out_by_name():
    [entry] = whole.divide(_outcome("a"), _division(ignored=("a",)))
    assert entry.reasons == ["ignored"]


def test_limits_count_besides():
    [entry] = whole.divide(_outcome("a", {"seconds": 10.0}), _division())
    assert entry.reasons == ["too_short"]

"""One object that fails is found by halves, and never stops the rest."""

import pytest

from core.resilience import act_by_halves

TWELVE = list(range(12))


def run(items, broken, **options):
    """What was done, what failed, and the sizes of the groups that were tried."""
    done, failed, sizes = [], [], []

    def act(group):
        sizes.append(len(group))
        if broken & set(group):
            raise ValueError("broken")
        return group

    for group in act_by_halves(
        items, act, failures=ValueError, on_failed=lambda item, exc: failed.append((item, str(exc))), **options
    ):
        done += group
    return done, failed, sizes


def test_without_a_failure_all_are_done_at_once():
    assert run(TWELVE, set()) == (TWELVE, [], [12])


@pytest.mark.parametrize("broken", [{0}, {11}, {5, 6}, {0, 3, 11}, set(TWELVE)])
def test_those_that_fail_alone_are_found_and_all_others_done_in_order(broken):
    done, failed, _ = run(TWELVE, broken)
    assert done == [item for item in TWELVE if item not in broken]
    assert failed == [(item, "broken") for item in sorted(broken)]


def test_groups_have_a_size_and_only_one_that_failed_is_halved():
    _, failed, sizes = run(TWELVE, {5}, size=4)
    assert failed == [(5, "broken")]
    assert sizes == [4, 4, 2, 1, 1, 2, 4]


def test_after_so_many_failures_in_a_row_all_that_are_left_count_as_failed():
    done, failed, sizes = run(TWELVE, set(TWELVE), failures_in_a_row=3)
    assert (done, len(failed), sizes) == ([], 12, [12, 6, 3])


def test_a_success_between_them_begins_the_row_anew():
    done, _, _ = run(TWELVE, {0, 2, 4, 6, 8, 10}, size=2, failures_in_a_row=3)
    assert done == [1, 3, 5, 7, 9, 11]


def test_what_no_item_is_to_blame_for_is_raised():
    def act(_group):
        raise RuntimeError("away")

    with pytest.raises(RuntimeError, match="away"):
        act_by_halves(TWELVE, act, failures=ValueError, on_failed=lambda _item, _exc: None)


def test_nothing_is_done_with_nothing():
    assert run([], set()) == ([], [], [])

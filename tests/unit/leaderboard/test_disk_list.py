"""Compare a sequence on disk with a list in property tests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslbench.leaderboard.standings import disk_list
from sslbench.leaderboard.standings.disk_list import DiskList


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=40))), st.integers(0, 200), st.data())
def test_a_disk_list_reads_like_a_list_in_memory_and_on_disk(values, limit, data):
    kept = disk_list.MEMORY_BYTES
    try:
        disk_list.MEMORY_BYTES = limit + 1
        made = DiskList(values)
    finally:
        disk_list.MEMORY_BYTES = kept
    assert (list(made), len(made)) == (values, len(values))
    at = data.draw(st.slices(len(values)))
    assert list(made[at]) == values[at]
    order = data.draw(st.permutations(range(len(values))))
    assert list(made.take(order)) == [values[place] for place in order]
    assert list(made.sorted_by(lambda value: value[0])) == sorted(values, key=lambda value: value[0])
    assert [made[place] for place in range(len(values))] == values


def test_views_share_a_file_but_not_appended_values():
    made = DiskList([np.arange(3), np.arange(5)])
    last = made[1:]
    made.append(np.arange(7))
    last.append(np.arange(2))
    assert ([len(one) for one in made], [len(one) for one in last]) == ([3, 5, 7], [5, 2])
    assert [one.sum() for one, other in zip(made, made, strict=True) if len(one) == len(other)] == [3, 10, 21]
    with pytest.raises(IndexError, match="range"):
        made[3]

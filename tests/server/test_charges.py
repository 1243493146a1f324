"""How far charges have come on two ways at once."""

from hypothesis import given
from hypothesis import strategies as st

from dwctl.server.engine import Charges

steps = st.lists(st.sampled_from(["note a", "note b", "commit a", "commit b", "look"]), max_size=60)


@given(steps)
def test_a_mark_is_committed_when_both_ways_have_passed_it(todo: list[str]) -> None:
    noted, done = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    charges = Charges((lambda: noted["a"], lambda: noted["b"]), (lambda: done["a"], lambda: done["b"]))
    marks: dict[int, dict[str, int]] = {}
    last = 0
    for step in todo:
        what, _, way = step.partition(" ")
        if what == "note":
            noted[way] += 1
        elif what == "commit":
            done[way] = min(done[way] + 1, noted[way])
        else:
            mark, committed = charges.noted(), charges.done()
            marks.setdefault(mark, dict(noted))
            assert last <= committed <= mark
            last = committed
            for number, wanted in marks.items():
                if number and number <= committed:
                    assert all(done[name] >= count for name, count in wanted.items())
    done.update(noted)
    assert charges.done() <= charges.noted() == charges.done()

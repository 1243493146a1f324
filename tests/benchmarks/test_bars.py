"""Verdicts, from figures that are given."""

from benchmarks.bars import Bar, judge, verdict_table

MEDIANS = {
    "direct": {"p50": 0.2},
    "nginx": {"cpu": 20.0, "chunks": 100.0, "p50": 0.4},
    "vllm-router": {"cpu": 80.0, "chunks": 50.0},
    "sglang-router": {"cpu": 100.0, "chunks": 60.0},
    "dwctl": {"cpu": 40.0, "chunks": 90.0, "p50": 0.9, "errors": 0.0},
}
RUST = ("vllm-router", "sglang-router")


def test_a_ratio_is_of_the_best_of_those_that_are_named() -> None:
    least = Bar(what="cpu", figure="cpu", of=RUST, must=0.65, aim=0.5)
    most = Bar(what="chunks", figure="chunks", of=RUST, must=2.0, at_least=True)
    cheap, quick = judge("json", (least, most), MEDIANS)
    assert (cheap.value, cheap.text) == (0.5, "aim reached")
    assert (quick.value, quick.text, quick.holds) == (1.5, "MISSED", False)


def test_a_difference_is_what_is_added() -> None:
    (verdict,) = judge(
        "latency", (Bar(what="p50", figure="p50", of=("direct",), how="difference", must=0.7),), MEDIANS
    )
    assert verdict.value is not None
    assert round(verdict.value, 9) == 0.7
    assert verdict.text == "held"


def test_a_figure_can_stand_for_itself() -> None:
    (verdict,) = judge("json", (Bar(what="errors", figure="errors", must=0),), MEDIANS)
    assert (verdict.value, verdict.text) == (0.0, "held")


def test_what_was_not_measured_has_no_verdict() -> None:
    bars = (
        Bar(what="no figure", figure="memory", must=1),
        Bar(what="nobody to compare", figure="cpu", of=("litellm",), must=1),
        Bar(what="nobody's", figure="cpu", contestant="other", must=1),
    )
    assert [(each.value, each.holds, each.text) for each in judge("json", bars, MEDIANS)] == [
        (None, None, "not measured")
    ] * 3


def test_the_bar_itself_is_good_enough_from_both_sides() -> None:
    at_most = Bar(what="at most", figure="cpu", must=40.0)
    at_least = Bar(what="at least", figure="cpu", must=40.0, at_least=True)
    assert [each.text for each in judge("json", (at_most, at_least), MEDIANS)] == ["held", "held"]
    stricter = (
        Bar(what="at most", figure="cpu", must=39.9),
        Bar(what="at least", figure="cpu", must=40.1, at_least=True),
    )
    assert [each.text for each in judge("json", stricter, MEDIANS)] == ["MISSED", "MISSED"]


def test_the_table_shows_figure_bar_and_verdict() -> None:
    bar = Bar(what="CPU, of nginx", figure="cpu", of=("nginx",), must=4.5, aim=1.5, unit=" x")
    title, headings, line = verdict_table(judge("json-1k", (bar,), MEDIANS)).splitlines()
    assert title == "measures: what dwctl is held to"
    assert headings.split() == ["scenario", "measure", "measured", "must", "aim", "verdict"]
    assert line.split() == [
        "json-1k",
        "CPU,",
        "of",
        "nginx",
        "2.00",
        "x",
        "<=",
        "4.50",
        "x",
        "<=",
        "1.50",
        "x",
        "held",
    ]

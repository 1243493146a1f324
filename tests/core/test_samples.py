"""Metrics of several processes on one page."""

from prometheus_client.parser import text_string_to_metric_families

from dwctl.core.metrics import Metrics
from dwctl.core.samples import counted, merged, packed, page, unpacked


def process(calls: int, lag: float, seconds: float) -> Metrics:
    """One process that has counted something."""
    metrics = Metrics()
    metrics.counter("calls_total", 'With "quotes".', ("model",)).labels('a"b\\\n').inc(calls)
    metrics.gauge("open", "Things that are there.").set(calls)
    metrics.gauge("lag", "How bad it is.", worst=True).set(lag)
    metrics.histogram("seconds", "How long.", (1.0, 2.0)).observe(seconds)
    return metrics


def shown(text: bytes) -> dict[str, float]:
    """The series of a page, by name and the value of their label."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_one_process_shows_what_it_has() -> None:
    assert shown(page([process(3, 0.5, 1.5).part()])) == {
        'calls_total a"b\\\n': 3.0,
        "open": 3.0,
        "lag": 0.5,
        "seconds_bucket 1.0": 0.0,
        "seconds_bucket 2.0": 1.0,
        "seconds_bucket +Inf": 1.0,
        "seconds_count": 1.0,
        "seconds_sum": 1.5,
    }


def test_several_are_added_up_but_for_what_is_shown_at_its_worst() -> None:
    parts = [process(3, 0.5, 1.5).part(), unpacked(packed(process(4, 0.25, 0.5).part()))]
    assert shown(page(parts)) == {
        'calls_total a"b\\\n': 7.0,
        "open": 7.0,
        "lag": 0.5,
        "seconds_bucket 1.0": 1.0,
        "seconds_bucket 2.0": 2.0,
        "seconds_bucket +Inf": 2.0,
        "seconds_count": 2.0,
        "seconds_sum": 2.0,
    }


def test_of_a_process_that_is_gone_only_counts_stay() -> None:
    gone = counted(process(3, 9.0, 1.5).part())
    told = shown(page([gone, process(1, 0.5, 0.5).part()]))
    assert told['calls_total a"b\\\n'] == 4.0
    assert (told["open"], told["lag"]) == (1.0, 0.5)


def test_a_series_that_only_one_has() -> None:
    one, other = Metrics(), Metrics()
    one.counter("calls_total", "Calls.", ("model",)).labels("a").inc()
    other.counter("calls_total", "Calls.", ("model",)).labels("b").inc(2)
    other.gauge("only", "Here.").set(5)
    assert shown(page([merged([one.part(), other.part()])])) == {
        "calls_total a": 1.0,
        "calls_total b": 2.0,
        "only": 5.0,
    }

"""What the engine shows: the contract's names, moved by work."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dwctl.db.postgres import Database
from tests.engine.test_worker import GOOD, failing, plain
from tests.engine.works import Works
from tests.fakes.upstream import FakeUpstream

# Those of the contract but for the two by user: a label that is a person would be without bound.
NAMES = {
    "requests_completed", "requests_completed_after_sla", "requests_retried", "retry_denied", "http_status_retriable",
    "requests_routed_to_escalation", "stale_requests_reclaimed", "task_panics", "batches_cancelled",
    "cancellation_poll_errors", "heartbeat_failures", "rows_purged", "purge_errors", "requests_in_flight",
    "claim_capacity", "cancellation_poll_batches_checked", "claim_duration_seconds", "claim_size",
    "unclaim_stale_duration_seconds", "request_duration_seconds", "retry_attempts_on_success",
    "heartbeat_duration_seconds", "cancellation_poll_duration_seconds", "daemon_up", "claim_loop_errors",
    "requests_retry_lost_ownership", "request_time_to_first_token_seconds", "request_deadline_margin_seconds",
}  # fmt: skip


async def test_the_names_of_the_contract_are_shown_and_move(
    database: Database, upstream: FakeUpstream
) -> None:
    works = Works(database, plain(upstream))
    account = await works.account()
    upstream.push(failing(503))
    upstream.respond = lambda _: GOOD
    async with works.process() as process:
        await works.ended(await works.batch(account, 5))
        process.engine.counts.beat(0.01)
        process.engine.counts.beat(None)
        text = generate_latest(process.metrics.registry).decode()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert {f"fusillade_{name}" for name in NAMES} <= found.keys()
    values = {
        sample.name: sample.value
        for family in found.values()
        for sample in family.samples
        if not sample.labels
    }
    of_model = {
        sample.name: sample.value
        for family in found.values()
        for sample in family.samples
        if sample.labels == {"model": "m"}
    }
    assert of_model["fusillade_requests_retried_total"] == 1
    assert of_model["fusillade_request_duration_seconds_count"] == 6
    assert of_model["fusillade_request_time_to_first_token_seconds_count"] == 6
    assert of_model["fusillade_request_deadline_margin_seconds_count"] == 5
    assert of_model["fusillade_request_deadline_margin_seconds_sum"] > 4 * 86_000
    assert values["fusillade_heartbeat_duration_seconds_count"] == 1
    assert values["fusillade_heartbeat_failures_total"] == 1
    assert values["fusillade_cancellation_poll_duration_seconds_count"] >= 1
    assert values["fusillade_unclaim_stale_duration_seconds_count"] >= 1
    assert values["fusillade_daemon_up"] == 1

"""What the gateway counts of its calls, as a page of metrics shows it."""

from prometheus_client.parser import text_string_to_metric_families

from dwctl.core.samples import page
from tests.fakes.answers import Answer, Pause, reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import CHAT, MESSAGES, House, bearer, encoded, model, target

ALIAS = "chat"
BODY = {"model": ALIAS, "messages": MESSAGES}


def series(house: House, name: str) -> dict[tuple[str, ...], float]:
    """The values of one series by the values of its labels, in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page([house.metrics.part()]).decode())
        for sample in family.samples
        if sample.name == name
    }


def requests(house: House) -> dict[tuple[str, str, int], int]:
    """Method, path and status of what was answered, and how often."""
    return {(method, path, status): each.count for method, path, status, each in house.gateway.served()}


async def test_calls_are_counted_once_by_model_and_once_by_path() -> None:
    async with FakeUpstream() as upstream, House(model(ALIAS, target(upstream.url))) as house:
        await house.call(BODY)
        upstream.push(reply(b"busy", status=429), reply(b"odd", status=599))
        await house.call(BODY)
        await house.call(BODY)
        await house.call(b"{}")
        assert series(house, "dwctl_gateway_calls_total") == {
            (ALIAS, "/v1/chat/completions", "2xx"): 1.0,
            (ALIAS, "/v1/chat/completions", "4xx"): 1.0,
            (ALIAS, "/v1/chat/completions", "5xx"): 1.0,
        }
        assert series(house, "dwctl_gateway_call_seconds_count") == {(ALIAS, "/v1/chat/completions"): 3.0}
        # A status that nobody has defined is counted as the first of its hundred: an upstream makes no labels.
        assert requests(house) == {
            ("POST", CHAT, 200): 1,
            ("POST", CHAT, 429): 1,
            ("POST", CHAT, 500): 1,
            ("POST", CHAT, 400): 1,
        }
        assert series(house, "dwctl_gateway_refused_total") == {("400",): 1.0}


async def test_a_model_is_counted_on_each_path_and_each_model_on_one() -> None:
    async with (
        FakeUpstream() as upstream,
        House(model(ALIAS, target(upstream.url)), model("other", target(upstream.url))) as house,
    ):
        replies = (b"1", b"22", b"333")
        upstream.push(*(reply(body, status=400) for body in replies))
        await house.call(BODY)
        await house.call({**BODY, "model": "other"})
        await house.call({"model": ALIAS, "input": "x"}, path="/ai/v1/embeddings")
        chats, embeddings = "/v1/chat/completions", "/v1/embeddings"
        assert series(house, "dwctl_gateway_calls_total") == {
            (ALIAS, chats, "4xx"): 1.0,
            ("other", chats, "4xx"): 1.0,
            (ALIAS, embeddings, "4xx"): 1.0,
        }
        # By method and path, and not by model.
        assert series(house, "dwctl_http_response_body_size_sum") == {
            (f"/ai{chats}", "POST"): 3.0,
            (f"/ai{embeddings}", "POST"): 3.0,
        }
        assert series(house, "onwards_model_inflight") == {(ALIAS,): 0.0, ("other",): 0.0}
        assert house.gateway.under_way(ALIAS) == 0


async def test_a_refusal_and_a_call_of_the_same_status_are_added_up() -> None:
    async with FakeUpstream() as upstream, House(model(ALIAS, target(upstream.url))) as house:
        upstream.push(reply(b"no", status=404))
        await house.call(BODY)
        await house.call({**BODY, "model": "unknown"})
        assert requests(house) == {("POST", CHAT, 404): 2}


async def test_paths_that_clients_choose_are_no_labels() -> None:
    async with FakeUpstream() as upstream, House(model(ALIAS, target(upstream.url))) as house:
        await house.get("/ai/v1/models")
        await house.get(f"/ai/v1/models/{ALIAS}")
        for number in range(3):
            await house.get(f"/ai/v1/models/none-{number}")
            await house.call({**BODY, "model": f"none-{number}"})
        assert requests(house) == {
            ("GET", "/ai/v1/models", 200): 2,
            ("GET", "/ai/v1/models", 404): 3,
            ("POST", CHAT, 404): 3,
        }
        assert series(house, "onwards_model_inflight") == {}


async def test_calls_under_way_are_shown_until_they_are_recorded() -> None:
    async with FakeUpstream() as upstream, House(model(ALIAS, target(upstream.url))) as house:
        upstream.push(Answer((Pause(60),)))
        async with house.wire() as wire:
            wire.send(CHAT, encoded(BODY), bearer())
            await upstream.wait_for(1)
            assert series(house, "onwards_requests_inflight") == {(): 1.0}
            assert series(house, "onwards_model_inflight") == {(ALIAS,): 1.0}
            assert list(house.gateway.pending()) == [("POST", CHAT, 1)]
            wire.leave()
        await house.recorded()
        assert series(house, "onwards_requests_inflight") == {(): 0.0}
        assert series(house, "onwards_model_inflight") == {(ALIAS,): 0.0}
        assert requests(house) == {("POST", CHAT, 499): 1}


async def test_sizes_of_answers_are_counted_by_path() -> None:
    async with FakeUpstream() as upstream, House(model(ALIAS, target(upstream.url))) as house:
        sizes = [len((await house.call(BODY)).body)]
        upstream.push(reply(b"x" * 5000, status=200))
        sizes.append(len((await house.call(BODY)).body))
        await house.call({"model": "unknown", "messages": MESSAGES})
        place = (CHAT, "POST")
        assert series(house, "dwctl_http_response_body_size_count") == {place: 2.0}
        assert series(house, "dwctl_http_response_body_size_sum") == {place: float(sum(sizes))}
        buckets = series(house, "dwctl_http_response_body_size_bucket")
        assert (buckets[CHAT, "4096.0", "POST"], buckets[CHAT, "16384.0", "POST"]) == (1.0, 2.0)

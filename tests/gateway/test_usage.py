"""What a call is noted to have used: told by the upstream, or estimated where it was not; through the port."""

from collections.abc import Callable
from typing import Any

import pytest

from dwctl.requests.record import Record, State
from dwctl.usage.estimate import of_bytes
from tests.fakes import shapes
from tests.fakes.answers import Answer, Hang, frames, json_reply, reply, stream_reply
from tests.fakes.upstream import FakeUpstream
from tests.gateway.form import TRANSCRIPTIONS, Part, form, headers
from tests.gateway.house import CHAT, House, bearer, chat, encoded, model, target, upstream_settings
from tests.gateway.test_counts import series

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
Used = tuple[int | None, int | None, int | None, bool]


def used(record: Record) -> Used:
    """The counts, and whether they are ours."""
    return record.prompt_tokens, record.completion_tokens, record.total_tokens, record.estimated


def estimated(body: dict[str, Any], output: int) -> Used:
    """What is noted for a request when nothing was told."""
    given = of_bytes(len(encoded(body)))
    return given, output, given + output, True


def chunks(count: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Chunks with text in them, after the one that begins."""
    begin = {"id": "x", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    return [begin, *({"id": "x", "choices": [{"index": 0, "delta": {"content": "word"}}], **more},) * count]


FINISH = {"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def test_a_whole_answer_without_usage_is_estimated(upstream: FakeUpstream) -> None:
    said = shapes.chat_completion("fake-model", "abcd" * 10)
    for usage in (None, {}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}):
        upstream.push(json_reply({**said, "usage": usage}))
    async with House(model("m", target(upstream.url))) as house:
        for count in range(1, 4):
            await house.call(chat())
            assert used(await house.recorded(count)) == estimated(chat(), 10)


async def test_a_stream_without_usage_is_estimated_by_its_deltas(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(frames([*chunks(), FINISH])))
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat(stream=True))
        record = await house.recorded()
    assert used(record) == estimated(chat(stream=True), 5)
    assert (record.state, record.finish_reason) == (State.COMPLETED, "stop")


async def test_what_is_told_is_never_replaced(upstream: FakeUpstream) -> None:
    """However far it is from what we would have counted."""
    upstream.push(
        json_reply({**shapes.chat_completion("fake-model", "abcd" * 500), "usage": USAGE}),
        stream_reply(frames([*chunks(50), {**FINISH, "usage": USAGE}])),
    )
    async with House(model("m", target(upstream.url))) as house:
        for count, stream in enumerate((False, True), 1):
            await house.call(chat(stream=stream))
            assert used(await house.recorded(count)) == (5, 2, 7, False)


@pytest.mark.parametrize("cut_by", ["client", "upstream"])
@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(chunks(), lambda body: estimated(body, 5), id="nothing told"),
        pytest.param(chunks(usage=USAGE), lambda _: (5, 2, 7, False), id="told on each chunk"),
        pytest.param(
            [{"id": "x", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}, *chunks()],
            lambda _: (9, 5, 14, True),
            id="the input told first",
        ),
        pytest.param(
            [{**chunks(1)[1], "usage": USAGE}, *chunks(8)],
            lambda _: (5, 9, 14, True),
            id="text after the usage",
        ),
    ],
)
async def test_a_stream_that_is_cut_has_used_what_came_by_then(
    upstream: FakeUpstream,
    cut_by: str,
    events: list[dict[str, Any]],
    expected: Callable[[dict[str, Any]], Used],
) -> None:
    body = chat(stream=True, stream_options={"include_usage": True})
    whole = stream_reply(frames(events, done=False))
    steps = whole.steps[:-1]
    if cut_by == "client":
        upstream.push(Answer((*steps, Hang())))
    else:
        upstream.push(Answer(steps).closing())
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(CHAT, encoded(body), bearer())
        if cut_by == "client":
            await wire.answer(head_only=True)
            seen = b""
            while seen.count(b"\n\n") < len(events):
                seen += await wire.chunk()
            wire.leave()
        else:
            await wire.answer()
        record = await house.recorded()
    assert record.state == State.FAILED
    assert record.status_code == (499 if cut_by == "client" else 502)
    assert used(record) == expected(body)


async def test_a_call_that_fails_before_any_output_has_used_nothing_and_says_so(
    upstream: FakeUpstream,
) -> None:
    error = shapes.error("The model is overloaded.")
    upstream.push(
        json_reply(error, status=500),
        json_reply(error),
        json_reply(shapes.chat_completion("fake-model", "cut")).cut(-5),
        stream_reply(frames([error], done=False)),
        Answer(stream_reply(frames(chunks(0), done=False)).steps[:-1]).closing(),
    )
    async with House(model("m", target(upstream.url))) as house:
        for count in range(1, 6):
            async with house.wire() as wire:
                wire.send(CHAT, encoded(chat(stream=count > 3)), bearer())
                await wire.answer()
            record = await house.recorded(count)
            assert record.state == State.FAILED
            assert used(record) == (0, 0, 0, False)


async def test_a_client_that_leaves_while_the_model_reads_has_asked_for_its_input(
    upstream: FakeUpstream,
) -> None:
    upstream.push(Answer((Hang(),)))
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            wire.send(CHAT, encoded(chat()), bearer())
            await upstream.wait_for(1)
        record = await house.recorded()
    assert used(record) == estimated(chat(), 0)


async def test_an_error_in_the_middle_of_a_stream_leaves_what_came_before_it(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(frames([*chunks(), shapes.error("out of memory")], done=False)))
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat(stream=True))
        record = await house.recorded()
    assert (record.state, record.error_message) == (State.FAILED, "out of memory")
    assert used(record) == estimated(chat(stream=True), 5)


async def test_an_answer_without_any_text_has_used_its_input_alone(upstream: FakeUpstream) -> None:
    upstream.push(stream_reply(frames([*chunks(0), FINISH])))
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat(stream=True))
        assert used(await house.recorded()) == estimated(chat(stream=True), 0)


async def test_a_sum_alone_is_of_both(upstream: FakeUpstream) -> None:
    said = {**shapes.chat_completion("fake-model", "abcd" * 10), "usage": {"total_tokens": 30}}
    upstream.push(json_reply(said))
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat())
        assert used(await house.recorded()) == (20, 10, 30, True)


async def test_routes_without_text_have_no_output(upstream: FakeUpstream) -> None:
    vectors = shapes.embeddings("fake-model", ["a"])
    asked = {"model": "m", "input": "a"}
    upstream.push(
        json_reply({**vectors, "usage": None}),
        json_reply(vectors),
        reply(b"RIFF" * 5000, headers=[("content-type", "audio/wav")]),
    )
    async with House(model("m", target(upstream.url))) as house:
        await house.call(asked, "/ai/v1/embeddings")
        assert used(await house.recorded(1)) == estimated(asked, 0)
        await house.call(asked, "/ai/v1/embeddings")
        assert used(await house.recorded(2)) == (1, None, 1, False)
        await house.call(asked, "/ai/v1/audio/speech")
        assert used(await house.recorded(3)) == estimated(asked, 0)


async def test_a_compressed_answer_is_read_too(upstream: FakeUpstream) -> None:
    told = shapes.chat_completion("fake-model", "abcd" * 10, prompt=3, completion=4)
    silent = {name: value for name, value in told.items() if name != "usage"}
    upstream.push(json_reply(told, compressed=True), json_reply(silent, compressed=True))
    async with House(model("m", target(upstream.url))) as house:
        await house.call(chat())
        assert used(await house.recorded(1)) == (3, 4, 7, False)
        await house.call(chat())
        assert used(await house.recorded(2)) == estimated(chat(), 10)


async def test_a_stream_too_large_to_be_kept_keeps_the_input_that_was_told_first(
    upstream: FakeUpstream,
) -> None:
    first = {"type": "message_start", "message": {"usage": {"input_tokens": 1234, "output_tokens": 1}}}
    middle = {"choices": [{"index": 0, "delta": {"content": "y" * 5000}}]}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 99}}
    upstream.push(stream_reply(frames([first, *[middle] * 200, last])))
    async with House(model("m", target(upstream.url)), max_record_bytes=100_000) as house:
        await house.call(chat(stream=True))
        assert used(await house.recorded()) == (1234, 99, 1333, False)


@pytest.mark.parametrize("size", [100, 300_000])
async def test_a_stream_too_large_to_be_kept_is_metered_whatever_its_first_event_is(
    upstream: FakeUpstream, size: int
) -> None:
    events = [{"choices": [{"index": 0, "delta": {"content": "y" * each}}]} for each in (size, *[5000] * 300)]
    upstream.push(
        stream_reply(frames([*events, {**FINISH, "usage": USAGE}])), stream_reply(frames([*events, FINISH]))
    )
    async with House(model("m", target(upstream.url)), max_record_bytes=100_000) as house:
        await house.call(chat(stream=True))
        assert used(await house.recorded(1)) == (5, 2, 7, False)
        await house.call(chat(stream=True))
        record = await house.recorded(2)
    assert record.completion_tokens == pytest.approx((size + 300 * 5000) / 4, rel=0.02)


@pytest.mark.parametrize("size", [100_000, 2_000_000])
@pytest.mark.parametrize("usage", [USAGE, None])
async def test_an_answer_too_large_to_be_held_back_is_metered_by_its_end(
    upstream: FakeUpstream, usage: dict[str, int] | None, size: int
) -> None:
    said = {**shapes.chat_completion("fake-model", "y" * size), "usage": usage}
    upstream.push(json_reply(said))
    async with House(
        model("m", target(upstream.url)),
        settings=upstream_settings(max_reply_bytes=10_000),
        max_record_bytes=20_000,
    ) as house:
        answer = await house.call(chat())
        record = await house.recorded()
    assert len(answer.body) == record.response_size > size
    if usage is not None:
        assert used(record) == (5, 2, 7, False)
    else:
        assert record.estimated
        assert record.completion_tokens == pytest.approx(size / 4, rel=0.01)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json_reply({"text": "abcd" * 10}), (0, 10, 10, None)),
        (json_reply({"text": "abcd" * 10, "duration": 8.5}), (0, 10, 10, 8.5)),
        (reply(b"abcd" * 10, headers=[("content-type", "text/plain")]), (0, 10, 10, None)),
    ],
    ids=["json", "with its duration", "plain"],
)
async def test_a_transcription_without_tokens_is_estimated_by_its_text(
    upstream: FakeUpstream, answer: Answer, expected: tuple[object, ...]
) -> None:
    upstream.push(answer)
    body = form(Part("model", b"m"), Part("file", b"sound" * 5000, "a.wav"))
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(TRANSCRIPTIONS, body, headers())
        await wire.answer()
        record = await house.recorded()
    assert (*used(record)[:3], record.audio_seconds) == expected
    assert record.estimated


async def test_estimates_are_counted(upstream: FakeUpstream) -> None:
    """The first call's are, the second one's were told."""
    upstream.push(stream_reply(frames([*chunks(), FINISH])))
    async with House(model("m", target(upstream.url))) as house:
        for count in (1, 2):
            await house.call(chat(stream=True))
            await house.recorded(count)
        estimates = series(house, "dwctl_gateway_usage_estimated_total")
    assert estimates == {("m", "/v1/chat/completions"): 1.0}

"""Forms with files: routed by their fields, kept on disk when large, passed on with every byte of the files."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from dwctl.core.settings import Duration
from dwctl.gateway.routes import UPLOADS
from dwctl.gateway.settings import GatewaySettings
from dwctl.gateway.uploads.settings import UploadSettings
from dwctl.server.limits import ListenerSettings
from tests.fakes.answers import CLOSED, HANG
from tests.fakes.upstream import FakeUpstream
from tests.gateway.form import BOUNDARY, TRANSCRIPTIONS, Part, form, headers, received, transcribed
from tests.gateway.house import SECRET, House, bearer, chat, key, model, snapshot, target
from tests.gateway.wire import Answer, Wire

SOUND = os.urandom(3_000_000)
MODEL = Part("model", b"m")
FILE = Part("file", SOUND, "a.wav", "Content-Type: audio/wav\r\n")


def settings(**values: Any) -> GatewaySettings:
    """With other limits of uploads."""
    return GatewaySettings(uploads=UploadSettings(**values))


async def ask(wire: Wire, body: bytes, more: dict[str, str] | None = None) -> Answer:
    """A transcription on a connection."""
    wire.send(TRANSCRIPTIONS, body, {**headers(), **(more or {})})
    return await wire.answer()


@pytest.mark.parametrize("order", [(MODEL, FILE), (FILE, MODEL)])
async def test_a_form_is_routed_by_its_model_and_keeps_every_byte_of_its_files(
    upstream: FakeUpstream, tmp_path: Path, order: tuple[Part, ...]
) -> None:
    upstream.push(transcribed, transcribed)
    language = Part("language", b"de")
    known = model("m", target(upstream.url, "whisper", auth=("authorization", "Bearer up")))
    async with House(known, uploads_folder=tmp_path) as house, house.wire() as wire:
        answer = await ask(wire, form(*order, language))
        record = await house.recorded()
        started, asked = house.ledger.started[0]
        finished = house.ledger.finished[0][1]
        # The connection goes on.
        assert (await ask(wire, form(MODEL, Part("file", b"", "empty")))).status == 200

    assert answer.status == 200
    assert answer.header("x-onwards-response-id") == f"resp_{record.id}"
    seen, second = upstream.posts
    names = [(part.name, b"whisper" if part.name == "model" else part.value) for part in (*order, language)]
    assert received(seen) == names
    assert received(second) == [("model", b"whisper"), ("file", b"")]
    assert seen.path == "/v1/audio/transcriptions"
    assert seen.header("authorization") == "Bearer up"
    assert b'filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' in seen.body
    # The row tells sizes; of the bodies nothing is kept.
    assert (record.model, record.target_model, record.path) == ("m", "whisper", "/v1/audio/transcriptions")
    assert record.request_size == len(form(*order, language))
    assert record.response_size == len(answer.body)
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (14, 3, 17)
    assert (asked, finished, started.stream) == (b"", b"", False)
    assert files(tmp_path) == []


async def test_the_override_header_goes_before_the_field_and_stands_in_for_it(upstream: FakeUpstream) -> None:
    upstream.push(transcribed, transcribed)
    async with House(model("m", target(upstream.url, "whisper"))) as house, house.wire() as wire:
        for parts in ((Part("model", b"other"), FILE), (FILE,)):
            assert (await ask(wire, form(*parts), {"model-override": "m"})).status == 200

    for seen in upstream.posts:
        assert received(seen) == [("model", b"whisper"), ("file", SOUND)]


@pytest.mark.parametrize("boundary", ["a-token", "with a blank", "a=b:c/d"])
async def test_a_boundary_of_any_kind(upstream: FakeUpstream, boundary: str) -> None:
    upstream.push(transcribed)
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        wire.send(TRANSCRIPTIONS, form(MODEL, FILE, boundary=boundary), headers(f'"{boundary}"'))
        assert (await wire.answer()).status == 200

    assert received(upstream.posts[0]) == [("model", b"fake-model"), ("file", SOUND)]
    quoted = boundary != "a-token"
    assert ('"' in (upstream.posts[0].header("content-type") or "")) is quoted


@pytest.mark.parametrize("path", sorted(path.decode() for path in UPLOADS))
async def test_every_route_of_forms(upstream: FakeUpstream, path: str) -> None:
    upstream.push(transcribed)
    async with House(model("m", target(upstream.url, "theirs"))) as house, house.wire() as wire:
        wire.send(f"{path}?x=1", form(MODEL, FILE), headers())
        assert (await wire.answer()).status == 200

    assert upstream.posts[0].target == path.removeprefix("/ai") + "?x=1"
    assert received(upstream.posts[0]) == [("model", b"theirs"), ("file", SOUND)]


@pytest.mark.parametrize("step", [1, 7, 1000, 65536])
async def test_a_form_in_pieces_is_the_same_form(upstream: FakeUpstream, step: int) -> None:
    upstream.push(transcribed)
    near = f"\r\n--{BOUNDARY[:-1]}\r\n--{BOUNDARY[:-2]}--\r\n".encode()
    body = form(MODEL, Part("file", near * 30, "f"), after=b"\r\nwhat follows")
    async with House(model("m", target(upstream.url, "whisper"))) as house, house.wire() as wire:
        lines = [f"{name}: {value}" for name, value in headers().items()]
        head = [f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", *lines, "transfer-encoding: chunked", "", ""]
        wire.writer.write("\r\n".join(head).encode())
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            wire.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if not at % 50:
                await wire.writer.drain()
                await asyncio.sleep(0)
        wire.writer.write(b"0\r\n\r\n")
        assert (await wire.answer()).status == 200

    assert received(upstream.posts[0]) == [("model", b"whisper"), ("file", near * 30)]


TWICE = "The field 'model' stands in the form twice; send it once."
NO_FORM = "The body is not multipart/form-data as its Content-Type says: "
TWO_READINGS = NO_FORM + "a part has no name, or one that could be read in two ways."


def odd(disposition: str) -> bytes:
    """A form with one part whose disposition is this."""
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\nm\r\n--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (form(MODEL, FILE, MODEL), TWICE),
        (form(MODEL, Part("stream", b"true"), Part("stream", b"false")), TWICE.replace("model", "stream")),
        (form(Part("model", b"\xff")), "Invalid 'model': expected text in UTF-8."),
        (form(Part("model", b"m" * 1025)), "Invalid 'model': expected at most 1024 bytes."),
        (form(FILE), "Missing required parameter: 'model'."),
        (form(*[Part("a", b"")] * 257), NO_FORM),
        (form(MODEL)[:-8], NO_FORM + "it ends before its last part does."),
        (b'{"model": "m"}', NO_FORM + "it ends before its last part does."),
        (b"junk" + form(MODEL), NO_FORM),
        (odd('form-data; name="x"; name="model"'), TWO_READINGS),
        (odd("form-data; name=\"model\"; name*=utf-8''x"), TWO_READINGS),
        (odd('form-data; name="x\\"; name="model"'), TWO_READINGS),
        (odd("form-data"), TWO_READINGS),
        (odd('form-data; name="x"\r\nContent-Disposition: form-data; name="model"'), TWO_READINGS),
        (odd("attachment; name=model"), NO_FORM),
    ],
)
async def test_what_could_be_read_in_two_ways_is_400(upstream: FakeUpstream, body: bytes, text: str) -> None:
    async with House(model("m", target(upstream.url))) as house:
        async with house.wire() as wire:
            answer = await ask(wire, body)
        assert answer.status == 400
        assert answer.json()["error"]["message"].startswith(text)
        assert house.ledger.started == []
        assert house.gateway.kept_bytes == 0
    assert upstream.posts == []


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"authorization": "Bearer sk-wrong"}, 401),
        ({"content-type": "multipart/form-data"}, 400),
        ({"content-type": f"multipart/mixed; boundary={BOUNDARY}"}, 400),
        ({"content-encoding": "gzip"}, 415),
    ],
)
async def test_what_the_head_rules_out_is_refused_before_the_body(
    upstream: FakeUpstream, more: dict[str, str], status: int
) -> None:
    async with House(model("m", target(upstream.url))) as house, house.wire() as wire:
        lines = [f"{name}: {value}" for name, value in {**headers(), **more}.items()]
        head = [f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", *lines, "content-length: 5000000", "", ""]
        wire.writer.write("\r\n".join(head).encode())
        answer = await wire.answer()
        assert answer.header("connection") == "close"
        assert await wire.reader.read() == b""

    assert answer.status == status


async def test_expect_continue_is_answered_only_when_the_body_is_wanted(upstream: FakeUpstream) -> None:
    upstream.push(transcribed)
    body = form(MODEL, FILE)
    async with House(model("m", target(upstream.url))) as house:
        for secret, first in ((SECRET, b"HTTP/1.1 100 "), ("sk-wrong", b"HTTP/1.1 401 ")):
            async with house.wire() as wire:
                given = {**headers(), **bearer(secret), "content-type": headers()["content-type"]}
                lines = [f"{name}: {value}" for name, value in given.items()]
                lines += ["expect: 100-continue", f"content-length: {len(body)}", "", ""]
                wire.writer.write(
                    "\r\n".join([f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", *lines]).encode()
                )
                assert (await wire.reader.readuntil(b"\r\n")).startswith(first)
                if secret == SECRET:
                    await wire.reader.readuntil(b"\r\n")
                    wire.writer.write(body)
                    assert (await wire.answer()).status == 200


async def test_the_limit_of_a_form_holds_from_both_sides(upstream: FakeUpstream) -> None:
    upstream.push(transcribed)
    body = form(MODEL, FILE)
    for limit, status in ((len(body), 200), (len(body) - 1, 413)):
        async with House(model("m", target(upstream.url)), settings=settings(max_bytes=limit)) as house:
            async with house.wire() as wire:
                answer = await ask(wire, body)
            assert answer.status == status
            # The same without a length: it is counted as it comes.
            if status == 413:
                async with house.wire() as wire:
                    lines = [f"{name}: {value}" for name, value in headers().items()]
                    head = [
                        f"POST {TRANSCRIPTIONS} HTTP/1.1",
                        "host: x",
                        *lines,
                        "transfer-encoding: chunked",
                    ]
                    wire.writer.write("\r\n".join([*head, "", ""]).encode())
                    wire.writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                    assert (await wire.answer()).status == 413
            assert house.gateway.kept_bytes == 0
    text = f"The request's body is larger than {len(body) - 1} bytes."
    assert answer.json()["error"]["message"] == text


async def test_a_form_may_be_larger_than_a_json_body(upstream: FakeUpstream) -> None:
    upstream.push(transcribed)
    small = ListenerSettings(max_body_bytes=1000)
    async with House(model("m", target(upstream.url)), listener=small) as house, house.wire() as wire:
        assert (await ask(wire, form(MODEL, FILE))).status == 200
    async with House(model("m", target(upstream.url)), listener=small) as house:
        assert (await house.call(chat(user="x" * 1000), TRANSCRIPTIONS)).status == 413


async def test_all_forms_together_have_a_limit(upstream: FakeUpstream) -> None:
    upstream.push(HANG, transcribed)
    body = form(MODEL, FILE)
    limits = settings(max_total_bytes=2 * len(SOUND), max_bytes=len(body))
    async with House(model("m", target(upstream.url)), settings=limits) as house:
        async with house.wire() as first, house.wire() as second:
            first.send(TRANSCRIPTIONS, body, headers())
            await upstream.wait_for(1)
            refused = await ask(second, body)
        assert refused.status == 503
        assert refused.header("retry-after") == "5"
        await house.until(lambda: house.gateway.kept_bytes == 0, "the first one is gone")
        async with house.wire() as third:
            assert (await ask(third, body)).status == 200


async def test_a_disk_that_takes_nothing_is_503(upstream: FakeUpstream, tmp_path: Path) -> None:
    gone = tmp_path / "not-there"
    async with House(model("m", target(upstream.url)), uploads_folder=gone) as house:
        async with house.wire() as wire:
            refused = await ask(wire, form(MODEL, FILE))
        assert refused.status == 503
        upstream.push(transcribed)
        async with house.wire() as wire:
            assert (await ask(wire, form(MODEL, Part("file", b"small", "f")))).status == 200
        assert house.gateway.kept_bytes == 0


async def test_a_file_under_way_has_no_name_and_memory_stays_free(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    upstream.push(HANG)
    body = form(MODEL, FILE)
    async with House(model("m", target(upstream.url)), uploads_folder=tmp_path) as house:
        async with house.wire() as wire:
            wire.send(TRANSCRIPTIONS, body, headers())
            await upstream.wait_for(1)
            assert files(tmp_path) == []
            assert open_files(tmp_path) == 1
            assert house.gateway.kept_bytes >= len(SOUND)
        record = await house.recorded()
        assert record.status_code == 499
        assert open_files(tmp_path) == 0
        assert house.gateway.kept_bytes == 0


def files(folder: Path) -> list[str]:
    """Names in a folder."""
    return [entry.name for entry in folder.iterdir()]


def open_files(folder: Path) -> int:
    """Descriptors of this process that are files of a folder, with a name or without."""
    places = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return sum(place.startswith(f"{folder}/") for place in places)


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    body = form(MODEL, FILE)
    async with House(model("m", target(upstream.url)), uploads_folder=tmp_path) as house:
        async with house.wire() as wire:
            lines = [f"{name}: {value}" for name, value in headers().items()]
            head = [
                f"POST {TRANSCRIPTIONS} HTTP/1.1",
                "host: x",
                *lines,
                f"content-length: {len(body)}",
                "",
                "",
            ]
            wire.writer.write("\r\n".join(head).encode() + body[:500_000])
            await house.until(lambda: house.gateway.kept_bytes > 300_000, "some of it has come")
        await house.until(lambda: house.gateway.kept_bytes == 0, "it is gone")
        await house.until(lambda: house.gateway.in_flight == 0, "nothing is under way")
        assert open_files(tmp_path) == 0


async def test_a_body_that_stops_coming_is_408_and_gone(upstream: FakeUpstream) -> None:
    quick = ListenerSettings(body_timeout=Duration(0.01))
    async with House(model("m", target(upstream.url)), listener=quick) as house, house.wire() as wire:
        body = form(MODEL, FILE)
        lines = [f"{name}: {value}" for name, value in headers().items()]
        head = [f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", *lines, f"content-length: {len(body)}", "", ""]
        wire.writer.write("\r\n".join(head).encode() + body[:500_000])
        await house.until(lambda: house.gateway.kept_bytes > 300_000, "some of it has come")
        await house.listener.sweep(asyncio.get_running_loop().time() + 60)
        assert (await wire.answer()).status == 408
        assert house.gateway.kept_bytes == 0


async def test_a_key_that_is_revoked_meanwhile_does_not_count(upstream: FakeUpstream) -> None:
    body = form(MODEL, FILE)
    known = model("m", target(upstream.url))
    async with House(known) as house, house.wire() as wire:
        lines = [f"{name}: {value}" for name, value in headers().items()]
        head = [f"POST {TRANSCRIPTIONS} HTTP/1.1", "host: x", *lines, f"content-length: {len(body)}", "", ""]
        wire.writer.write("\r\n".join(head).encode() + body[:500_000])
        await house.until(lambda: house.gateway.kept_bytes > 300_000, "some of it has come")
        house.routing.snapshot = snapshot({"sk-other": key()}, known, version=2)
        wire.writer.write(body[500_000:])
        assert (await wire.answer()).status == 401
        assert house.gateway.kept_bytes == 0
    assert upstream.posts == []


async def test_a_slow_model_server_holds_the_body_back(upstream: FakeUpstream) -> None:
    """What is not taken stays on disk: the buffer of the connection is bounded, and the loop free for others."""
    big = Part("file", os.urandom(1 << 20) * 30, "f")
    stuck = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        taken = await reader.readexactly(size)
        body = b'{"text": "%d"}' % taken.count(big.value[:64])
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0, limit=1 << 16)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        House(
            model("m", target(f"http://127.0.0.1:{port}/v1")), model("other", target(upstream.url))
        ) as house,
        house.wire() as wire,
    ):
        wire.send(TRANSCRIPTIONS, form(MODEL, big), headers())
        await house.until(lambda: house.gateway.in_flight == 1, "the form is on its way")
        assert (await house.call(chat("other"))).status == 200
        buffered = [
            connection.transport.get_write_buffer_size()
            for origin in house.client._origins.values()
            for connection in origin._busy
            if connection.transport is not None
        ]
        assert buffered
        assert max(buffered) < 1 << 20
        stuck.set()
        answer = await wire.answer()

    assert answer.status == 200
    assert answer.json()["text"] == "30"


async def test_a_kept_connection_that_died_gets_the_body_again(upstream: FakeUpstream) -> None:
    upstream.push(transcribed, CLOSED, transcribed)
    async with House(model("m", target(upstream.url, "whisper"))) as house, house.wire() as wire:
        for _ in range(2):
            assert (await ask(wire, form(MODEL, FILE))).status == 200

    assert len(upstream.posts) == 3
    assert all(received(seen) == [("model", b"whisper"), ("file", SOUND)] for seen in upstream.posts)


async def test_an_answer_before_the_body_was_taken_ends_that_connection(upstream: FakeUpstream) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nno")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1 << 16)
    port = server.sockets[0].getsockname()[1]
    big = Part("file", bytes(20 << 20), "f")
    async with server, House(model("m", target(f"http://127.0.0.1:{port}/v1"))) as house:
        async with house.wire() as wire:
            answer = await ask(wire, form(MODEL, big))
        assert (answer.status, answer.body) == (413, b"no")
        await house.until(
            lambda: all(not origin.open_connections for origin in house.client._origins.values()),
            "the connection is closed",
        )
        assert house.gateway.kept_bytes == 0

"""Files as the official client sends, lists and reads them, and uploads on the wire that do not come to an end."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from tests.engine.files.house import apart_of, jsonl, line
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")

BOUNDARY = "a-boundary"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n%s\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
)
END = f"\r\n--{BOUNDARY}--\r\n".encode()
MIB = 1024 * 1024


def requests(count: int, text: str = "Hello") -> bytes:
    """A file of requests for the model that is there."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    return jsonl(line(n, body=body) for n in range(count))


def files_of(product: Product) -> list[str]:
    """What the first administrator has."""
    answer = httpx.get(
        f"{product.base_url}/files",
        headers={"authorization": f"Bearer {product.key}"},
        trust_env=False,
        timeout=20,
    )
    return [each["id"] for each in answer.raise_for_status().json()["data"]]


def test_upload_retrieve_read_list_delete(client: openai.OpenAI) -> None:
    content = requests(3)
    made = client.files.create(
        file=("mine.jsonl", content),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (made.object, made.filename, made.purpose, made.bytes) == (
        "file", "mine.jsonl", "batch", len(content)
    )  # fmt: skip
    assert made.expires_at == made.created_at + 3600
    assert client.files.retrieve(made.id) == made
    assert client.files.retrieve(f"file-{made.id}") == made
    assert client.files.content(made.id).read() == content
    raw = client.files.with_raw_response.content(made.id)
    assert (raw.headers["x-incomplete"], raw.headers["x-last-line"]) == ("false", "3")
    second = client.files.create(file=("other.txt", b"text"), purpose="user_data")
    assert client.files.content(second.id).read() == b"text"
    listed = [each.id for each in client.files.list(limit=1)]
    assert listed[:2] == [second.id, made.id]
    assert next(iter(client.files.list(purpose="batch", order="desc"))).id == made.id
    for each in (made, second):
        gone = client.files.delete(each.id)
        assert (gone.id, gone.deleted, gone.object) == (each.id, True, "file")
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(each.id)


def test_what_is_wrong_is_told_in_the_usual_envelope(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=("a.jsonl", requests(1) + b"{}\n"), purpose="batch")
    assert caught.value.response.json()["error"] == {
        "message": "Line 2: custom_id: expected a string, but it is not there",
        "type": "invalid_request_error", "param": None, "code": None,
    }  # fmt: skip
    unknown = requests(1).replace(MODEL.encode(), b"nobody")
    with pytest.raises(openai.PermissionDeniedError, match="Line 1: model 'nobody' has not been configured"):
        client.files.create(file=("a.jsonl", unknown), purpose="batch")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").files.list()


def test_a_session_reads_and_uploads_from_our_own_pages_alone(product: Product, admin: httpx.Client) -> None:
    form: dict[str, tuple[str | None, str]] = {"purpose": (None, "user_data"), "file": ("a.txt", "text")}
    made = admin.post("/ai/v1/files", files=form)
    assert made.status_code == 201, made.text
    assert admin.get("/ai/v1/files", params={"limit": 1}).json()["data"][0]["id"] == made.json()["id"]
    elsewhere = {"origin": "http://elsewhere.example"}
    assert admin.post("/ai/v1/files", files=form, headers=elsewhere).status_code == 403
    assert admin.delete(f"/ai/v1/files/{made.json()['id']}").json()["deleted"] is True


def test_a_file_may_be_larger_than_any_call(client: openai.OpenAI) -> None:
    content = requests(20_000, "x" * 2000)
    assert len(content) > 40 * MIB
    made = client.with_options(timeout=120).files.create(file=("large.jsonl", content), purpose="batch")
    assert made.bytes == len(content)
    assert client.files.content(made.id).read() == content
    client.files.delete(made.id)


def test_a_file_that_is_too_large_is_refused_while_it_is_sent(product: Product) -> None:
    before = files_of(product)
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield (HEAD % "user_data").encode()
        while sent < 200 * MIB:
            sent += MIB
            yield bytes(MIB)

    headers = {"authorization": f"Bearer {product.key}", "content-type": KIND}
    with httpx.Client(trust_env=False, timeout=60) as client:
        try:
            answer = client.post(f"{product.base_url}/files", content=body(), headers=headers)
            assert answer.status_code == 413
        except httpx.WriteError:
            # It was told, and then cut because it went on.
            assert sent > 100 * MIB
    assert sent < 200 * MIB
    assert files_of(product) == before


@pytest.mark.parametrize("size", [1, 2000])
def test_a_client_that_leaves_leaves_nothing(product: Product, upstream: UpstreamThread, size: int) -> None:
    before = files_of(product)
    content = requests(1000, "x" * size)
    place = urlsplit(product.address)
    lines = [
        "POST /ai/v1/files HTTP/1.1",
        "host: x",
        f"authorization: Bearer {product.key}",
        f"content-type: {KIND}",
        f"content-length: {10 * len(content)}",
    ]
    with socket.create_connection((place.hostname, place.port), timeout=30) as made:
        made.sendall("\r\n".join([*lines, "", ""]).encode() + (HEAD % "batch").encode() + content)
    assert files_of(product) == before
    # Nobody reads lines for it any more.
    until(lambda: not apart_of(product.pid), "the process that read its lines has ended")


def test_a_client_that_stops_reading_holds_nothing(product: Product, client: openai.OpenAI) -> None:
    content = requests(4000, "x" * 2000)
    made = client.files.create(file=("slow.jsonl", content), purpose="batch")
    place = urlsplit(product.address)
    lines = [
        f"GET /ai/v1/files/{made.id}/content HTTP/1.1",
        "host: x",
        f"authorization: Bearer {product.key}",
        "connection: close",
    ]
    slow = [socket.create_connection((place.hostname, place.port), timeout=30) for _ in range(15)]
    for each in slow:
        each.sendall("\r\n".join([*lines, "", ""]).encode())
        assert each.recv(100).startswith(b"HTTP/1.1 200")
    # There are fewer connections to the database than clients.
    assert client.files.content(made.id).read() == content
    got = b""
    while more := slow[0].recv(65_536):
        got += more
    assert got.endswith(b"0\r\n\r\n")
    for each in slow:
        each.close()
    client.files.delete(made.id)

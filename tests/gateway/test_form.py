"""A form that was read and framed anew is the same form, however it came in pieces and whatever the model's name."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dwctl.gateway.uploads.form import Form, boundary_of
from dwctl.gateway.uploads.spill import Spill, SpillRoom
from dwctl.wire.errors import Refused
from tests.gateway.form import BOUNDARY, Part, form

names = some.text(
    some.characters(min_codepoint=32, max_codepoint=255, exclude_characters='"\\%\x7f'), max_size=20
)
values = some.one_of(
    some.binary(max_size=200),
    some.sampled_from(
        [b"\r\n", b"--", b"\r\n--", f"\r\n--{BOUNDARY[:-1]}".encode(), f"--{BOUNDARY}".encode()[:-1]]
    ),
)
parts = some.builds(
    Part,
    names.filter(lambda name: name not in ("model", "stream")),
    values,
    some.none() | names.map("{}.x".format),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=some.lists(parts, max_size=4),
    after=some.lists(parts, max_size=4),
    model=some.none() | some.text(max_size=30),
    other=some.text(max_size=30),
    step=some.integers(1, 400),
    size=some.integers(1, 400),
    memory=some.sampled_from([0, 100, 100_000]),
)
def test_the_same_form_with_another_model(
    tmp_path: Path,
    before: list[Part],
    after: list[Part],
    model: str | None,
    other: str,
    step: int,
    size: int,
    memory: int,
) -> None:
    def whole(name: str | None) -> bytes:
        own = [] if name is None else [Part("model", name.encode())]
        return form(*before, *own, *after)

    room = SpillRoom(tmp_path, memory_bytes=memory, max_total_bytes=1 << 20)
    spill = Spill(room)
    read = Form(BOUNDARY.encode(), spill)
    body = whole(model)
    for at in range(0, len(body), step):
        read.feed(body[at : at + step])
    peeked = read.end()
    assert (peeked.model, peeked.stream) == (model, False)
    source = read.source(other)
    for _ in range(2):
        source.rewind()
        sent = b"".join(iter(lambda: source.read(size), b""))
        assert len(sent) == source.size
        expected = whole(other) if model is not None else form(Part("model", other.encode()), *before, *after)
        assert sent == expected
    spill.close()
    assert room.used == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.lists(
        some.binary(max_size=60) | some.sampled_from([f"--{BOUNDARY}\r\n".encode(), b"\r\n\r\n", b"--"])
    )
)
def test_no_body_is_too_odd(tmp_path: Path, pieces: list[bytes]) -> None:
    spill = Spill(SpillRoom(tmp_path, memory_bytes=50, max_total_bytes=1 << 20))
    read = Form(BOUNDARY.encode(), spill)
    with suppress(Refused):
        for piece in pieces:
            if piece:
                read.feed(piece)
        read.end()
    spill.close()


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data;boundary="a b:c"', b"a b:c"),
        (b"multipart/form-data; charset=utf-8; boundary=abc", b"abc"),
        (b"multipart/form-data; boundary=abc; charset=utf-8", b"abc"),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=", None),
        (b"multipart/form-data; boundary=" + b"a" * 70, b"a" * 70),
        (b"multipart/form-data; boundary=" + b"a" * 71, None),
        (b"multipart/mixed; boundary=abc", None),
        (b"application/json", None),
    ],
)
def test_the_boundary_of_a_content_type(content_type: bytes, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary

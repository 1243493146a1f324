"""The dashboard's files and page at every path that is no route, and what stands there while it is not built."""

import fcntl
import gzip
import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwctl.web.bundle import choose_coding
from dwctl.web.dashboard import POLICY, Dashboard, place
from dwctl.web.no_dashboard import LINKS
from dwctl.web.security import ALWAYS
from tests.web.house import Application

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = b"console.log('hello');" * 50
PAGE = b"<!doctype html><title>Dashboard</title>"
FOREVER = "public, max-age=31536000, immutable"


def publish(folder: Path, page: bytes = PAGE) -> None:
    """Put a bundle in place as a build does."""
    made = folder / "made"
    (made / "assets").mkdir(parents=True)
    (made / "index.html").write_bytes(page)
    (made / "favicon.svg").write_bytes(b"<svg/>")
    (made / "assets" / "index-1a2b.js").write_bytes(SCRIPT)
    (made / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (made / "assets" / "index-1a2b.js.br").write_bytes(b"as brotli")
    (made / "assets" / "index-1a2b.css").write_bytes(b"a{}")
    made.rename(folder / "bundle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the built dashboard lies."""
    return tmp_path


def application(folder: Path, *, source: bool = True) -> Application:
    """One with this dashboard."""
    return Application(pages=Dashboard(folder, "1.2.3", source=source).answer)


async def get(folder: Path, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """One request of a browser."""
    return await application(folder).call("GET", path, headers=BROWSER | (headers or {}))


@pytest.mark.parametrize("path", ["/", "/models", "/models/a/b", "/index.html", "/admin/users", "/x.y"])
async def test_every_path_of_a_browser_is_the_page(folder: Path, path: str) -> None:
    publish(folder)
    answer = await get(folder, path)
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    assert POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in POLICY
    sources = {word for part in POLICY.split("; ") for word in part.split()[1:]}
    assert sources == {"'none'", "'self'", "data:"}


@pytest.mark.parametrize(
    ("path", "kind", "kept"),
    [
        ("/assets/index-1a2b.js", "text/javascript; charset=utf-8", FOREVER),
        ("/assets/index-1a2b.css", "text/css; charset=utf-8", FOREVER),
        ("/favicon.svg", "image/svg+xml", "no-cache"),
    ],
)
async def test_files_have_their_type_and_are_kept_by_their_name(
    folder: Path, path: str, kind: str, kept: str
) -> None:
    publish(folder)
    answer = await get(folder, path)
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, kept)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("GZIP;q=0.5, br;q=0", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("*", "br"),
        ("*;q=0", ""),
        ("br;q=0, *", "gzip"),
        ("gzip;q=x", ""),
    ],
)
async def test_the_form_is_what_the_browser_reads(folder: Path, accepted: str, coding: str) -> None:
    publish(folder)
    answer = await get(folder, "/assets/index-1a2b.css", {"accept-encoding": accepted})
    assert (answer.content, answer.headers.get("content-encoding")) == (b"a{}", None)
    assert choose_coding(accepted, {"": b"", "gzip": b"", "br": b""}) == coding
    if coding == "br":
        return
    answer = await get(folder, "/assets/index-1a2b.js", {"accept-encoding": accepted})
    assert answer.headers.get("content-encoding", "") == coding
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.content == SCRIPT


@given(st.text(max_size=60))
def test_any_header_chooses_something_that_is_there(accepted: str) -> None:
    forms = {"": b"", "gzip": b""}
    assert choose_coding(accepted, forms) in forms


async def test_what_a_browser_has_is_not_sent_again(folder: Path) -> None:
    publish(folder)
    for path in ("/", "/assets/index-1a2b.js"):
        whole = await get(folder, path, {"accept-encoding": "gzip"})
        etag = whole.headers["etag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            again = await get(folder, path, {"accept-encoding": "gzip", "if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == etag
            assert again.headers["cache-control"] == whole.headers["cache-control"]
        assert (await get(folder, path, {"if-none-match": '"other"'})).status_code == 200
    # The same file in another coding is another representation.
    plain = await get(folder, "/assets/index-1a2b.js", {"accept-encoding": "identity", "if-none-match": etag})
    assert plain.status_code == 200


async def test_head_has_the_headers_alone(folder: Path) -> None:
    publish(folder)
    for path in ("/", "/models", "/assets/index-1a2b.js"):
        whole = await get(folder, path, {"accept-encoding": "identity"})
        head = await application(folder).call("HEAD", path, headers=BROWSER | {"accept-encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert dict(head.headers) == dict(whole.headers)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/api/v1/nothing",
        "/admin/api",
        "/ai/v1/nothing",
        "/ai",
        "/authentication/nothing",
    ],
)
async def test_unknown_paths_of_an_api_are_json(folder: Path, path: str) -> None:
    publish(folder)
    answer = await get(folder, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/", "/assets/index-1a2b.js.gz", "/assets/none"])
async def test_a_file_that_is_not_there_is_no_page(folder: Path, path: str) -> None:
    publish(folder)
    assert (await get(folder, path)).status_code == 404


async def test_programs_get_no_page_for_a_path_that_is_not_there(folder: Path) -> None:
    publish(folder)
    app = application(folder)
    assert (await app.call("GET", "/models", headers={"accept": "application/json"})).status_code == 404
    assert (await app.call("GET", "/", headers={"accept": "*/*"})).content == PAGE
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await app.call(method, "/models", headers=BROWSER)).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "assets/../../secret",
        "..",
        "assets/..\\..\\secret",
        "a/\0",
        "//../secret",
        "assets/%00/../..",
    ],
)
def test_paths_that_lead_out_lead_nowhere(path: str) -> None:
    assert place(f"/{path}", "text/html") is None


@given(st.text(alphabet="./\\a%\0", max_size=12))
def test_no_place_has_a_step_upwards(path: str) -> None:
    found = place(f"/{path}", "text/html")
    assert found is None or (".." not in found.name.split("/") and not found.name.startswith("/"))


async def test_files_beside_the_bundle_are_not_served(folder: Path) -> None:
    publish(folder)
    (folder / "failed.txt").write_text("secret")
    for path in ("/failed.txt", "/bundle/index.html", "/%2e%2e/failed.txt", "/..%2ffailed.txt"):
        assert b"secret" not in (await get(folder, path)).content


async def test_without_a_bundle_the_page_says_how_to_get_one(folder: Path) -> None:
    answer = await get(folder, "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "make dashboard" in answer.text
    assert all(f'href="{path}"' in answer.text for _, path in LINKS)
    assert 'http-equiv="refresh"' not in answer.text
    assert "<script" not in answer.text
    (style,) = re.findall(r"style-src '(\S+)'", answer.headers["content-security-policy"])
    assert style.startswith("sha256-")
    # For curl the same in text.
    plain = await application(folder).call("GET", "/", headers={"accept": "*/*"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.text.startswith(
        "Doubleword Control Layer 1.2.3\nThe dashboard is not built. Build it with: make dashboard\n"
    )
    assert all(path in plain.text for _, path in LINKS)
    assert {name: plain.headers[name] for name in ALWAYS} == ALWAYS
    # Elsewhere it is no success.
    assert (await get(folder, "/models")).status_code == 404
    assert (
        await application(folder).call("GET", "/models", headers={"accept": "*/*"})
    ).text == "There is no page here."


async def test_an_installation_cannot_be_told_to_build(folder: Path) -> None:
    answer = await application(folder, source=False).call("GET", "/", headers=BROWSER)
    assert "built without the dashboard" in answer.text
    assert "make dashboard" not in answer.text


async def test_a_build_that_runs_or_failed_is_told(folder: Path) -> None:
    (folder / "failed.txt").write_text("npm: <no network>\n")
    answer = await get(folder, "/")
    assert "npm: &lt;no network&gt;" in answer.text
    assert "npm: <no network>" in (await application(folder).call("GET", "/")).text
    with (folder / "building").open("w") as lock:
        # A file without a lock is what a killed build leaves.
        assert "could not be built" in (await get(folder, "/")).text
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = await get(folder, "/")
        assert "is being built" in answer.text
        assert 'http-equiv="refresh"' in answer.text
        assert "no network" not in answer.text


async def test_a_dashboard_that_is_built_meanwhile_is_there_at_once(folder: Path) -> None:
    app = application(folder)
    assert "not built" in (await app.call("GET", "/", headers=BROWSER)).text
    publish(folder)
    assert (await app.call("GET", "/", headers=BROWSER)).content == PAGE
    (folder / "bundle").rename(folder / "old")
    publish(folder, b"<title>Another</title>")
    assert (await app.call("GET", "/", headers=BROWSER)).content == b"<title>Another</title>"

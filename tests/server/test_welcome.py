"""What a start prints: everything once, then nothing but the address."""

import json
import shlex

import msgspec

from dwctl.server.welcome import Facts, Imported, welcome

QUIET = Facts(
    version="1.2.3",
    address="http://127.0.0.1:3001",
    data="/srv/dwctl",
    database="",
    admin_email="admin@localhost",
    admin_password=None,
    first_start=False,
)
FIRST = msgspec.structs.replace(QUIET, first_start=True, admin_password="kX2-secret")
IMPORTED = Imported(
    url="http://127.0.0.1:8000/v1/",
    models=("it's", "b", "c", "d", "e", "f"),
    chat_model="it's",
    key="sk-abc",
)


def test_a_second_start_prints_one_line() -> None:
    assert welcome(QUIET) == "dwctl 1.2.3 is ready: http://127.0.0.1:3001\n"


def test_the_first_start_shows_the_password_once_and_the_next_step() -> None:
    text = welcome(FIRST)
    assert text.count("kX2-secret") == 1
    assert "admin@localhost" in text
    assert "/srv/dwctl" in text
    assert "make serve UPSTREAM=" in text
    assert "  dashboard http://127.0.0.1:3001/\n" in text


def test_a_configured_password_is_not_shown() -> None:
    text = welcome(msgspec.structs.replace(FIRST, admin_password=None))
    assert "with the configured password" in text


def test_the_curl_line_survives_a_shell() -> None:
    text = welcome(msgspec.structs.replace(FIRST, imported=IMPORTED))
    words = shlex.split(next(line for line in text.splitlines() if line.startswith("curl ")))
    assert words[1] == "http://127.0.0.1:3001/ai/v1/chat/completions"
    assert "Authorization: Bearer sk-abc" in words
    assert json.loads(words[-1])["model"] == "it's"


def test_the_python_lines_compile_and_name_key_and_model() -> None:
    text = welcome(msgspec.structs.replace(FIRST, imported=IMPORTED))
    code = text[text.index("from openai import") :]
    assert len(code.splitlines()) == 4
    compile(code, "snippet", "exec")
    assert '"it\'s"' in code
    assert "sk-abc" in code


def test_many_models_are_summed_up() -> None:
    text = welcome(msgspec.structs.replace(QUIET, imported=IMPORTED))
    assert "it's, b, c, d, e and 1 more" in text


def test_without_a_new_key_there_are_no_examples() -> None:
    known = msgspec.structs.replace(IMPORTED, key=None)
    assert "curl" not in welcome(msgspec.structs.replace(QUIET, imported=known))


def test_warnings_come_last() -> None:
    text = welcome(msgspec.structs.replace(QUIET, warnings=("email.* is not used",)))
    assert text.endswith("warning: email.* is not used\n")

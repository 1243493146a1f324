"""`dwctl serve --validate`: what is wrong is named with its key, its place and what was expected."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import dwctl
from tests.processes import ROOT


def validate(directory: Path, text: str, **environment: str) -> tuple[int, str]:
    """Status and text of a check of this configuration."""
    file = directory / "dwctl.yaml"
    file.write_text(text)
    ended = dwctl("serve", "--validate", "-f", file, directory=directory, environment=environment)
    return ended.status, ended.output + ended.errors


def test_what_is_right_is_valid(data_dir: Path) -> None:
    text = "port: 4000\nauth:\n  native:\n    session:\n      cookie_name: mine\n"
    assert validate(data_dir, text) == (0, "The configuration is valid.\n")
    assert not (data_dir / ".local").exists()


def test_a_check_loads_nothing_of_a_server(data_dir: Path) -> None:
    ask = (
        "import sys; from dwctl.cli.main import main; main(standalone_mode=False); print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, "serve", "--validate"],
        cwd=data_dir,
        env={"PYTHONPATH": str(ROOT / "src"), "HOME": str(data_dir)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'dwctl.cli.validate'" in done.stdout
    for loaded in ("litestar", "asyncpg", "httpx", "dwctl.gateway.pipeline", "dwctl.server.build"):
        assert f"'{loaded}'" not in done.stdout


def test_an_empty_file_is_valid(data_dir: Path) -> None:
    assert validate(data_dir, "")[0] == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port: [1\n", "dwctl.yaml, line 2, column 1: not YAML"),
        ("- port\n", "expected keys and values"),
        ("prot: 4000\n", "unknown key prot; did you mean port?"),
        (
            "auth:\n  native:\n    sesion: {}\n",
            "unknown key auth.native.sesion; did you mean auth.native.session?",
        ),
        ("port: many\n", "port: expected `int`, got `str`"),
        ("port: 70000\n", "port: expected a number from 0 to 65535"),
        ("listener:\n  keep_alive: soon\n", "listener.keep_alive: expected a duration"),
        ("log:\n  level: loud\n", "log.level: "),
        ("database:\n  type: external\n", "database.url: expected with database.type external"),
        (
            "limits:\n  requests:\n    max_body_size: 0\n",
            "limits.requests.max_body_size: expected more than 0",
        ),
        ("port: 1\nhost: localhost\nport: 2\n", "line 3, column 1: not YAML: the key port stands here twice"),
        ("a: " + "[" * 2000, "nested too deeply"),
        ("listener:\n  drain: -1\n", "listener.drain: expected a duration"),
        ("listener:\n  drain: .inf\n", "listener.drain: expected a duration"),
        ("recording:\n  heartbeat_secs: 0\n", "recording: expected heartbeat_secs > 0"),
        ("database:\n  pool:\n    max_connections: 0\n", "database.pool: expected max_connections > 0"),
        ("database:\n  pool:\n    acquire_timeout_secs: 0\n", "database.pool.acquire_timeout_secs: "),
        ("connections: 5\n", "connections: expected keys and values below it"),
        (
            "limits: {files: {max_file_size: 0}}\n",
            "limits.files: expected max_file_size and max_stall_secs > 0",
        ),
        ("limits: {files: {least_rate: 1000}}\n", "limits.files.least_rate: expected 0, or 65536 or more"),
        ("limits: {files: {least_rate: -1}}\n", "limits.files: expected max_file_size"),
        ("batches: {files: {max_expiry_seconds: 60}}\n", "batches.files: expected 0 < min_expiry_seconds <="),
        ("host: 0.0.0.0\nadmin_password: password\n", "the admin_password is too weak to listen on 0.0.0.0"),
        ("admin_email: nobody\n", "admin_email: expected an e-mail address"),
        ("listener:\n  max_body_bytes: 1000\n", "set limits.requests.max_body_size instead"),
        ("listener:\n  private_key: key.pem\n", "listener.certificate: expected with listener.private_key"),
        (
            "gateway:\n  upstream:\n    networks:\n      denied: [10.0.0.1/8]\n",
            "gateway.upstream.networks: expected networks such as 10.0.0.0/8 in allowed and denied",
        ),
    ],
)
def test_what_is_wrong_is_named(data_dir: Path, text: str, told: str) -> None:
    status, said = validate(data_dir, text)
    assert status == 1
    assert said.startswith("dwctl: ")
    assert told in said
    assert said.count("\ndwctl: ") == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("analytics:\n  batch_size: 10\n", "analytics"),
        ("dashboard_url: https://dwctl.example\n", "dashboard_url"),
        ("slow_statement_threshold_ms: 500\n", "slow_statement_threshold_ms"),
        ("database:\n  pool:\n    max_lifetime_secs: 60\n", "database.pool.max_lifetime_secs"),
        (
            "background_services:\n  onwards_sync:\n    enabled: true\n",
            "background_services.onwards_sync.enabled",
        ),
    ],
)
def test_a_key_of_the_contract_that_is_not_used_is_accepted_and_told(
    data_dir: Path, text: str, told: str
) -> None:
    status, said = validate(data_dir, text)
    assert status == 0
    assert f"Accepted and not used by this version: {told}\n" in said


def test_the_environment_goes_before_the_file_and_flags_go_before_both(data_dir: Path) -> None:
    assert validate(data_dir, "port: 70000\n", DWCTL_PORT="4000")[0] == 0
    status, said = validate(data_dir, "port: 4000\n", DWCTL_PORT="70000")
    assert (status, "port: expected" in said) == (1, True)
    file = data_dir / "dwctl.yaml"
    wrong = {"DWCTL_PORT": "70000"}
    ended = dwctl("serve", "--validate", "-f", file, "--port", "4000", directory=data_dir, environment=wrong)
    assert ended.status == 0


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"DWCTL_HOST": "0.0.0.0", "DWCTL_ADMIN_PASSWORD": "x" * 20},
            "admin_password is too weak to listen on 0.0.0.0",
        ),
        (
            {"DWCTL_HOST": "0.0.0.0", "DWCTL_SECRET_KEY": "x" * 40},
            "secret_key is too weak to listen on 0.0.0.0",
        ),
        ({"DWCTL_ADMIN_EMAIL": "nobody"}, "admin_email: expected an e-mail address"),
        (
            {"DWCTL_DATA_DIR": "~no-such-person/x"},
            "data_dir: there is no such home directory: ~no-such-person/x",
        ),
        ({"DWCTL_PORT": "many"}, "port: expected `int`, got `str` (from DWCTL_PORT)"),
        ({"DWCTL_CONNECTIONS": "1"}, "DWCTL_CONNECTIONS: connections: expected keys and values below it"),
        ({"DATABASE_URL": "", "DWCTL_DATABASE__TYPE": "external"}, "database.url: expected with"),
    ],
)
def test_variables_reach_their_keys(data_dir: Path, environment: dict[str, str], told: str) -> None:
    status, said = validate(data_dir, "", **environment)
    assert status == 1
    assert told in said
    # A flag goes before the variable.
    if "DWCTL_HOST" in environment:
        flag = ["--host", "127.0.0.1"]
        assert dwctl("serve", "--validate", *flag, directory=data_dir, environment=environment).status == 0


def test_nested_keys_and_lists_of_the_environment(data_dir: Path) -> None:
    origins = '["https://a.example", "https://b.example"]'
    assert validate(data_dir, "", DWCTL_AUTH__SECURITY__CORS__ALLOWED_ORIGINS=origins)[0] == 0
    status, said = validate(data_dir, "", DWCTL_AUTH__SECURITY__CORS__ALOWED_ORIGINS=origins)
    assert status == 1
    assert "DWCTL_AUTH__SECURITY__CORS__ALOWED_ORIGINS: unknown key" in said
    assert "did you mean auth.security.cors.allowed_origins?" in said


def test_the_file_that_the_environment_names(data_dir: Path) -> None:
    file = data_dir / "elsewhere.yaml"
    file.write_text("port: 70000\n")
    ended = dwctl("serve", "--validate", directory=data_dir, environment={"DWCTL_CONFIG": str(file)})
    assert "port: expected" in ended.errors
    file.unlink()
    ended = dwctl("serve", "--validate", directory=data_dir, environment={"DWCTL_CONFIG": str(file)})
    assert ended.status == 1
    assert f"the configuration file {file} is not there" in ended.errors

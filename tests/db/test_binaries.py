"""Whose rights the embedded server has, and what is said where PostgreSQL would only fail."""

import os
import pwd
from pathlib import Path

import pytest

from dwctl.core.errors import SetupError
from dwctl.db.binaries import known_user, runner


def unknown_uid() -> int:
    """A user id without an entry in the user database, as containers are often given."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in range(54321, 60000) if uid not in taken)


def test_a_user_without_an_entry_is_told_what_to_do() -> None:
    with pytest.raises(SetupError) as caught:
        known_user(unknown_uid())
    assert f"the user id {unknown_uid()} has no entry in the user database" in caught.value.message
    for way_out in ("/etc/passwd", "start as another user", "DATABASE_URL"):
        assert way_out in caught.value.message


def test_an_owner_without_an_entry_is_told_with_what_it_owns() -> None:
    with pytest.raises(SetupError, match="/data/postgres belongs to the user id") as caught:
        known_user(unknown_uid(), Path("/data/postgres"))
    assert "chown -R nobody /data/postgres" in caught.value.message


def test_the_server_is_never_root(tmp_path: Path) -> None:
    who = runner(tmp_path / "postgres")
    assert who.name != "root"
    assert (who.uid is None) == (os.geteuid() != 0)

"""How often a password may be tried."""

import pytest

from dwctl.core.errors import TooManyRequests
from dwctl.identity.attempts import PER_ACCOUNT, PER_ADDRESS, WINDOW, Attempts
from tests.fakes.clock import FakeClock


def test_an_account_is_closed_after_too_many_tries_and_opens_again() -> None:
    clock = FakeClock()
    attempts = Attempts(clock)
    for number in range(PER_ACCOUNT):
        attempts.begin("a@example.com", f"10.0.0.{number}")
        clock.advance(1)
    with pytest.raises(TooManyRequests) as refused:
        attempts.begin("a@example.com", "10.0.1.1")
    assert refused.value.retry_after == WINDOW - PER_ACCOUNT
    attempts.begin("b@example.com", "10.0.1.1")
    clock.advance(refused.value.retry_after)
    attempts.begin("a@example.com", "10.0.1.1")


def test_an_address_is_closed_after_too_many_accounts() -> None:
    attempts = Attempts(FakeClock())
    for number in range(PER_ADDRESS):
        attempts.begin(f"{number}@example.com", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        attempts.begin("another@example.com", "10.0.0.1")
    attempts.begin("another@example.com", "10.0.0.2")


def test_spelling_makes_no_other_account() -> None:
    attempts = Attempts(FakeClock())
    for _ in range(PER_ACCOUNT):
        attempts.begin("A@Example.com ", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        attempts.begin("a@example.com", "10.0.0.2")


def test_success_forgets_the_account_and_takes_one_try_of_the_address_back() -> None:
    attempts = Attempts(FakeClock())
    for _ in range(PER_ADDRESS * 2):
        attempts.begin("a@example.com", "10.0.0.1")
        attempts.succeeded("a@example.com", "10.0.0.1")
    for number in range(PER_ADDRESS - 1):
        attempts.begin(f"{number}@example.com", "10.0.0.1")
    attempts.begin("a@example.com", "10.0.0.1")
    attempts.succeeded("a@example.com", "10.0.0.1")
    attempts.begin("a@example.com", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        attempts.begin("a@example.com", "10.0.0.1")


def test_a_refused_try_does_not_count() -> None:
    clock = FakeClock()
    attempts = Attempts(clock)
    for _ in range(PER_ACCOUNT):
        attempts.begin("a@example.com", "10.0.0.1")
    clock.advance(WINDOW / 2)
    with pytest.raises(TooManyRequests):
        attempts.begin("a@example.com", "10.0.0.1")
    clock.advance(WINDOW / 2)
    for _ in range(PER_ACCOUNT):
        attempts.begin("a@example.com", "10.0.0.1")

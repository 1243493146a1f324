"""How many examples a property test tries: a part of them each time, all of them beside the long tests."""

from hypothesis import settings

QUICK = 25
THOROUGH = 100


def register() -> None:
    """The profiles; `make test-long` asks for the thorough one."""
    # A slow machine is no fault of an example: no test holds a time.
    settings.register_profile("quick", max_examples=QUICK, deadline=None)
    settings.register_profile("thorough", max_examples=THOROUGH, deadline=None)
    settings.load_profile("quick")


def examples(count: int) -> int:
    """The profile's part of `count`, which a thorough run tries."""
    return max(1, count * settings().max_examples // THOROUGH)

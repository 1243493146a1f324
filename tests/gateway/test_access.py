"""Which account may use which model: by a group in common, or because everyone may."""

import pytest

from dwctl.routing.snapshot import EVERYONE
from tests.fakes.upstream import FakeUpstream
from tests.gateway.house import SECRET, House, chat, key, model, target


@pytest.mark.parametrize(
    ("account", "groups", "status"),
    [
        ((), (EVERYONE,), 200),
        ((), ("a",), 403),
        (("a",), ("a",), 200),
        (("a", "b"), ("c", "b"), 200),
        (("a",), ("b", EVERYONE), 200),
        (("a",), ("b",), 403),
        # A model without a group is nobody's, not everybody's.
        (("a",), (), 403),
        ((), (), 403),
    ],
)
async def test_a_group_in_common(
    upstream: FakeUpstream, account: tuple[str, ...], groups: tuple[str, ...], status: int
) -> None:
    known = model("m", target(upstream.url), groups=groups)
    async with House(known, keys={SECRET: key(groups=account)}) as house:
        answer = await house.call(chat())
        listed = (await house.get("/ai/v1/models")).json()["data"]

    assert answer.status == status
    assert len(listed) == (status == 200)
    if status == 403:
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("forbidden", "model")
        text = "You do not have access to 'm'. Please contact your administrator to request access."
        assert error["message"] == text

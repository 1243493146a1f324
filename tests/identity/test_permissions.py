"""Who may do what: the matrix of roles, and the words of a refusal."""

import pytest

from dwctl.core.errors import Forbidden
from dwctl.identity.permissions import GRANTED, Operation, Resource, Scope, allows, require
from dwctl.identity.principal import NIL, Principal


def who(*roles: str, is_admin: bool = False) -> Principal:
    """Somebody with these roles."""
    return Principal(user_id=NIL, email="x@example.com", roles=frozenset(roles), is_admin=is_admin)


def letters(role: str, resource: Resource, scope: Scope) -> str:
    """What a role alone may do, such as `CRUD`."""
    return "".join(
        operation.value[0] for operation in Operation if (resource, operation, scope) in GRANTED[role]
    )


@pytest.mark.parametrize(
    ("role", "resource", "own", "everything"),
    [
        ("StandardUser", Resource.USERS, "RU", ""),
        ("StandardUser", Resource.GROUPS, "", ""),
        ("StandardUser", Resource.MODELS, "R", ""),
        ("StandardUser", Resource.ENDPOINTS, "", ""),
        ("StandardUser", Resource.API_KEYS, "CRUD", ""),
        ("StandardUser", Resource.REQUESTS, "R", ""),
        ("StandardUser", Resource.CREDITS, "R", ""),
        ("StandardUser", Resource.ORGANIZATIONS, "CRU", ""),
        ("PlatformManager", Resource.USERS, "CRUD", "CRUD"),
        ("PlatformManager", Resource.REQUESTS, "", ""),
        ("PlatformManager", Resource.SYSTEM, "CRUD", "CRUD"),
        ("RequestViewer", Resource.REQUESTS, "R", "R"),
        ("RequestViewer", Resource.ANALYTICS, "R", "R"),
        ("RequestViewer", Resource.GROUPS, "R", ""),
        ("RequestViewer", Resource.USERS, "R", ""),
        ("BillingManager", Resource.USERS, "R", "R"),
        ("BillingManager", Resource.CREDITS, "CRUD", "CRUD"),
        ("BillingManager", Resource.MODELS, "", ""),
        ("BatchAPIUser", Resource.FILES, "CRD", ""),
        ("BatchAPIUser", Resource.BATCHES, "CRUD", ""),
        ("ConnectionsUser", Resource.FILES, "R", ""),
        ("ConnectionsUser", Resource.CONNECTIONS, "CRUD", ""),
    ],
)
def test_the_matrix(role: str, resource: Resource, own: str, everything: str) -> None:
    assert letters(role, resource, Scope.OWN) == own
    assert letters(role, resource, Scope.ALL) == everything


def test_permissions_add_up_and_everyone_is_a_standard_user() -> None:
    both = who("RequestViewer", "BatchAPIUser")
    assert allows(both, Resource.REQUESTS, Operation.READ, Scope.ALL)
    assert allows(both, Resource.FILES, Operation.DELETE, Scope.OWN)
    assert allows(who(), Resource.API_KEYS, Operation.CREATE, Scope.OWN)
    assert not allows(who("Unheard"), Resource.USERS, Operation.READ, Scope.ALL)


def test_administrators_may_do_everything() -> None:
    for resource in Resource:
        for operation in Operation:
            assert allows(who(is_admin=True), resource, operation, Scope.ALL)


def test_the_words_of_a_refusal() -> None:
    with pytest.raises(Forbidden, match=r"^Insufficient permissions to Update ModelRateLimits$"):
        require(who(), Resource.MODEL_RATE_LIMITS, Operation.UPDATE)
    require(who("PlatformManager"), Resource.MODEL_RATE_LIMITS, Operation.UPDATE)

"""What each role may do (spec/platform §2.6), as data. Pure.

Permissions of a person are the union over their roles; everyone has StandardUser; administrators may do
everything. A permission for all rows implies the one for own rows.
"""

from enum import Enum, StrEnum

from dwctl.core.errors import Forbidden
from dwctl.identity.principal import STANDARD, Principal


class Operation(StrEnum):
    """What is done to a resource."""

    CREATE = "Create"
    READ = "Read"
    UPDATE = "Update"
    DELETE = "Delete"


class Scope(Enum):
    """Whose rows."""

    OWN = 1
    ALL = 2


class Resource(StrEnum):
    """What it is done to; the values stand in messages."""

    USERS = "Users"
    GROUPS = "Groups"
    MODELS = "Models"
    COMPOSITE_MODELS = "CompositeModels"
    ENDPOINTS = "Endpoints"
    API_KEYS = "ApiKeys"
    ANALYTICS = "Analytics"
    REQUESTS = "Requests"
    PRICING = "Pricing"
    MODEL_RATE_LIMITS = "ModelRateLimits"
    CREDITS = "Credits"
    PROBES = "Probes"
    FILES = "Files"
    BATCHES = "Batches"
    WEBHOOKS = "Webhooks"
    ORGANIZATIONS = "Organizations"
    SYSTEM = "System"
    TOOL_SOURCES = "ToolSources"
    CONNECTIONS = "Connections"


_LETTERS = {"C": Operation.CREATE, "R": Operation.READ, "U": Operation.UPDATE, "D": Operation.DELETE}
_ALL = "CRUD"

# role -> resource -> (letters for own rows, letters for all rows)
_MATRIX: dict[str, dict[Resource, tuple[str, str]]] = {
    STANDARD: {
        Resource.USERS: ("RU", ""),
        Resource.MODELS: ("R", ""),
        Resource.COMPOSITE_MODELS: ("R", ""),
        Resource.API_KEYS: (_ALL, ""),
        # Beside the contract: everybody sees the calls of their own keys (decision 0026).
        Resource.REQUESTS: ("R", ""),
        Resource.CREDITS: ("R", ""),
        Resource.WEBHOOKS: (_ALL, ""),
        Resource.ORGANIZATIONS: ("CRU", ""),
    },
    # A manager runs the platform and sees totals; prompts and answers need RequestViewer.
    "PlatformManager": {resource: ("", _ALL) for resource in Resource if resource is not Resource.REQUESTS},
    "RequestViewer": {
        Resource.USERS: ("R", ""),
        Resource.GROUPS: ("R", ""),
        Resource.ANALYTICS: ("", "R"),
        Resource.REQUESTS: ("", "R"),
        Resource.CREDITS: ("R", ""),
    },
    "BillingManager": {Resource.USERS: ("", "R"), Resource.CREDITS: ("", _ALL)},
    "BatchAPIUser": {Resource.FILES: ("CRD", ""), Resource.BATCHES: (_ALL, "")},
    "ConnectionsUser": {
        Resource.FILES: ("R", ""),
        Resource.BATCHES: ("R", ""),
        Resource.CONNECTIONS: (_ALL, ""),
    },
}


def _granted() -> dict[str, frozenset[tuple[Resource, Operation, Scope]]]:
    granted = {}
    for role, resources in _MATRIX.items():
        found = set()
        for resource, (own, everything) in resources.items():
            found |= {(resource, _LETTERS[letter], Scope.OWN) for letter in own + everything}
            found |= {(resource, _LETTERS[letter], Scope.ALL) for letter in everything}
        granted[role] = frozenset(found)
    return granted


GRANTED = _granted()


def allows(principal: Principal, resource: Resource, operation: Operation, scope: Scope) -> bool:
    """Whether a principal may do this."""
    if principal.is_admin:
        return True
    wanted = (resource, operation, scope)
    return any(wanted in GRANTED.get(role, ()) for role in {*principal.roles, STANDARD})


def require(principal: Principal, resource: Resource, operation: Operation, scope: Scope = Scope.ALL) -> None:
    """Raise the contract's 403 unless the principal may do this."""
    if not allows(principal, resource, operation, scope):
        raise Forbidden(f"Insufficient permissions to {operation} {resource}")

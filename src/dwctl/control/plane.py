"""The control plane's objects, built once by the composition root."""

from collections.abc import Sequence

import msgspec

from dwctl.control.bootstrap import Bootstrap
from dwctl.control.components.actions import ComponentActions
from dwctl.control.components.store import ComponentStore
from dwctl.control.endpoints.actions import EndpointActions
from dwctl.control.endpoints.store import EndpointStore
from dwctl.control.groups.actions import GroupActions
from dwctl.control.groups.store import GroupStore
from dwctl.control.keys.actions import KeyActions
from dwctl.control.keys.store import KeyStore
from dwctl.control.models.actions import ModelActions
from dwctl.control.models.pricing import Pricing
from dwctl.control.models.provider import ProviderPriceStore
from dwctl.control.models.rules import RuleStore
from dwctl.control.models.store import ModelStore
from dwctl.control.models.tariffs import TariffStore
from dwctl.control.monitoring.actions import MonitoringActions
from dwctl.control.organizations.actions import OrganizationActions
from dwctl.control.organizations.store import OrganizationStore
from dwctl.control.playground.actions import PlaygroundActions
from dwctl.control.requests.actions import Recorded, RequestActions
from dwctl.control.requests.store import RequestLog
from dwctl.control.session.actions import SessionActions
from dwctl.control.tools.actions import ToolActions
from dwctl.control.tools.store import ToolStore
from dwctl.control.transactions.actions import TransactionActions
from dwctl.control.transactions.store import TransactionStore
from dwctl.control.users.actions import UserActions
from dwctl.control.users.store import UserStore
from dwctl.core.clock import Clock
from dwctl.core.dial import Dialer
from dwctl.core.networks import Networks
from dwctl.core.seal import Seal
from dwctl.db.postgres import Database
from dwctl.db.replica import Reading
from dwctl.identity.attempts import Attempts
from dwctl.identity.authenticate import NOBODY, Authenticator
from dwctl.identity.secrets import Passwords
from dwctl.identity.sessions import Sessions
from dwctl.identity.settings import AuthSettings
from dwctl.identity.store import IdentityStore
from dwctl.requests.events.store import EventStore
from dwctl.requests.queue.demand.store import DemandStore
from dwctl.requests.store import RequestStore
from dwctl.routing.change import Propagation
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.usage.ledger import LedgerStore
from dwctl.usage.settings import NO_CREDIT, CreditSettings


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes call."""

    authenticator: Authenticator
    identity: IdentityStore
    sessions: SessionActions
    users: UserActions
    groups: GroupActions
    organizations: OrganizationActions
    keys: KeyActions
    endpoints: EndpointActions
    models: ModelActions
    components: ComponentActions
    playground: PlaygroundActions
    requests: RequestActions
    transactions: TransactionActions
    monitoring: MonitoringActions
    tools: ToolActions
    bootstrap: Bootstrap


def build_plane(
    *,
    database: Database,
    settings: AuthSettings,
    secret_key: str,
    seal: Seal,
    clock: Clock,
    propagation: Propagation,
    proxies: Networks = NOBODY,
    recorded: Recorded,
    dialer: Dialer | None = None,
    credit: CreditSettings = NO_CREDIT,
    windows: Sequence[str] = ("24h",),
    reading: Reading | None = None,
) -> Plane:
    """Build the objects of the control plane; `windows` are the completion windows of batches."""
    identity = IdentityStore(database)
    passwords = Passwords(settings.native.password)
    sessions = Sessions(secret_key, settings.security.jwt_expiry, clock)
    group_store = GroupStore(database)
    user_store = UserStore(database)
    key_store = KeyStore(database)
    endpoint_store = EndpointStore(database, seal)
    model_store = ModelStore(database)
    component_store = ComponentStore(database)
    groups = GroupActions(group_store, propagation)
    ledger = LedgerStore(database)
    users = UserActions(user_store, groups, propagation, ledger, clock)
    dialer = dialer or Dialer()
    endpoints = EndpointActions(endpoint_store, propagation, clock, dialer)
    return Plane(
        authenticator=Authenticator(
            identity,
            sessions,
            settings.native.session.cookie_name,
            take_sessions=settings.native.enabled,
            proxies=proxies,
        ),
        identity=identity,
        sessions=SessionActions(
            settings=settings,
            store=identity,
            users=users,
            passwords=passwords,
            sessions=sessions,
            attempts=Attempts(clock),
            clock=clock,
            initial_credits=credit.initial_credits_for_standard_users,
        ),
        users=users,
        groups=groups,
        organizations=OrganizationActions(OrganizationStore(database), users, propagation),
        keys=KeyActions(key_store, propagation, clock),
        endpoints=endpoints,
        models=ModelActions(
            model_store,
            endpoint_store,
            component_store,
            propagation,
            RuleStore(database),
            Pricing(TariffStore(database), ProviderPriceStore(database)),
            windows,
        ),
        components=ComponentActions(component_store, model_store, propagation),
        playground=PlaygroundActions(HiddenKeys(database, propagation, "playground")),
        requests=RequestActions(
            RequestLog(database, clock, reading=reading),
            RequestStore(database),
            EventStore(database),
            recorded,
        ),
        transactions=TransactionActions(TransactionStore(database), ledger),
        monitoring=MonitoringActions(DemandStore(database, reading), clock, windows),
        tools=ToolActions(ToolStore(database, seal), propagation, dialer),
        bootstrap=Bootstrap(
            identity=identity,
            users=user_store,
            endpoints=endpoints,
            endpoint_store=endpoint_store,
            models=model_store,
            keys=key_store,
            passwords=passwords,
            propagation=propagation,
            clock=clock,
        ),
    )

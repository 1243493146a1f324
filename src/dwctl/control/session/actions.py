"""Sessions of people with a password (spec/platform §2.3)."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from litestar.datastructures import Cookie

from dwctl.control.session.structs import LoginState, PasswordChange, Registration, State
from dwctl.control.users.actions import UserActions
from dwctl.control.users.structs import User, UserCreate
from dwctl.core.clock import Clock
from dwctl.core.errors import BadRequest, Conflict, Forbidden, Unauthenticated
from dwctl.identity.attempts import Attempts
from dwctl.identity.authenticate import ORGANIZATION_COOKIE
from dwctl.identity.principal import Principal
from dwctl.identity.secrets import Passwords
from dwctl.identity.sessions import Sessions
from dwctl.identity.settings import AuthSettings
from dwctl.identity.store import IdentityStore
from dwctl.usage.prices import ZERO

CHOICE_LASTS = 30 * 86_400.0
"""Seconds for which a browser remembers an organization; signing out forgets it."""
REGISTRATION = "registration"
"""The account under which registrations from one address are counted."""


class SessionActions:
    """Rules before cookies."""

    def __init__(
        self,
        *,
        settings: AuthSettings,
        store: IdentityStore,
        users: UserActions,
        passwords: Passwords,
        sessions: Sessions,
        attempts: Attempts,
        clock: Clock,
        initial_credits: Decimal = ZERO,
    ) -> None:
        self._settings = settings.native
        self._initial_credits = initial_credits
        self._default_roles = settings.default_user_roles
        self._store = store
        self._users = users
        self._passwords = passwords
        self._sessions = sessions
        self._attempts = attempts
        self._clock = clock

    def login_state(self, cookies: Mapping[str, str]) -> LoginState:
        """Whether people may sign in with a password, and whether these cookies say that somebody has."""
        enabled = self._settings.enabled
        has_session = self._settings.session.cookie_name in cookies
        return LoginState(enabled, f"Native login is {'enabled' if enabled else 'disabled'}", has_session)

    @property
    def registration_state(self) -> State:
        """Whether people may make their own account."""
        enabled = self._settings.enabled and self._settings.allow_registration
        return State(enabled, f"Registration is {'enabled' if enabled else 'disabled'}")

    async def login(self, email: str, password: str, address: str) -> tuple[User, str]:
        """The account and a fresh token. One answer for an unknown account and a wrong password."""
        if not self._settings.enabled:
            raise BadRequest(self.login_state({}).message)
        self._attempts.begin(email, address)
        account = await self._store.account_by_email(email)
        known = None if account is None else account.password_hash
        if not await self._passwords.matches(password, known) or account is None:
            raise Unauthenticated("Invalid email or password")
        self._attempts.succeeded(email, address)
        await self._store.note_login(account.id)
        return await self._users.show(account.id), self._sessions.sign(account.id)

    async def register(self, wanted: Registration, address: str) -> tuple[User, str]:
        """A new account of somebody's own, and a token. Taken names answer 400, as the contract has it."""
        state = self.registration_state
        if not state.enabled:
            raise BadRequest(state.message)
        self._attempts.begin(f"{REGISTRATION} {address}", address)
        self._passwords.check_length(wanted.password)
        account = UserCreate(
            username=wanted.username,
            email=wanted.email,
            display_name=wanted.display_name,
            roles=list(self._default_roles),
        )
        try:
            hashed = await self._passwords.hash(wanted.password)
            user = await self._users.add(account, hashed, self._initial_credits)
        except Conflict as error:
            raise BadRequest(error.message) from error
        return user, self._sessions.sign(user.id)

    async def change_password(self, who: Principal, change: PasswordChange, address: str) -> str:
        """A token for the session that goes on."""
        account = await self._store.account(who.user_id)
        if account is None or account.password_hash is None:
            raise BadRequest("This account has no password")
        self._passwords.check_length(change.new_password, "new_password")
        self._attempts.begin(account.email, address)
        if not await self._passwords.matches(change.current_password, account.password_hash):
            raise Unauthenticated("The current password is not right")
        self._attempts.succeeded(account.email, address)
        new_hash = await self._passwords.hash(change.new_password)
        await self._store.set_password(who.user_id, new_hash, self._clock.now())
        return self._sessions.sign(who.user_id)

    async def choose(self, who: Principal, organization_id: UUID | None) -> None:
        """403 for an organization that the caller does not belong to."""
        if organization_id is None:
            return
        if await self._store.role_in(organization_id, who.user_id) is None:
            raise Forbidden(f"You are not a member of the organization with ID {organization_id}")

    def cookie(self, token: str, *, https: bool) -> Cookie:
        """The session cookie; an empty token ends it."""
        session = self._settings.session
        return self._cookie(session.cookie_name, token, session.timeout, https=https)

    def organization_cookie(self, organization_id: UUID | None, *, https: bool) -> Cookie:
        """What a session's next requests say for whom they are; None ends it."""
        value = "" if organization_id is None else str(organization_id)
        return self._cookie(ORGANIZATION_COOKIE, value, CHOICE_LASTS, https=https)

    def _cookie(self, name: str, value: str, seconds: float, *, https: bool) -> Cookie:
        session = self._settings.session
        return Cookie(
            key=name,
            value=value,
            path="/",
            domain=session.cookie_domain or None,
            httponly=True,
            secure=https if session.cookie_secure is None else session.cookie_secure,
            samesite=session.cookie_same_site,
            max_age=int(seconds) if value else 0,
        )

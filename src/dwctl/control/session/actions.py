"""Sessions of people with a password."""

from litestar.datastructures import Cookie

from dwctl.control.users.actions import UserActions
from dwctl.control.users.structs import User
from dwctl.core.errors import BadRequest, Unauthenticated
from dwctl.identity.attempts import Attempts
from dwctl.identity.principal import Principal
from dwctl.identity.secrets import Passwords
from dwctl.identity.sessions import Sessions
from dwctl.identity.settings import NativeSettings
from dwctl.identity.store import IdentityStore


class SessionActions:
    """Rules before cookies."""

    def __init__(
        self,
        *,
        settings: NativeSettings,
        store: IdentityStore,
        users: UserActions,
        passwords: Passwords,
        sessions: Sessions,
        attempts: Attempts,
    ) -> None:
        self._settings = settings
        self._store = store
        self._users = users
        self._passwords = passwords
        self._sessions = sessions
        self._attempts = attempts

    @property
    def enabled(self) -> bool:
        """Whether people may sign in with a password."""
        return self._settings.enabled

    @property
    def state(self) -> str:
        """The same in words."""
        return "Native login is enabled" if self.enabled else "Native login is disabled"

    async def login(self, email: str, password: str, address: str) -> tuple[User, str]:
        """The account and a fresh token. One answer for an unknown account and a wrong password."""
        if not self.enabled:
            raise BadRequest("Native login is disabled")
        self._attempts.check(email, address)
        account = await self._store.account_by_email(email)
        known = None if account is None else account.password_hash
        if not await self._passwords.matches(password, known) or account is None:
            self._attempts.failed(email, address)
            raise Unauthenticated("Invalid email or password")
        self._attempts.succeeded(email)
        await self._store.note_login(account.id)
        return await self._users.show(account.id), self._sessions.sign(account.id)

    async def change_password(self, who: Principal, current: str, new: str) -> str:
        """A token for the session that goes on."""
        account = await self._store.account(who.user_id)
        if account is None or account.password_hash is None:
            raise BadRequest("This account has no password")
        self._attempts.check(account.email, "")
        if not await self._passwords.matches(current, account.password_hash):
            self._attempts.failed(account.email, "")
            raise Unauthenticated("The current password is not right")
        self._passwords.check_length(new, "new_password")
        await self._store.set_password(who.user_id, await self._passwords.hash(new))
        return self._sessions.sign(who.user_id)

    def cookie(self, token: str, *, https: bool) -> Cookie:
        """The session cookie; an empty token ends it."""
        session = self._settings.session
        return Cookie(
            key=session.cookie_name,
            value=token,
            path="/",
            domain=session.cookie_domain or None,
            httponly=True,
            secure=https if session.cookie_secure is None else session.cookie_secure,
            samesite=session.cookie_same_site,
            max_age=int(session.timeout) if token else 0,
        )

"""What may be done with groups, and to whom it shows (spec/platform §1.6, §2.7)."""

from contextlib import AsyncExitStack
from uuid import UUID

from msgspec import UNSET

from dwctl.control.groups.store import GroupStore
from dwctl.control.groups.structs import Group, GroupCreate, GroupUpdate
from dwctl.core.errors import BadRequest, Forbidden, NotFound
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import NIL, Principal
from dwctl.routing.change import Propagation
from dwctl.web.paging import Page, Window, words

MAX_NAME = 255


class GroupActions:
    """Rules before rows."""

    def __init__(self, store: GroupStore, propagation: Propagation) -> None:
        self._store = store
        self._propagation = propagation

    async def page(
        self, who: Principal, search: str | None, window: Window, include: frozenset[str]
    ) -> Page[Group]:
        """A page of all groups, with members and models when asked for."""
        require(who, Resource.GROUPS, Operation.READ)
        groups, total = await self._store.page(words("search", search), window)
        ids = [group.id for group in groups]
        users = await self._store.members(ids) if "users" in include else None
        models = await self._store.models(ids) if "models" in include else None
        for group in groups:
            if users is not None:
                group.users = users.get(group.id, [])
            if models is not None:
                group.models = models.get(group.id, [])
        return Page(groups, total, window.skip, window.limit)

    async def create(self, who: Principal, wanted: GroupCreate) -> Group:
        """A new group."""
        require(who, Resource.GROUPS, Operation.CREATE)
        _check_name(wanted.name)
        return await self._store.create(wanted, who.user_id)

    async def get(self, who: Principal, group_id: UUID) -> Group:
        """One group."""
        require(who, Resource.GROUPS, Operation.READ)
        return _found(await self._store.get(group_id), group_id)

    async def update(self, who: Principal, group_id: UUID, change: GroupUpdate) -> Group:
        """Another name or description."""
        require(who, Resource.GROUPS, Operation.UPDATE)
        _not_everyone(group_id, "changed")
        if isinstance(change.name, str):
            _check_name(change.name)
        return _found(await self._store.update(group_id, change), group_id)

    async def delete(self, who: Principal, group_id: UUID) -> None:
        """The group and its memberships."""
        require(who, Resource.GROUPS, Operation.DELETE)
        _not_everyone(group_id, "deleted")
        # Whatever lost access by this is in one transaction: one name of it stands for all.
        touched = await self._store.touched(group_id)
        async with AsyncExitStack() as stack:
            if touched is not None:
                await stack.enter_async_context(self._propagation.confirm(*touched))
            if not await self._store.delete(group_id):
                raise _missing(group_id)

    async def users(self, who: Principal, group_id: UUID) -> list[UUID]:
        """Ids of the members."""
        require(who, Resource.USERS, Operation.READ)
        _found(await self._store.get(group_id), group_id)
        return [user.id for user in (await self._store.members([group_id])).get(group_id, [])]

    async def models(self, who: Principal, group_id: UUID) -> list[UUID]:
        """Ids of the models that the group may use."""
        require(who, Resource.GROUPS, Operation.READ)
        _found(await self._store.get(group_id), group_id)
        return [model.id for model in (await self._store.models([group_id])).get(group_id, [])]

    async def of_user(self, who: Principal, user_id: UUID) -> list[Group]:
        """A person's groups, Everyone last; who made them is for managers."""
        if user_id != who.user_id:
            require(who, Resource.GROUPS, Operation.READ)
        if not await self._store.user_exists(user_id):
            raise NotFound(f"User with ID {user_id} not found")
        return (await self.of_users(who, [user_id]))[user_id]

    async def of_users(self, who: Principal, users: list[UUID]) -> dict[UUID, list[Group]]:
        """The groups of accounts that are there, as the caller may see them."""
        found = await self._store.of_users(users)
        if not allows(who, Resource.GROUPS, Operation.READ, Scope.ALL):
            for group in (group for groups in found.values() for group in groups):
                group.created_by = UNSET
        return found

    async def of_model(self, who: Principal, model_id: UUID) -> list[UUID]:
        """Ids of the groups that may use a model."""
        require(who, Resource.GROUPS, Operation.READ)
        await self._need_model(model_id)
        return await self._store.of_model(model_id)

    async def add_user(self, who: Principal, group_id: UUID, user_id: UUID, resource: Resource) -> None:
        """Join; repeatable. `resource` is the side from which it is asked for."""
        require(who, resource, Operation.UPDATE)
        await self._need_membership(group_id, user_id)
        async with self._propagation.confirm("users", str(user_id)) as change:
            change.made = await self._store.add_user(user_id, group_id)

    async def remove_user(self, who: Principal, group_id: UUID, user_id: UUID, resource: Resource) -> None:
        """Leave; repeatable."""
        require(who, resource, Operation.UPDATE)
        await self._need_membership(group_id, user_id)
        async with self._propagation.confirm("users", str(user_id)) as change:
            change.made = await self._store.remove_user(user_id, group_id)

    async def add_model(self, who: Principal, group_id: UUID, model_id: UUID) -> None:
        """Open a model to a group; repeatable."""
        require(who, Resource.GROUPS, Operation.UPDATE)
        _found(await self._store.get(group_id), group_id)
        await self._need_model(model_id)
        async with self._propagation.confirm("models", str(model_id)) as change:
            change.made = await self._store.add_model(model_id, group_id, who.user_id)

    async def remove_model(self, who: Principal, group_id: UUID, model_id: UUID) -> None:
        """Close it again; repeatable."""
        require(who, Resource.GROUPS, Operation.UPDATE)
        _found(await self._store.get(group_id), group_id)
        await self._need_model(model_id)
        async with self._propagation.confirm("models", str(model_id)) as change:
            change.made = await self._store.remove_model(model_id, group_id)

    async def _need_membership(self, group_id: UUID, user_id: UUID) -> None:
        if group_id == NIL:
            raise Forbidden("Everybody is in the group Everyone; its members cannot be changed")
        _found(await self._store.get(group_id), group_id)
        if not await self._store.user_exists(user_id):
            raise NotFound(f"User with ID {user_id} not found")

    async def _need_model(self, model_id: UUID) -> None:
        if not await self._store.model_exists(model_id):
            raise NotFound(f"Model with ID {model_id} not found")


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise BadRequest(f"name: expected 1 to {MAX_NAME} characters that are not all blank")


def _not_everyone(group_id: UUID, what: str) -> None:
    if group_id == NIL:
        raise Forbidden(f"The group Everyone cannot be {what}")


def _missing(group_id: UUID) -> NotFound:
    return NotFound(f"Group with ID {group_id} not found")


def _found(group: Group | None, group_id: UUID) -> Group:
    if group is None:
        raise _missing(group_id)
    return group

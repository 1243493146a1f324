"""What a synchronization has to do, from what a server lists and what is known (spec/platform §4.1). Pure.

Unlike the reference, a model that the filter leaves out becomes inactive instead of being deleted with its
history, and an inactive model is not routed.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from dwctl.control.endpoints.discovery import model_type
from dwctl.control.endpoints.store import KnownModel, NewModel
from dwctl.control.endpoints.structs import UpstreamModel
from dwctl.core.ids import new_uuid


class Rename(msgspec.Struct, frozen=True):
    """A model that gets another alias."""

    id: UUID
    model_name: str
    alias: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The changes."""

    create: list[NewModel]
    reactivate: list[UUID]
    deactivate: list[UUID]
    rename: list[Rename]
    wanted: int

    @property
    def aliases(self) -> list[tuple[str, str]]:
        """Upstream name and alias of every model that gets one."""
        made = [(model.model_name, model.alias) for model in self.create]
        return made + [(rename.model_name, rename.alias) for rename in self.rename]

    @property
    def touched(self) -> UUID | None:
        """One of the models that change: they change in one transaction, so one stands for all."""
        made = [model.id for model in self.create] + [rename.id for rename in self.rename]
        return next(iter((*made, *self.reactivate, *self.deactivate)), None)

    @property
    def changes(self) -> int:
        """How many models change."""
        return len(self.create) + len(self.reactivate) + len(self.deactivate) + len(self.rename)


def plan(
    fetched: Iterable[UpstreamModel],
    known: Iterable[KnownModel],
    model_filter: list[str] | None,
    aliases: Mapping[str, str],
) -> Plan:
    """`aliases` maps upstream names to aliases; a name without one keeps its own."""
    allowed = None if model_filter is None else set(model_filter)
    wanted = {model.id: model for model in fetched if allowed is None or model.id in allowed}
    by_name: dict[str, list[KnownModel]] = {}
    for old in known:
        by_name.setdefault(old.model_name, []).append(old)
    create: list[NewModel] = []
    reactivate: list[UUID] = []
    rename: list[Rename] = []
    for name, model in wanted.items():
        alias = aliases.get(name, name).strip()
        there = by_name.get(name)
        if there is None:
            create.append(
                NewModel(
                    id=new_uuid(),
                    alias=alias,
                    model_name=name,
                    display_name=model.name,
                    description=model.description,
                    type=model_type(name),
                )
            )
            continue
        for old in there:
            if old.deleted:
                continue
            if old.status == "inactive":
                reactivate.append(old.id)
            if name in aliases and old.alias != alias:
                rename.append(Rename(old.id, name, alias))
    deactivate = [
        model.id
        for name, models in by_name.items()
        for model in models
        if name not in wanted and not model.deleted and model.status == "active"
    ]
    return Plan(
        create=create, reactivate=reactivate, deactivate=deactivate, rename=rename, wanted=len(wanted)
    )

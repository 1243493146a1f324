"""A model's traffic rules on the wire and in PostgreSQL (spec/platform §4.7)."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, get_args
from uuid import UUID

import asyncpg
import msgspec

from dwctl.core.errors import BadRequest
from dwctl.db.postgres import Connection, Database
from dwctl.db.queries import Queries

RulePurpose = Literal["realtime", "batch", "playground"]
PURPOSES: tuple[str, ...] = get_args(RulePurpose)
FIELD = "traffic_routing_rules"


class RuleAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of such calls."""

    type: Literal["deny", "redirect"]
    target: str | None = None
    """Alias of the model that answers in this one's place; with `redirect` alone. Null when that model is no more."""


class TrafficRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for keys of one purpose; there is one for each purpose at most."""

    api_key_purpose: RulePurpose
    action: RuleAction


class RuleRow(msgspec.Struct, frozen=True):
    """A rule as it is written."""

    purpose: str
    action: str
    target_id: UUID | None


class RuleStore:
    """Rows of `model_traffic_rules`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = Queries.load(__package__)

    async def of_models(self, models: Iterable[UUID]) -> dict[UUID, list[TrafficRule]]:
        """The rules of models, in the order of their purposes."""
        found: defaultdict[UUID, list[TrafficRule]] = defaultdict(list)
        for row in await self._database.fetch(self._sql["rules_of_models"], list(models)):
            action = RuleAction(type=row["action"], target=row["target"])
            found[row["model_id"]].append(TrafficRule(api_key_purpose=row["purpose"], action=action))
        for rules in found.values():
            rules.sort(key=lambda rule: PURPOSES.index(rule.api_key_purpose))
        return found

    async def resolve(self, rules: Iterable[TrafficRule], model_id: UUID) -> list[RuleRow]:
        """The rows of rules for a model; 400 for a purpose that stands twice and a target that cannot be one."""
        rows: dict[str, RuleRow] = {}
        for at, rule in enumerate(rules):
            where = f"{FIELD}[{at}]"
            purpose = rule.api_key_purpose
            if purpose in rows:
                raise BadRequest(
                    f"{where}.api_key_purpose: expected each purpose once, got '{purpose}' again"
                )
            target = await self._target(rule.action, f"{where}.action.target", model_id)
            rows[purpose] = RuleRow(purpose, rule.action.type, target)
        return list(rows.values())

    async def replace(self, connection: Connection, model_id: UUID, rows: Iterable[RuleRow]) -> bool:
        """These rules in place of those of a model that the connection holds; whether that changed anything."""
        wanted = [(row.purpose, row.action, row.target_id) for row in rows]
        there = await connection.fetch(self._sql["rules_of_model"], model_id)
        if sorted(map(tuple, there), key=str) == sorted(wanted, key=str):
            return False
        await connection.execute(self._sql["delete_rules"], model_id)
        columns = list(zip(*wanted, strict=True)) or [(), (), ()]
        try:
            await connection.execute(self._sql["create_rules"], model_id, *map(list, columns))
        except asyncpg.ForeignKeyViolationError as error:
            raise BadRequest(f"{FIELD}: a target was deleted meanwhile") from error
        return True

    async def _target(self, action: RuleAction, where: str, model_id: UUID) -> UUID | None:
        if action.type == "deny":
            if action.target is not None:
                raise BadRequest(f"{where}: expected only with the type 'redirect', got '{action.target}'")
            return None
        if action.target is None:
            raise BadRequest(f"{where}: expected the alias of a model, but it is not there")
        found: UUID | None = await self._database.fetch_value(self._sql["model_by_alias"], action.target)
        if found is None:
            raise BadRequest(f"{where}: there is no model '{action.target}'")
        if found == model_id:
            raise BadRequest(f"{where}: expected another model than the one whose rule it is")
        return found

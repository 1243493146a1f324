"""What a new batch must pass, in the order of the contract (spec/platform §8.4).

With an `Idempotency-Key` a call that is repeated gives the batch that the first one made, whatever has changed since;
the same key with another body is refused with 422 (not 409, which clients take for a reason to try again). A key counts
for the person and the account, until its batch is deleted. If the process dies before the transaction commits, nothing
is there and the key is free; afterwards the batch is there, and the repeated call finds it.
"""

import hashlib
from uuid import UUID

import msgspec

from dwctl.core.errors import BadRequest, Forbidden, InsufficientCredits, NotFound, Unprocessable
from dwctl.core.ids import new_uuid
from dwctl.engine.batches.admission import admit, room
from dwctl.engine.batches.metadata import kept
from dwctl.engine.batches.store import BatchStore
from dwctl.engine.batches.structs import LEAST_EXPIRY, MOST_EXPIRY, BatchCreate, FileRow, ModelRow
from dwctl.engine.idempotency import fault_of
from dwctl.engine.settings import BatchSettings
from dwctl.identity.permissions import Operation, Resource, Scope, allows, require
from dwctl.identity.principal import Principal
from dwctl.requests.batches.rows import NewBatch
from dwctl.requests.queue.windows import EXPECTED, seconds_of
from dwctl.routing.hidden_keys.store import HiddenKeys
from dwctl.routing.rules import BATCH, denied

_digest_of = msgspec.json.Encoder(order="deterministic").encode


class Creation:
    """Makes batches."""

    def __init__(self, store: BatchStore, keys: HiddenKeys, settings: BatchSettings) -> None:
        self._store = store
        self._keys = keys
        self._settings = settings

    async def create(self, who: Principal, wanted: BatchCreate, key: str | None) -> UUID:
        """The id of the batch, made now or by an earlier call with the same key."""
        require(who, Resource.BATCHES, Operation.CREATE, Scope.OWN)
        digest = hashlib.sha256(_digest_of(wanted)).digest()
        if key is not None:
            fault = fault_of(key)
            if fault is not None:
                raise BadRequest(fault)
            earlier = await self._earlier(who, key, digest)
            if earlier is not None:
                return earlier
        elevated = allows(who, Resource.BATCHES, Operation.CREATE, Scope.ALL)
        seconds = self._window(wanted.completion_window, elevated=elevated)
        self._endpoint(wanted.endpoint)
        file_id = file_id_of(wanted.input_file_id)
        metadata = kept(wanted.metadata)
        output_seconds = _output_seconds(wanted)
        file = await self._file(who, file_id)
        models = await self._models(file, wanted.completion_window, elevated=elevated)
        new = NewBatch(
            id=new_uuid(),
            owner_id=who.owner_id,
            creator_id=who.user_id,
            key_id=who.key_id,
            run_key_id=(await self._keys.key(who.owner_id, who.user_id)).id,
            file_id=file.id,
            file_name=file.name,
            total=file.lines,
            models=file.models,
            endpoint=wanted.endpoint,
            window=wanted.completion_window,
            seconds=seconds,
            metadata=metadata,
            request_source="frontend" if who.key_id is None else "api",
            idempotency_key=key,
            idempotency_digest=None if key is None else digest,
            output_seconds=output_seconds,
        )
        factor = self._settings.window_relaxation_factors.get(new.window, 1.0)
        usual = self._settings.default_throughput
        rooms = {
            alias: room(usual if model.throughput is None else model.throughput, seconds, factor)
            for alias, model in models.items()
        }
        while not await self._store.create(new, lambda known: admit(new.window, new.lines(), known, rooms)):
            # The same call came twice at once, and the other one was faster.
            earlier = await self._earlier(who, key or "", digest)
            if earlier is not None:
                return earlier
        return new.id

    async def _earlier(self, who: Principal, key: str, digest: bytes) -> UUID | None:
        found = await self._store.made_with(who.owner_id, who.user_id, key)
        if found is None:
            return None
        batch_id, made_of = found
        if made_of != digest:
            raise Unprocessable(
                "This Idempotency-Key was used with another body.", code="idempotency_key_reused"
            )
        return batch_id

    def _window(self, window: str, *, elevated: bool) -> int:
        allowed = self._settings.allowed_completion_windows
        seconds = seconds_of(window)
        if not elevated and window not in allowed:
            raise BadRequest(
                f"Unsupported completion_window '{window}'. Supported values are: {', '.join(allowed)}",
                param="completion_window",
                code="invalid_value",
            )
        if seconds is None:
            raise BadRequest(
                f"completion_window: expected {EXPECTED}, got '{window}'",
                param="completion_window",
                code="invalid_value",
            )
        return seconds

    def _endpoint(self, endpoint: str) -> None:
        allowed = self._settings.allowed_url_paths
        if endpoint not in allowed:
            raise BadRequest(
                f"Unsupported endpoint '{endpoint}'. Supported values are: {', '.join(allowed)}",
                param="endpoint",
                code="invalid_value",
            )

    async def _file(self, who: Principal, file_id: UUID) -> FileRow:
        if await self._store.balance(who.owner_id) < 0:
            raise InsufficientCredits("Account balance too low. Please add credits to continue.")
        file = await self._store.file(file_id)
        if file is None:
            raise NotFound(f"File with ID {file_id} not found", param="input_file_id")
        if file.owner_id != who.owner_id:
            if who.organization_id or not allows(who, Resource.FILES, Operation.READ, Scope.ALL):
                raise Forbidden("Insufficient permissions to Read Files", param="input_file_id")
            if await self._store.balance(file.owner_id) < 0:
                raise InsufficientCredits(
                    f"The balance of the account {file.owner_id}, which owns the file, is too low. "
                    "Please add credits to it."
                )
        if file.purpose != "batch":
            raise BadRequest(
                f"input_file_id: expected a file of the purpose batch, got one of {file.purpose}",
                param="input_file_id",
                code="invalid_value",
            )
        if not file.lines:
            raise BadRequest("input_file_id: expected a file with requests, got none", param="input_file_id")
        return file

    async def _models(self, file: FileRow, window: str, *, elevated: bool) -> dict[str, ModelRow]:
        named = sorted(file.models)
        models = await self._store.models(named)
        for alias in named:
            if alias in models and models[alias].denied:
                raise Forbidden(denied(alias, BATCH), param="input_file_id", code="forbidden")
        for alias in [] if elevated else named:
            windows = models[alias].windows if alias in models else None
            if windows is not None and window not in windows:
                told = f"Its windows are: {', '.join(windows)}" if windows else "It has no batch support"
                raise BadRequest(
                    f"The model '{alias}' cannot be used with the completion_window '{window}'. {told}.",
                    param="completion_window",
                    code="invalid_value",
                )
        gone = [alias for alias in named if alias not in models]
        if gone:
            raise BadRequest(
                f"The file names models that do not exist: {', '.join(gone[:5])}",
                param="input_file_id",
                code="model_not_found",
            )
        return models


def file_id_of(text: str) -> UUID:
    """A bare UUID, or one with a prefix."""
    try:
        return UUID(text.removeprefix("file-").removeprefix("file_"))
    except ValueError as error:
        raise BadRequest(
            f"input_file_id: expected the id of a file, got {text[:100]!r}",
            param="input_file_id",
            code="invalid_value",
        ) from error


def _output_seconds(wanted: BatchCreate) -> int | None:
    expiry = wanted.output_expires_after
    if expiry is not None and not LEAST_EXPIRY <= expiry.seconds <= MOST_EXPIRY:
        raise BadRequest(
            f"output_expires_after.seconds: expected {LEAST_EXPIRY} to {MOST_EXPIRY}, got {expiry.seconds}",
            param="output_expires_after.seconds",
            code="invalid_value",
        )
    return None if expiry is None else expiry.seconds

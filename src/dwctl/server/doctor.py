"""What could keep the product from working, and what to do about it."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from dwctl.control.endpoints.discovery import DiscoveryError, fetch_models
from dwctl.control.endpoints.rows import credential
from dwctl.control.endpoints.store import EndpointStore
from dwctl.core.errors import Error, SetupError
from dwctl.core.seal import Seal, SealError
from dwctl.db.migrations import load, require_create, unapplied
from dwctl.requests.audit import audit
from dwctl.server.data_directory import PORTLESS, Holder, beside_server, load_secrets, prepare, read_holder
from dwctl.server.exposure import require_strong
from dwctl.server.listener import why_not_bound
from dwctl.server.outbound import dialer_of
from dwctl.server.settings import Settings
from dwctl.server.storage import Storage, open_storage
from dwctl.usage.money import plain

LEAST_FREE = 1024**3
ASK_WITHIN = 5.0


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    ok: bool
    subject: str
    text: str


async def examine(settings: Settings, data_dir: Path, *, ledger: bool = False) -> list[Finding]:
    """Look at everything; a check that fails does not keep the next one from being made.

    With `ledger` it is also looked whether rows, ledger, balances, budgets and batches agree.
    """
    directory = _directory(data_dir)
    findings = [_exposure(settings), directory, *_disk(data_dir)]
    if not directory.ok:
        return findings
    try:
        with beside_server(data_dir, "dwctl doctor") as join:
            findings.append(await _port(settings, read_holder(data_dir) if join else None))
            async with open_storage(settings, data_dir, join=join, apply=False) as storage:
                findings.append(await _database(storage))
                if ledger:
                    findings += await _ledger(storage)
                findings += await _upstreams(settings, data_dir, storage)
    except Error as error:
        findings.append(Finding(False, "database", error.message))
    return findings


def _exposure(settings: Settings) -> Finding:
    try:
        require_strong(settings.host, secret_key=settings.secret_key, admin_password=settings.admin_password)
    except SetupError as error:
        return Finding(False, "secrets", error.message)
    return Finding(True, "secrets", f"strong enough to listen on {settings.host}")


def _directory(data_dir: Path) -> Finding:
    try:
        prepare(data_dir)
        load_secrets(data_dir)
    except SetupError as error:
        return Finding(False, "data directory", error.message)
    return Finding(True, "data directory", f"{data_dir} can be written")


def _disk(data_dir: Path) -> list[Finding]:
    if not data_dir.is_dir():
        return []
    free = shutil.disk_usage(data_dir).free
    text = f"{free / 1024**3:.1f} GiB free in {data_dir}"
    if free < LEAST_FREE:
        text = f"{text}; less than 1 GiB is too little, free some or move --data-dir"
    return [Finding(free >= LEAST_FREE, "disk", text)]


async def _port(settings: Settings, holder: Holder | None) -> Finding:
    """A server that runs answers where it said; without one the port must be free for the next start."""
    if holder is None:
        return await _free(settings.host, settings.port)
    if not holder.serves:
        return Finding(True, "port", f"another dwctl (process {holder.pid}) is busy here: {holder.address}")
    if holder.address == PORTLESS:
        return Finding(True, "port", f"process {holder.pid} is a worker and has none")
    place = urlsplit(holder.address)
    try:
        async with asyncio.timeout(ASK_WITHIN):
            _, writer = await asyncio.open_connection(place.hostname, place.port)
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer in time"
        text = (
            f"process {holder.pid} runs and {holder.address} does not answer ({why}); end it and start again"
        )
        return Finding(False, "port", text)
    writer.close()
    return Finding(True, "port", f"process {holder.pid} answers on {holder.address}")


async def _free(host: str, port: int) -> Finding:
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, host or None, port, reuse_address=True
        )
    except OSError as error:
        return Finding(False, "port", why_not_bound(host, port, error))
    server.close()
    return Finding(True, "port", f"{host}:{port} is free")


async def _database(storage: Storage) -> Finding:
    version = await storage.database.fetch_value("show server_version")
    name = " ".join(filter(None, (f"PostgreSQL {version}", storage.place)))
    missing = await unapplied(storage.database)
    if missing:
        await require_create(storage.database)
    if len(missing) == len(load()):
        return Finding(True, "database", f"{name}, still empty: dwctl serve or dwctl migrate sets it up")
    if missing:
        text = f"{name} lacks {', '.join(missing)}; run dwctl migrate, or just dwctl serve"
        return Finding(False, "database", text)
    return Finding(True, "database", f"{name}, schema up to date")


async def _ledger(storage: Storage) -> list[Finding]:
    if await unapplied(storage.database):
        return []
    found = await audit(storage.database)
    wrong = [
        f"account {one.account_id}: its balance is {plain(one.balance)}, its entries sum up to {plain(one.entries)}"
        for one in found.balances
    ] + [
        f"request {one.request_id} of account {one.account_id}: its row says {plain(one.cost)}, "
        f"it was charged {plain(one.charged)}"
        for one in found.costs
    ]
    wrong += [
        f"{one.scope} {one.id}: its budget counts {plain(one.spent)} spent "
        f"{'in all' if one.day is None else f'on {one.day}'}, its charges sum up to {plain(one.charged)}"
        for one in found.spend
    ]
    wrong += [
        f"batch {one.batch_id}: {one.what}: it says {plain(one.counted)}, and {plain(one.found)} was found"
        for one in found.batches
    ]
    sums = found.totals
    text = (
        f"rows cost {plain(sums.costs)}, charges {plain(sums.charges)}; entries sum up to {plain(sums.entries)}, "
        f"balances {plain(sums.balances)}"
    )
    return [Finding(not wrong, "ledger", text), *(Finding(False, "ledger", each) for each in wrong)]


async def _upstreams(settings: Settings, data_dir: Path, storage: Storage) -> list[Finding]:
    if await unapplied(storage.database):
        return []
    seal = Seal(settings.secret_key or load_secrets(data_dir).secret_key)
    store = EndpointStore(storage.database, seal)
    dialer = dialer_of(settings)
    findings = []
    for endpoint in await store.page():
        subject = f"model server {endpoint.name}"
        try:
            url, key = await store.credential(endpoint.id)
            header = credential(key, endpoint.auth_header_name, endpoint.auth_header_prefix)
            models = await fetch_models(url, header, timeout=ASK_WITHIN, dialer=dialer)
        except SealError as error:
            findings.append(Finding(False, subject, f"its stored key cannot be opened: {error}"))
        except DiscoveryError as error:
            findings.append(Finding(False, subject, str(error)))
        else:
            findings.append(Finding(True, subject, f"{len(models)} models at {url}"))
    if not findings:
        text = "none yet; add one with dwctl serve --upstream http://host:port/v1"
        findings.append(Finding(True, "model servers", text))
    return findings

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
from dwctl.db.migrations import unapplied
from dwctl.server.data_directory import load_secrets, prepare, read_holder
from dwctl.server.exposure import require_strong
from dwctl.server.listener import reachable
from dwctl.server.settings import Settings
from dwctl.server.storage import Storage, open_storage

LEAST_FREE = 1024**3
ASK_WITHIN = 5.0


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    ok: bool
    subject: str
    text: str


async def examine(settings: Settings, data_dir: Path) -> list[Finding]:
    """Look at everything; a check that fails does not keep the next one from being made."""
    findings = [_exposure(settings), _directory(data_dir)]
    if not findings[-1].ok:
        return findings
    findings.append(_disk(data_dir))
    findings.append(await _port(settings, data_dir))
    try:
        join = read_holder(data_dir) is not None
        async with open_storage(settings, data_dir, join=join, apply=False) as storage:
            findings.append(await _database(storage))
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


def _disk(data_dir: Path) -> Finding:
    free = shutil.disk_usage(data_dir).free
    text = f"{free / 1024**3:.1f} GiB free in {data_dir}"
    if free < LEAST_FREE:
        return Finding(False, "disk", f"{text}; less than 1 GiB is too little, free some or move --data-dir")
    return Finding(True, "disk", text)


async def _port(settings: Settings, data_dir: Path) -> Finding:
    holder = read_holder(data_dir)
    if holder is not None:
        # Where it says that it listens: its port may have come from a flag that we were not given.
        place = urlsplit(holder.address)
        if place.hostname and place.port and await _listens(place.hostname, place.port):
            return Finding(True, "port", f"process {holder.pid} answers on {holder.address}")
        text = f"process {holder.pid} holds the data directory and does not answer ({holder.address})"
        return Finding(False, "port", text)
    where = f"{settings.host}:{settings.port}"
    if await _listens(reachable(settings.host).strip("[]"), settings.port):
        return Finding(False, "port", f"another program listens on {where}; choose another with --port")
    return Finding(True, "port", f"{where} is free")


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _database(storage: Storage) -> Finding:
    version = await storage.database.fetch_value("show server_version")
    missing = await unapplied(storage.database)
    if missing:
        text = f"PostgreSQL {version} lacks {', '.join(missing)}; run dwctl migrate, or just dwctl serve"
        return Finding(False, "database", text)
    return Finding(True, "database", f"PostgreSQL {version}, schema up to date")


async def _upstreams(settings: Settings, data_dir: Path, storage: Storage) -> list[Finding]:
    if await unapplied(storage.database):
        return []
    seal = Seal(settings.secret_key or load_secrets(data_dir).secret_key)
    store = EndpointStore(storage.database, seal)
    findings = []
    for endpoint in await store.page():
        subject = f"model server {endpoint.name}"
        try:
            url, key = await store.credential(endpoint.id)
            header = credential(key, endpoint.auth_header_name, endpoint.auth_header_prefix)
            models = await fetch_models(url, header, timeout=ASK_WITHIN)
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

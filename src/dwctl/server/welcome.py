"""The few lines that a start prints. Pure: facts in, text out.

The first start tells everything that one needs and shows generated secrets once; a later start is quiet.
"""

import json

import msgspec


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What `--upstream` brought in."""

    url: str
    models: tuple[str, ...]
    chat_model: str | None
    """The model that the examples use; None when the server has none for chat."""
    key: str | None
    """The secret of the API key made now; None when one was made at an earlier start."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the start knows when everything runs."""

    version: str
    address: str | None
    """None of a worker, which has no port."""
    data: str
    database: str
    admin_email: str
    admin_password: str | None
    """Set only when it was generated now."""
    first_start: bool
    imported: Imported | None = None
    warnings: tuple[str, ...] = ()


def welcome(facts: Facts) -> str:
    """The lines, each without surprises for a terminal of 80 columns, ending in a line break."""
    lines = [f"dwctl {facts.version} is ready: {facts.address or 'a worker, without a port'}"]
    if facts.first_start or facts.admin_password or facts.imported:
        lines += ["", *_table(facts)]
    if facts.address is None:
        pass
    elif facts.imported and facts.imported.key and facts.imported.chat_model:
        lines += ["", *_examples(facts.address, facts.imported.chat_model, facts.imported.key)]
    elif facts.first_start and not facts.imported:
        lines += ["", *_next_steps(facts.address)]
    lines += [f"warning: {text}" for text in facts.warnings]
    return "\n".join(lines) + "\n"


def _table(facts: Facts) -> list[str]:
    rows = [("data", facts.data)]
    if facts.database:
        rows.append(("database", facts.database))
    if facts.admin_password:
        rows.append(("sign in", f"{facts.admin_email}  password {facts.admin_password}  (shown once)"))
    elif facts.first_start:
        rows.append(("sign in", f"{facts.admin_email}  with the configured password"))
    if facts.imported:
        names = ", ".join(facts.imported.models[:5]) or "none"
        more = len(facts.imported.models) - 5
        rows.append(("models", f"{names}{f' and {more} more' if more > 0 else ''}"))
        rows.append(("", f"from {facts.imported.url}, open to everyone"))
        if facts.imported.key:
            rows.append(("API key", f"{facts.imported.key}  (shown once)"))
    if facts.address is not None:
        rows.append(("dashboard", f"{facts.address}/"))
        rows.append(("admin API", f"{facts.address}/admin/docs"))
    return [f"  {name:<10}{value}".rstrip() for name, value in rows]


def _examples(address: str, model: str, key: str) -> list[str]:
    body = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "Hello"}]}, ensure_ascii=False
    )
    json_type = "-H 'Content-Type: application/json'"
    name = json.dumps(model, ensure_ascii=False)
    hello = '[{"role": "user", "content": "Hello"}]'
    quoted = body.replace("'", "'\\''")
    return [
        "Try it in a shell:",
        "",
        f"curl {address}/ai/v1/chat/completions -H 'Authorization: Bearer {key}' {json_type} -d '{quoted}'",
        "",
        "or in Python (pip install openai):",
        "",
        "from openai import OpenAI",
        f'client = OpenAI(base_url="{address}/ai/v1", api_key="{key}")',
        f"reply = client.chat.completions.create(model={name}, messages={hello})",
        "print(reply.choices[0].message.content)",
    ]


def _next_steps(address: str) -> list[str]:
    return [
        "Next: connect a model server. Stop with Ctrl-C and start again with",
        "",
        "  make serve UPSTREAM=http://127.0.0.1:8000/v1",
        "  (or: dwctl serve --upstream http://127.0.0.1:8000/v1)",
        "",
        f"or add it in the dashboard, {address}/",
    ]

"""What a start sets up: each step is repeatable, and none undoes what people changed since."""

from tests.control.house import House
from tests.control.model_server import ModelServer


async def test_a_server_is_imported_once_and_its_models_are_open(
    house: House, model_server: ModelServer
) -> None:
    bootstrap = house.plane.bootstrap
    admin = (await house.admin()).id
    person = await house.person()
    url = model_server.url.rstrip("/")
    assert not await bootstrap.knows(url)
    first = await bootstrap.import_server(admin, url, None)
    assert (first.url, first.models, first.chat_model) == (
        f"{url}/",
        ("bge-embed", "llama", "rerank-1"),
        "llama",
    )
    assert await bootstrap.knows(url)
    assert (await house.api("GET", "/models", person)).json()["total_count"] == 3
    await house.database.execute("delete from model_groups where model_id = $1", await house.model("llama"))
    model_server.lists("bge-embed", "llama", "new-one")
    second = await bootstrap.import_server(admin, url, None)
    assert second.models == ("bge-embed", "llama", "new-one")
    seen = (await house.api("GET", "/models?sort=alias&sort_direction=asc", person)).json()
    assert [model["alias"] for model in seen["data"]] == ["bge-embed", "new-one"]
    assert await house.database.fetch_value("select count(*) from endpoints") == 1


async def test_a_new_key_of_a_known_server_replaces_the_old_one(
    house: House, model_server: ModelServer
) -> None:
    bootstrap = house.plane.bootstrap
    admin = (await house.admin()).id
    await bootstrap.import_server(admin, model_server.url, "first-secret")
    assert "first-secret" in model_server.heads[-1]
    await bootstrap.import_server(admin, model_server.url, "second-secret")
    assert "second-secret" in model_server.heads[-1]
    await bootstrap.import_server(admin, model_server.url, None)
    assert "second-secret" in model_server.heads[-1]


async def test_a_server_is_named_by_its_address_or_with_a_number(
    house: House, model_server: ModelServer
) -> None:
    bootstrap = house.plane.bootstrap
    admin = (await house.admin()).id
    await bootstrap.import_server(admin, model_server.url, None)
    model_server.lists("another")
    await bootstrap.import_server(admin, model_server.url + "more", None)
    base = model_server.url.removeprefix("http://").partition("/")[0]
    names = await house.database.fetch("select name from endpoints order by created_at")
    assert [row["name"] for row in names] == [base, f"{base} 2"]


async def test_the_first_key_is_made_once(house: House) -> None:
    admin = (await house.admin()).id
    secret = await house.plane.bootstrap.first_key(admin)
    assert secret is not None
    assert secret.startswith("sk-")
    assert await house.plane.bootstrap.first_key(admin) is None

"""The route of the configuration."""

from litestar import Router, get
from litestar.di import NamedDependency, Provide

from dwctl.control.config.structs import Config
from dwctl.web.authentication import Who


@get("/config")
async def get_config(principal: Who, config: NamedDependency[Config]) -> Config:
    """Get what pages need to know of this installation."""
    del principal
    return config


def router(config: Config) -> Router:
    """For everybody who is known."""
    return Router(
        path="/",
        route_handlers=[get_config],
        dependencies={"config": Provide(lambda: config, sync_to_thread=False)},
        tags=["config"],
    )

"""Routes of tool sources and their attachments (spec/platform §1.13). A deployment is a model."""

from uuid import UUID

from litestar import Router, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT

from dwctl.control.tools.actions import ToolActions
from dwctl.control.tools.structs import ToolSource, ToolSourceCreate, ToolSourceUpdate
from dwctl.web.authentication import Who


@get("/tool-sources")
async def list_tool_sources(principal: Who, tools: NamedDependency[ToolActions]) -> list[ToolSource]:
    """List tool sources."""
    return await tools.page(principal)


@post("/tool-sources")
async def create_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], data: JSONBody[ToolSourceCreate]
) -> ToolSource:
    """Create a tool source."""
    return await tools.create(principal, data)


@get("/tool-sources/{source_id:uuid}")
async def get_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], source_id: FromPath[UUID]
) -> ToolSource:
    """Get a tool source."""
    return await tools.get(principal, source_id)


@patch("/tool-sources/{source_id:uuid}")
async def update_tool_source(
    principal: Who,
    tools: NamedDependency[ToolActions],
    source_id: FromPath[UUID],
    data: JSONBody[ToolSourceUpdate],
) -> ToolSource:
    """Change a tool source."""
    return await tools.update(principal, source_id, data)


@delete("/tool-sources/{source_id:uuid}")
async def delete_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], source_id: FromPath[UUID]
) -> None:
    """Delete a tool source."""
    await tools.delete(principal, source_id)


@get("/deployments/{model_id:uuid}/tool-sources")
async def list_model_tool_sources(
    principal: Who, tools: NamedDependency[ToolActions], model_id: FromPath[UUID]
) -> list[ToolSource]:
    """The tool sources of a model."""
    return await tools.attached(principal, "model", model_id)


@put("/deployments/{model_id:uuid}/tool-sources/{source_id:uuid}", status_code=HTTP_204_NO_CONTENT)
async def attach_model_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], model_id: FromPath[UUID], source_id: FromPath[UUID]
) -> None:
    """Attach a tool source to a model."""
    await tools.attach(principal, "model", model_id, source_id)


@delete("/deployments/{model_id:uuid}/tool-sources/{source_id:uuid}")
async def detach_model_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], model_id: FromPath[UUID], source_id: FromPath[UUID]
) -> None:
    """Detach a tool source from a model."""
    await tools.detach(principal, "model", model_id, source_id)


@get("/groups/{group_id:uuid}/tool-sources")
async def list_group_tool_sources(
    principal: Who, tools: NamedDependency[ToolActions], group_id: FromPath[UUID]
) -> list[ToolSource]:
    """The tool sources of a group."""
    return await tools.attached(principal, "group", group_id)


@put("/groups/{group_id:uuid}/tool-sources/{source_id:uuid}", status_code=HTTP_204_NO_CONTENT)
async def attach_group_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], group_id: FromPath[UUID], source_id: FromPath[UUID]
) -> None:
    """Attach a tool source to a group."""
    await tools.attach(principal, "group", group_id, source_id)


@delete("/groups/{group_id:uuid}/tool-sources/{source_id:uuid}")
async def detach_group_tool_source(
    principal: Who, tools: NamedDependency[ToolActions], group_id: FromPath[UUID], source_id: FromPath[UUID]
) -> None:
    """Detach a tool source from a group."""
    await tools.detach(principal, "group", group_id, source_id)


def router(actions: ToolActions) -> Router:
    """All routes of this resource."""
    return Router(
        path="/",
        route_handlers=[
            list_tool_sources,
            create_tool_source,
            get_tool_source,
            update_tool_source,
            delete_tool_source,
            list_model_tool_sources,
            attach_model_tool_source,
            detach_model_tool_source,
            list_group_tool_sources,
            attach_group_tool_source,
            detach_group_tool_source,
        ],
        dependencies={"tools": Provide(lambda: actions, sync_to_thread=False)},
        tags=["tool-sources"],
    )

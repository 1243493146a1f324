"""The part of the composition root that is about what calls go on from: earlier responses, and conversations."""

import msgspec

from dwctl.db.postgres import Database
from dwctl.engine.conversations.actions import ConversationActions
from dwctl.engine.conversations.store import ConversationStore
from dwctl.engine.files.store import FileStore
from dwctl.engine.responses.actions import Flush
from dwctl.engine.responses.context import ResponseContexts
from dwctl.engine.responses.history import History
from dwctl.engine.responses.references import References
from dwctl.engine.responses.settings import ContextSettings
from dwctl.requests.store import RequestStore


class ContextParts(msgspec.Struct, frozen=True):
    """How calls are expanded, and what may be done with conversations."""

    history: History
    contexts: ResponseContexts
    conversations: ConversationActions


def contexts_of(settings: ContextSettings, database: Database, recorded: Flush) -> ContextParts:
    """Build both on an open database."""
    conversations = ConversationStore(database)
    history = History(RequestStore(database), conversations, recorded, settings)
    references = References(history, conversations, FileStore(database))
    return ContextParts(
        history,
        ResponseContexts(history, references, conversations, settings),
        ConversationActions(conversations, history),
    )

"""From a question over HTTP to its response: from memory or computed, and in the audit log before it leaves."""

from __future__ import annotations

from anyio import to_thread
from starlette.responses import Response

from aftercast.models.kinds import hazard_kind
from aftercast.serving.deps import Service
from aftercast.serving.predictions import Question, Reply, ask, ask_at_hand, check_size
from aftercast.serving.principals import Caller
from aftercast.serving.serialization import PREDICTION, audit_entry, whole_answer
from aftercast.serving.what_if import ask_what_if


async def reply_to(service: Service, question: Question, caller: Caller, request_id: str | None) -> Response:
    """Respond to a question.

    What is in memory waits for no thread that computes. Writing to the audit log has threads of its own: the file is
    locked by one process after the other, and the event loop must not wait for a process that was stopped.

    Raises
    ------
    ProblemError
        If it cannot be answered.
    """
    check_size(service.workspace, hazard_kind(question.kind).entity.noun, question.ids)
    reply = ask_at_hand(service.champions, question, caller)
    if reply is None:
        reply = await to_thread.run_sync(_computed, service, question, caller)
    body = await to_thread.run_sync(_recorded, service, reply, caller, request_id, limiter=service.recording)
    return Response(body, media_type="application/json")


def _recorded(service: Service, reply: Reply, caller: Caller, request_id: str | None) -> bytes:
    """Body of a reply, which is in the audit log from here on."""
    body = whole_answer(reply.rows, reply.cutoff, reply.horizon, reply.fragments)
    entry = audit_entry(
        reply.rows, reply.horizon, reply.fragments, body, request_id=request_id, key_id=caller.caller_id
    )
    service.audit.append(PREDICTION, entry)
    service.metrics.requests.answered(reply.rows.snapshot.kind, reply.fragments)
    return body


def _computed(service: Service, question: Question, caller: Caller) -> Reply:
    how = ask if question.sent is None else ask_what_if
    return how(service.workspace, service.champions, question, caller)

"""Route of questions about risk: the plain ones are read without the framework's solver of dependencies.

The solver takes more time than all else of an answer by id. What it would find is known beforehand here: the caller,
whom the middleware has put into the request, the service, and one JSON body. Whatever is not plain (another content
type, a body that is not as described, a scope that is missing) takes the framework's way, and is refused by it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final, get_type_hints

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from aftercast.serving.callers import Caller

SCOPE: Final = "predict"
JSON_TYPE: Final = "application/json"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class QuestionRoute(APIRoute):
    """Route whose endpoint takes ``request``, ``service``, ``caller`` and ``body``, a model, and returns a response."""

    def get_route_handler(self) -> Handler:
        """Handler that answers plain questions itself and hands the others to FastAPI's."""
        careful, asked = super().get_route_handler(), get_type_hints(self.endpoint)["body"]

        async def handle(request: Request) -> Response:
            body = await _plain(request, asked)
            if body is None:
                return await careful(request)
            response: Response = await self.endpoint(
                request=request, service=request.app.state.service, caller=request.state.caller, body=body
            )
            return response

        return handle


async def _plain(request: Request, asked: type[BaseModel]) -> BaseModel | None:
    """Body of a plain question of a caller who may ask it, None for any other request."""
    caller: Caller = request.state.caller
    if not caller.allows(SCOPE) or request.headers.get("content-type") != JSON_TYPE:
        return None
    try:
        return asked.model_validate(json.loads(await request.body()))
    except ClientDisconnect as error:
        raise HTTPException(400, "The body did not arrive.") from error
    except (ValueError, RecursionError):  # no UTF-8, no JSON, or not as described
        return None

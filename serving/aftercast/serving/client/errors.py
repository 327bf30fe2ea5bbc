"""Refusals of the service, as exceptions."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from aftercast.operations.errors import AftercastError
from aftercast.serving.wire.problem import Problem


class ServiceError(AftercastError):
    """The service refused a request, or could not be reached.

    Attributes
    ----------
    status
        HTTP status; None where no answer came.
    problem
        What the service said; None where it said nothing of its own.
    """

    def __init__(
        self, message: str, hint: str = "", *, status: int | None = None, problem: Problem | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.problem = problem


def refusal(response: httpx.Response) -> ServiceError:
    """Error of a response that is not an answer."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return _not_ours(response)
    where = f" ({problem.errors[0].location}: {problem.errors[0].message})" if problem.errors else ""
    repeats = problem.detail.rstrip(".") == problem.title.rstrip(".")
    message = f"{problem.detail if repeats else f'{problem.title}: {problem.detail}'}{where}"
    return ServiceError(message, problem.hint or "", status=response.status_code, problem=problem)


def _not_ours(response: httpx.Response) -> ServiceError:
    return ServiceError(
        f"The address answered {response.status_code} with something that is no answer of the service.",
        "Check the address, the proxy before the service, and that both have the same release.",
        status=response.status_code,
    )

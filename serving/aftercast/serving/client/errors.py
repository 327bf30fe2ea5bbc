"""Refusals of the service, as exceptions."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from aftercast.data.errors import AftercastError
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
    """Error of a response that is not a success."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return ServiceError(f"The service answered {response.status_code}.", status=response.status_code)
    where = "" if problem.errors is None else f" ({problem.errors[0].location}: {problem.errors[0].message})"
    message = f"{problem.title}: {problem.detail}{where}"
    return ServiceError(message, problem.hint or "", status=response.status_code, problem=problem)

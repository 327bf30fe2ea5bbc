"""The calls, each typed; what is safe to repeat is repeated when the service is busy or away for a moment."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from aftercast.serving.client.errors import ServiceError, refusal
from aftercast.serving.client.handed import DeviceAsked, header, record, refusing, several
from aftercast.serving.wire.device import DeviceAnswer
from aftercast.serving.wire.model import ModelAnswer
from aftercast.serving.wire.probes import Readiness
from aftercast.serving.wire.records import RecordsAnswer, RecordsRequest, TableName
from aftercast.serving.wire.risk import (
    ChurnRiskAnswer,
    ChurnRiskRequest,
    CustomerRef,
    FailureRiskAnswer,
    FailureRiskRequest,
)
from aftercast.serving.wire.risk import DeviceAsked as DeviceOnTheWire
from aftercast.serving.wire.risk_list import RiskListAnswer

AnswerT = TypeVar("AnswerT", bound=BaseModel)
PASSING: Final = frozenset({429, 503})
LONGEST_PAUSE_S: Final = 10.0


class Client:
    """Client of one service.

    Every call is safe to repeat: questions change nothing, and records carry an idempotency key. So a call that finds
    the service busy, limited or away is tried again, as the service asks or after a pause that doubles.

    Parameters
    ----------
    address
        As in ``http://127.0.0.1:8080``.
    key
        API key or token; space and line breaks around it do not count.
    timeout_s
        Of one attempt.
    attempts
        How often a call is tried, at least once.

    Raises
    ------
    ServiceError
        If the address or the key cannot be one.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:8080", key="ac_...")
    >>> client.close()
    """

    def __init__(self, address: str, key: str, *, timeout_s: float = 30.0, attempts: int = 4) -> None:
        headers = {"Authorization": f"Bearer {header('key', key)}", "Accept": "application/json"}
        try:
            self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout_s)
        except httpx.InvalidURL as error:
            raise ServiceError(f"The address is none: {error}.", "Write it as http://127.0.0.1:8080.") from error
        self._attempts = attempts

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def failure_risk(
        self,
        devices: Iterable[str | DeviceOnTheWire],
        *,
        horizon: str | None = None,
        drivers: int = 3,
        as_of: datetime | None = None,
    ) -> FailureRiskAnswer:
        """Ask how likely devices fail; a device may bring records of its own (:class:`DeviceAsked`).

        Raises
        ------
        ServiceError
            If the question is not one, or the service refuses, cannot be reached or answers something else.
        """
        given = several("devices", devices)
        with refusing():
            asked = [DeviceAsked(device_id=each) if isinstance(each, str) else each for each in given]
            question = FailureRiskRequest(devices=asked, horizon=horizon, drivers=drivers, as_of=as_of)
        return self._call(FailureRiskAnswer, "POST", "/v1/failure-risk", question)

    def churn_risk(
        self, customers: Iterable[str], *, horizon: str | None = None, drivers: int = 3, as_of: datetime | None = None
    ) -> ChurnRiskAnswer:
        """Ask how likely customers leave; raises ServiceError."""
        given = several("customers", customers)
        with refusing():
            asked = [CustomerRef(customer_id=each) for each in given]
            question = ChurnRiskRequest(customers=asked, horizon=horizon, drivers=drivers, as_of=as_of)
        return self._call(ChurnRiskAnswer, "POST", "/v1/churn-risk", question)

    def device(self, device_id: str) -> DeviceAnswer:
        """Return what is known of a device; raises ServiceError."""
        return self._call(DeviceAnswer, "GET", f"/v1/devices/{_quoted(device_id)}")

    def risk_list(self, *, horizon: str = "7d", top: int = 100, cutoff: datetime | None = None) -> RiskListAnswer:
        """Return the devices most at risk; raises ServiceError."""
        query = {"horizon": horizon, "top": str(top)} | ({} if cutoff is None else {"cutoff": cutoff.isoformat()})
        return self._call(RiskListAnswer, "GET", "/v1/risk-list", query=query)

    def model(self) -> ModelAnswer:
        """Return which models answer; raises ServiceError."""
        return self._call(ModelAnswer, "GET", "/v1/model")

    def send_records(
        self, table: TableName, records: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> RecordsAnswer:
        """Bring records of one table to be stored, once however often it has to be tried; raises ServiceError.

        Times are ISO text with a zone, or a ``datetime`` (also pandas' ``Timestamp``) that has one.
        """
        ready = [record(each, f"records.{place}") for place, each in enumerate(several("records", records))]
        with refusing():
            body = RecordsRequest(table=table, records=ready)
        headers = {"Idempotency-Key": header("idempotency key", idempotency_key or uuid.uuid4().hex)}
        return self._call(RecordsAnswer, "POST", "/v1/records", body, headers=headers)

    def readiness(self) -> Readiness:
        """Say whether the service can answer, whichever way; raises ServiceError where it does not say."""
        try:
            response = self._http.get("/ready")
        except httpx.RequestError as error:
            raise _away(error) from error
        return _read(Readiness, response)

    def _call(
        self,
        answer: type[AnswerT],
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AnswerT:
        content = None if body is None else body.model_dump_json(exclude_unset=False).encode()
        more = {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})}
        request = self._http.build_request(method, path, content=content, params=query, headers=more)
        return _read(answer, self._answered(request))

    def _answered(self, request: httpx.Request) -> httpx.Response:
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                response = self._http.send(request)
            except httpx.RequestError as error:
                if last:
                    raise _away(error) from error
                time.sleep(_pause_s(attempt, None))
                continue
            if response.is_success:
                return response
            if last or response.status_code not in PASSING:
                raise refusal(response)
            time.sleep(_pause_s(attempt, response.headers.get("Retry-After")))
        raise ServiceError("The service was not asked: attempts must be at least 1.")


def _pause_s(attempt: int, asked: str | None) -> float:
    if asked is not None and asked.isdecimal():
        return min(float(asked), LONGEST_PAUSE_S)
    return min(0.1 * 2.0**attempt, LONGEST_PAUSE_S)


def _read(answer: type[AnswerT], response: httpx.Response) -> AnswerT:
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise refusal(response) from error


def _away(error: httpx.RequestError) -> ServiceError:
    return ServiceError(
        f"The service cannot be reached ({type(error).__name__}).", "Check its address, and that it runs."
    )


def _quoted(text: str) -> str:
    return quote(text, safe="")

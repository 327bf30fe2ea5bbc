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
from aftercast.serving.wire.questions import CustomerAsked, CustomerRiskRequest, DeviceRiskRequest
from aftercast.serving.wire.questions import DeviceAsked as DeviceOnTheWire
from aftercast.serving.wire.records import BatchState, RecordsAnswer, RecordsRequest, TableName
from aftercast.serving.wire.risk import CustomerRiskAnswer, DeviceRiskAnswer
from aftercast.serving.wire.risk_lists import RiskListAnswer, RiskListRequest

AnswerT = TypeVar("AnswerT", bound=BaseModel)
PASSING: Final = frozenset({429, 503})
TOOK_TOO_LONG: Final = "/problems/took-too-long"
"""Problem of a request that is too much for the service; the same request would be again."""
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
        Of one attempt; longer than the service's own `serving.request_timeout_s`, so that its refusal arrives.
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

    def __init__(self, address: str, key: str, *, timeout_s: float = 60.0, attempts: int = 4) -> None:
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
    ) -> DeviceRiskAnswer:
        """Ask how likely devices are to fail; a device asked about alone may bring records (:class:`DeviceAsked`).

        Raises
        ------
        ServiceError
            If the question is not one, or the service refuses, cannot be reached or answers something else.
        """
        given = several("devices", devices)
        with refusing():
            asked = [DeviceAsked(device_id=each) if isinstance(each, str) else each for each in given]
            question = DeviceRiskRequest(devices=asked, horizon=horizon, drivers=drivers)
        return self._call(DeviceRiskAnswer, "POST", "/v1/failure-risk", question)

    def churn_risk(
        self, customers: Iterable[str], *, horizon: str | None = None, drivers: int = 3
    ) -> CustomerRiskAnswer:
        """Ask how likely customers are to leave; raises ServiceError."""
        given = several("customers", customers)
        with refusing():
            asked = [CustomerAsked(customer_id=each) for each in given]
            question = CustomerRiskRequest(customers=asked, horizon=horizon, drivers=drivers)
        return self._call(CustomerRiskAnswer, "POST", "/v1/churn-risk", question)

    def device(self, device_id: str) -> DeviceAnswer:
        """Return what is known of a device; raises ServiceError."""
        return self._call(DeviceAnswer, "GET", f"/v1/devices/{_quoted(device_id)}")

    def make_risk_list(
        self, kind: str = "failure", *, horizon: str | None = None, top: int = 100, cutoff: datetime | None = None
    ) -> RiskListAnswer:
        """Make a list of the devices or customers most at risk, and return its first rows; raises ServiceError."""
        with refusing():
            body = RiskListRequest(kind=kind, horizon=horizon, top=top, cutoff=cutoff)
        return self._call(RiskListAnswer, "POST", "/v1/risk-lists", body)

    def risk_list(self, list_id: str, *, limit: int = 100, cursor: str | None = None) -> RiskListAnswer:
        """Return rows of a list that was made before, from a cursor on; raises ServiceError."""
        query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        return self._call(RiskListAnswer, "GET", f"/v1/risk-lists/{_quoted(list_id)}", query=query)

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

    def batch(self, batch_id: str) -> BatchState:
        """Return what became of records that were sent; raises ServiceError."""
        return self._call(BatchState, "GET", f"/v1/records/{_quoted(batch_id)}")

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
            refused = refusal(response)
            too_much = refused.problem is not None and refused.problem.type == TOOK_TOO_LONG
            if last or too_much or response.status_code not in PASSING:
                raise refused
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

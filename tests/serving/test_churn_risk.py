"""Risk that customers leave, over HTTP: the same numbers as the batch."""

from __future__ import annotations

from typing import cast

import httpx
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.scoring.forecast_store import stored_forecasts
from aftercast.models.words.answers import answer


def test_every_customer_has_the_probability_of_the_batch(client: httpx.Client, fleet_workspace: Workspace) -> None:
    scored, found = stored_forecasts(fleet_workspace.database, "churn", None)
    scores = cast("list[HazardForecast]", found)
    body = {"customers": [{"customer_id": score.entity_id} for score in scores], "horizon": "30d"}
    answered = client.post("/v1/churn-risk", json=body).json()
    expected = {score.entity_id: answer(score, "30d").probability for score in scores}
    assert {result["customer_id"]: result["probability"] for result in answered["results"]} == expected
    assert pd.Timestamp(answered["cutoff"]) == scored.cutoff
    assert (answered["model"]["name"], answered["horizon"]) == ("churn", "30d")
    assert "leaves within 30 days" in answered["results"][0]["sentence"]


def test_an_unknown_customer_has_an_error_of_its_own(client: httpx.Client, fleet_workspace: Workspace) -> None:
    _, scores = stored_forecasts(fleet_workspace.database, "churn", None)
    body = {"customers": [{"customer_id": "nobody"}, {"customer_id": scores[0].entity_id}]}
    first, second = client.post("/v1/churn-risk", json=body).json()["results"]
    assert (first["customer_id"], first["error"]["code"]) == ("nobody", "unknown_customer")
    assert second["status"] == "answered"


def test_a_customer_who_left_has_no_probability_and_the_reason(
    client: httpx.Client, fleet_workspace: Workspace
) -> None:
    scored, _ = stored_forecasts(fleet_workspace.database, "churn", None)
    customers = fleet_workspace.store.read("customers", known_at=scored.cutoff)
    customers = customers.drop_duplicates("customer_id", keep="last")
    left = customers.loc[customers["left_at"] <= scored.cutoff, "customer_id"]
    (result,) = client.post("/v1/churn-risk", json={"customers": [{"customer_id": left.iloc[0]}]}).json()["results"]
    assert (result["status"], result["probability"]) == ("answered", None)
    assert "left" in result["reason"]

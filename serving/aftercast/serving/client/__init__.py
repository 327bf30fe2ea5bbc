"""A thin typed client of the service: its requests and answers are the service's own wire models."""

from aftercast.serving.client.calls import Client
from aftercast.serving.client.errors import ServiceError

__all__ = ["Client", "ServiceError"]

"""A thin typed client of the service: its requests and answers are the service's own wire models."""

from aftercast.serving.client.calls import Client
from aftercast.serving.client.errors import ServiceError
from aftercast.serving.client.handed import DeviceAsked

__all__ = ["Client", "DeviceAsked", "ServiceError"]

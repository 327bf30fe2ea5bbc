"""A simulated fleet with known truth, in the layout the `tables` source reads."""

from aftercast.data.simulator.config import FleetConfig
from aftercast.data.simulator.simulate import SimulationSummary, simulate

__all__ = ["FleetConfig", "SimulationSummary", "simulate"]

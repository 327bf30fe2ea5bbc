"""Features of run-to-failure data: units followed cycle by cycle, each row seeing only its own unit's past."""

from aftercast.models.kinds.remaining_life.trajectories.recipe import Recipe, RecipeSettings, fit_recipe
from aftercast.models.kinds.remaining_life.trajectories.regimes import Regimes, find_regimes
from aftercast.models.kinds.remaining_life.trajectories.table import Trajectories, read_trajectories

__all__ = ["Recipe", "RecipeSettings", "Regimes", "Trajectories", "find_regimes", "fit_recipe", "read_trajectories"]

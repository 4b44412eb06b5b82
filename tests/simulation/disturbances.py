"""What goes wrong beside an action: another at the same time, a cut connection, a collision, a killed process, a jump.

Two actions overlap exactly repeatably: the first is held at a chosen statement, with the locks that it has, while the
second runs. Either that ends, or it waits for a lock of the first, which the database says; then the first goes on. So
the order in which they happened is known, and the model follows it.
"""

from random import Random
from threading import Thread
from typing import TYPE_CHECKING, Any

from tests.simulation.actions import Action

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


class Disturbances:
    def __init__(self, sim: "Simulation", killer: Any) -> None:
        self.sim, self.killer = sim, killer

    def perform(self, action: Action, random: Random) -> list[Action]:
        return self.sim.perform(action)


__all__ = ["Disturbances", "Thread"]

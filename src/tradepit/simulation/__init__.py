"""Simulated days: the native engine under virtual time, with everything that lives in a market.

Same scenario and seed, same bytes. How it is used: docs/simulation.md.

- `scenario`: what a day is made of, as a TOML file says it; `opening`: its first commands
- `simulation`: one step after the other; `venue`: the engine, frame after frame
- `sources`: the public: drawn (`public_flow`, `fair_value`) or recorded (`recording`)
- `fleet`: makers hear, ask their quoters, send (`outbox`)
- `maker`: a maker process; `seat`: a firm in an instrument
- `tape`: reads the market's events; `budget`, `checks`: what must be true
- `faults`: kills, pauses, halts; `pump`: the bot; `pump_trials`: the bot over seeds
- `sampling`, `report`, `tables`, `charts`, `page`, `comparing`: what came of it
- `journal_writer`: the day as a node's journal; `cli`: the command
"""

from tradepit.simulation.report import Report
from tradepit.simulation.scenario import Scenario, ScenarioError, load_scenario
from tradepit.simulation.simulation import Simulation

__all__ = ["Report", "Scenario", "ScenarioError", "Simulation", "load_scenario"]

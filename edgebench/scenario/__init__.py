"""One TOML file, one question: read, checked, and laid out as trials in the order they run.

    scenario = load(Path("scenarios/quick.toml"), ["repeats=5"], kinds=("direct", "nginx", "varnish"))
    planned = trials(scenario, cells(scenario, available=("direct", "nginx")))

Pure but for reading the file. Whatever is wrong with the input ends in a ScenarioError of one line.
"""

from edgebench.scenario.document import json_schema, schema_text
from edgebench.scenario.loader import load
from edgebench.scenario.order import TRIAL_OVERHEAD_S, cells, estimate_s, trials
from edgebench.scenario.problems import ScenarioError
from edgebench.scenario.text import to_toml

__all__ = [
    "TRIAL_OVERHEAD_S",
    "ScenarioError",
    "cells",
    "estimate_s",
    "json_schema",
    "load",
    "schema_text",
    "to_toml",
    "trials",
]

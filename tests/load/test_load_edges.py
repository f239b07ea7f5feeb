"""Users spread over edges, and caches filled before the load."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from edgebench.load.popularity import Popularity
from tests.load.test_load_options import options, refusal

_ASKED = """
from edgebench.load import EdgeUser  # patches for gevent, as Locust does
from edgebench.load.options import LoadOptions
from edgebench.load.request import Server
from edgebench.load.session import Session

site = Server.from_url("http://shop.test:1")
session = Session(LoadOptions(edges=("http://127.0.0.1:1", "http://127.0.0.2:2", "http://127.0.0.3:3")))
for user in range(5):
    edge = session.edge(site)
    print(edge.host, edge.port, edge.authority)
    session.users += 1
print(Session(LoadOptions()).edge(site) == site)
"""


def test_user_k_goes_to_edge_k_mod_n_and_names_the_site() -> None:
    asked = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True, timeout=60)
    *edges, alone = asked.stdout.splitlines()
    places = ["127.0.0.1 1", "127.0.0.2 2", "127.0.0.3 3", "127.0.0.1 1", "127.0.0.2 2"]
    assert edges == [f"{place} shop.test:1" for place in places]
    assert alone == "True"


def test_filling_asks_for_every_key_once_from_the_least_popular_on() -> None:
    filled = Popularity(50, 0.9, 3, fills=True)
    first = [filled.draw() for _ in range(50)]
    assert first == filled.key_of_rank[::-1].tolist()
    plain = Popularity(50, 0.9, 3)
    assert [filled.draw() for _ in range(600)] == [plain.draw() for _ in range(600)]  # what comes later is the same


def test_workers_share_the_filling() -> None:
    drawn = [[worker.draw() for _ in range(10)] for worker in (_worker(0), _worker(1), _worker(2))]
    assert sorted(np.concatenate(drawn).tolist()) == list(range(1, 31))


def _worker(number: int) -> Popularity:
    return Popularity(30, 1.1, 5, number, fills=True, workers=3)


def test_edges_are_addresses() -> None:
    assert options("--edges", "http://127.0.0.1:1, http://127.0.0.2:2").edges == (
        "http://127.0.0.1:1",
        "http://127.0.0.2:2",
    )
    assert options().edges == ()
    assert refusal("--edges", "http://127.0.0.1:1,there").startswith("--edges: host 'there': expected http://name:port")

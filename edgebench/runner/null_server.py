"""The null server: one nginx worker that answers and does nothing else.

`GET /<n>` brings a body of n bytes from memory, `GET /file/<n>` from a file, as nginx's cache does. The answer carries
the headers of an answer from a cache, so that reading it costs the client what it costs in a trial.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from edgebench.runner.guardian import Guardian
from edgebench.runner.services import Service
from edgebench.tiers.adapter import PROBE_PATH, Binary, Place
from edgebench.tiers.nginx import Nginx, root_and_group

UNIT_BYTES = 1024
"""nginx takes no word longer than 4 KiB in its configuration: longer bodies are repeats of a variable."""
MOST_BYTES = 1_000_000


def find() -> Binary | None:
    """The nginx that would be started; None where there is none."""
    return Nginx().find()


def config(directory: Path, port: int, sizes: Sequence[int]) -> str:
    """nginx's configuration for these body sizes (0..MOST_BYTES)."""
    if not all(0 <= size <= MOST_BYTES for size in sizes):
        raise ValueError(f"body sizes must be 0 to {MOST_BYTES}, not {sizes}")
    user = root_and_group()
    locations = "\n".join(f'    location = /{size} {{ return 200 "{_body(size)}"; }}' for size in sizes)
    return f"""\
daemon off;
{f"user {user};" if user else ""}
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {directory}/tmp/body;
  proxy_temp_path {directory}/tmp/proxy;
  fastcgi_temp_path {directory}/tmp/fastcgi;
  uwsgi_temp_path {directory}/tmp/uwsgi;
  scgi_temp_path {directory}/tmp/scgi;
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  map $uri $u {{ default "{"x" * UNIT_BYTES}"; }}
  add_header Cache-Control "public, max-age=60";
  add_header ETag '"5d8c72a5edda8d6a"';
  add_header Cache-Status "nginx; hit";
  add_header Edgebench-Origin "seq=$connection;t=1";
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location {PROBE_PATH} {{ return 204; }}
    location /file/ {{ root {directory}; sendfile on; open_file_cache max=100; }}
{locations}
  }}
}}
"""


def _body(size: int) -> str:
    units, rest = divmod(size, UNIT_BYTES)
    return "x" * rest + "$u" * units


def null_server(directory: Path, port: int, sizes: Sequence[int], cores: Sequence[int], guardian: Guardian) -> Service:
    """The service, configured and not yet started. `find` must have found its binary."""
    binary = find()
    assert binary is not None
    directory = directory.resolve()
    (directory / "tmp").mkdir(parents=True, exist_ok=True)
    (directory / "file").mkdir(exist_ok=True)
    for size in sizes:
        (directory / "file" / str(size)).write_bytes(b"x" * size)
    path = directory / "nginx.conf"
    path.write_text(config(directory, port, sizes))
    process = Nginx().processes(binary, Place(directory, port, 0))[0]
    return Service(
        "the null server", "tier", process.argv, {}, directory / "nginx.log", cores, guardian,
        stop_signal=signal.SIGQUIT, children=1,
    )  # fmt: skip

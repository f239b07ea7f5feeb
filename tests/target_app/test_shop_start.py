"""The first start: the same catalogue everywhere, whole, and made once."""

import hashlib
import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

from flask import Flask

from target_app import create_app
from target_app.generate import generate_products
from target_app.shop import EXTENSION

# Of all products, as Python writes them. A change here changes every user's results.
CATALOGUE_DIGEST = "08373ee251f981fa0f13f2f6bb6c248382f7e7cbabb391293338cb186ed42aca"
TOUR_DIGEST = "dd8aac76d6a698dd8851caae0fe974f0a9d7aa40ffc267583989aa994b03c4af"


def start(folder: Path, barrier: "multiprocessing.synchronize.Barrier | None" = None) -> int:
    """Start a shop and give the inode of its catalogue, which tells who replaced whose file."""
    path = folder / "catalogue.sqlite3"
    if barrier is not None:
        barrier.wait()
    app = create_app({"CATALOGUE_PATH": path})
    assert app.test_client().get("/api/products/10000").status_code == 200
    app.extensions[EXTENSION].database.close()
    return path.stat().st_ino


def worker(
    folder: Path,
    barrier: "multiprocessing.synchronize.Barrier",
    inodes: "multiprocessing.queues.Queue[int]",
) -> None:
    inodes.put(start(folder, barrier))


def rows_digest(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM product ORDER BY id").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_the_catalogue_is_the_same_everywhere(first_start: Path, tmp_path: Path) -> None:
    start(tmp_path)
    for name in ("chime.wav", "intro.wav", "tour.wav"):
        clips = [(folder / "media" / name).read_bytes() for folder in (first_start, tmp_path)]
        assert clips[0] == clips[1]
    tour = hashlib.sha256((tmp_path / "media" / "tour.wav").read_bytes()).hexdigest()
    assert tour == TOUR_DIGEST
    for folder in (first_start, tmp_path):
        assert rows_digest(folder / "catalogue.sqlite3") == CATALOGUE_DIGEST


def test_the_catalogue_is_believable() -> None:
    products = list(generate_products())
    assert len(products) == len({product.sku for product in products}) == 10_000
    assert all(200 <= len(product.description) <= 500 for product in products)
    assert all(0 < product.price_cents < 30_000 for product in products)


def test_workers_that_start_together_make_one_catalogue(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, inodes = context.Barrier(4), context.Queue()
    workers = [context.Process(target=worker, args=(tmp_path, barrier, inodes)) for _ in range(4)]
    for process in workers:
        process.start()
    assert len({inodes.get(timeout=30) for _ in workers}) == 1
    for process in workers:
        process.join(timeout=30)
        assert process.exitcode == 0
    assert not list(tmp_path.glob(".*.new"))
    assert rows_digest(tmp_path / "catalogue.sqlite3") == CATALOGUE_DIGEST


def test_a_start_that_died_halfway_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".catalogue.sqlite3.new").write_bytes(b"half a database")
    start(tmp_path)
    assert rows_digest(tmp_path / "catalogue.sqlite3") == CATALOGUE_DIGEST


def test_no_database_is_a_503(app: Flask, tmp_path: Path) -> None:
    broken = create_app({"CATALOGUE_PATH": tmp_path / "c.sqlite3"})
    database = broken.extensions[EXTENSION].database
    database.path = tmp_path / "missing" / "c.sqlite3"
    for path in ("/healthz", "/api/products/1"):
        answer = broken.test_client().get(path)
        assert answer.status_code == 503
        assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"] == "1"

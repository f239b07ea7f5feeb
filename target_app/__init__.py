"""A small Flask shop whose answers are made to be cached.

    flask --app target_app run
    gunicorn -w 2 --threads 4 -k gthread 'target_app:create_app()'

Every answer says how long who may keep it; an answer that says nothing is `no-store`.
The keys that can be set are in `config.Settings`.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, Response

from target_app import account, api, errors, health, media, pages, pictures, static_files
from target_app.assets import load_assets
from target_app.caching import Policies
from target_app.clips import open_clips
from target_app.compression import compress_answer, parse_codings
from target_app.config import Settings
from target_app.database import Database
from target_app.shop import EXTENSION, ProductIdConverter, Shop, close_db


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The shop, configured by defaults, then `FLASK_…` in the environment, then `config`."""
    app = Flask(__name__, static_folder=None)
    app.config.from_mapping(Settings.defaults())
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})

    settings = Settings.from_config(app.config)
    catalogue_path = settings.catalogue_path or Path(app.instance_path) / "catalogue-1.sqlite3"
    app.secret_key = settings.secret_key
    release = settings.release_path.read_text().strip() if settings.release_path else ""
    app.extensions[EXTENSION] = Shop(
        settings=settings,
        policies=Policies.from_settings(settings),
        database=Database.open(catalogue_path),
        assets=load_assets(
            Path(app.root_path) / "static",
            settings.cdn_url,
            codings=parse_codings(settings.codings),
            versioned=settings.versioned_static,
            release=release,
            published=settings.published_path,
        ),
        clips=open_clips(settings.media_path or catalogue_path.parent / "media"),
        release=release,
    )

    app.url_map.converters["product_id"] = ProductIdConverter
    for blueprint in (api.bp, account.bp, pages.bp, static_files.bp, media.bp, pictures.bp, health.bp):
        app.register_blueprint(blueprint)
    errors.register(app)
    app.teardown_appcontext(close_db)
    app.after_request(_cache_nothing_by_accident)
    if not settings.validators:
        app.after_request(_without_validators)
    if settings.compress_pages:
        app.after_request(partial(compress_answer, codings=parse_codings(settings.codings)))
    return app


def _cache_nothing_by_accident(response: Response) -> Response:
    # Without Cache-Control a cache may guess a lifetime (RFC 9111 4.2.2), for errors as well.
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _without_validators(response: Response) -> Response:
    for name in ("ETag", "Last-Modified"):
        response.headers.pop(name, None)
    return response

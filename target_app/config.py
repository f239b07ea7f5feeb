"""Everything that can be configured, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from target_app.compression import parse_codings

PRIVATE = "private, no-store"
DEMO_SECRET_KEY = "demo-key-change-me"


@dataclass(frozen=True, slots=True)
class Settings:
    """The shop's settings. `ttl_s` is `TTL_S` in `app.config` and `FLASK_TTL_S` in the environment.

    All times are whole seconds. A TTL of 0 makes caches ask again each time.
    """

    ttl_s: int = 60
    """How long product, list and search answers are fresh, where nothing below says otherwise."""
    ttl_product_s: int | None = None
    ttl_list_s: int | None = None
    ttl_search_s: int | None = None
    ttl_pages_s: int | None = None
    """HTML pages; they show catalogue data, so None means `ttl_s` here too."""
    ttl_media_s: int = 86_400
    """Clips never change under their name, so they do not follow `ttl_s`."""
    ttl_static_s: int | None = None
    """Static files under plain names, where pages link to those; None means `ttl_s`."""

    stale_while_revalidate_s: int | None = None
    """How long past its TTL a catalogue answer may be served while a cache fetches a new one."""
    stale_if_error_s: int | None = None
    """How long past its TTL a catalogue answer may be served while the shop is down."""

    validators: bool = True
    """Whether answers carry an ETag. Without one nobody can ask whether what he has is still good."""
    work_ms: int = 0
    """How long the shop waits before each answer of the catalogue's JSON, for what a real one would have to ask: a
    database elsewhere, another service."""
    account_cache_control: str = PRIVATE
    """Cache-Control of one user's own answers. Anything weaker trusts every cache on the way not to share them."""
    versioned_static: bool = True
    """Whether pages link to static files by names that change with the content. Those are kept for a year; plain names
    for `ttl_static_s`, so that a deployment takes so long to reach everybody."""
    codings: str = "br,gzip"
    """Content codings static files are kept in besides plain, the one liked best first: of br, zstd and gzip."""
    compress_pages: bool = False
    """Whether pages and JSON are compressed, too, by the same codings, each time they are sent."""
    release_path: Path | None = None
    """A file with the name of the release, read at start and written into pages, styles and scripts as a build does it.
    None: they name none."""
    published_path: Path | None = None
    """A folder that keeps the hashed files of every release, for pages of an older one that are still about."""
    cdn_url: str = ""
    """Where assets are loaded from, such as `https://cdn.example.com`; empty: from the shop."""
    catalogue_path: Path | None = None
    """The SQLite file, made on first start; None: in the instance folder."""
    media_path: Path | None = None
    """The folder of sound clips, made on first start; None: `media` beside the catalogue."""
    secret_key: str = DEMO_SECRET_KEY
    """Signs sessions and tokens. The default is public: set your own outside a demo."""

    session_cookie_samesite: str = "Lax"
    max_content_length: int = 16_384
    """Largest request body, in bytes (Flask answers 413 beyond)."""

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The defaults under the names Flask knows them by."""
        return {field.name.upper(): field.default for field in fields(cls)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read and check the settings; a ValueError names the key that is wrong."""
        values = {field.name: config[field.name.upper()] for field in fields(cls)}
        for name, value in values.items():
            if name.endswith("_s"):
                _check_seconds(name.upper(), value, optional=name not in ("ttl_s", "ttl_media_s"))
            elif name.endswith("_path"):
                values[name] = Path(str(value)).absolute() if value else None
        for name in ("versioned_static", "compress_pages", "validators"):
            if not isinstance(values[name], bool):
                raise ValueError(f"{name.upper()} must be true or false, not {values[name]!r}")
        if not isinstance(values["work_ms"], int) or isinstance(values["work_ms"], bool) or values["work_ms"] < 0:
            raise ValueError(f"WORK_MS must be a whole number of milliseconds, 0 or more, not {values['work_ms']!r}")
        values["codings"] = str(values["codings"] or "")
        parse_codings(values["codings"])
        # The environment is read as JSON, so a secret of digits arrives as a number.
        values["secret_key"] = str(values["secret_key"])
        values["cdn_url"] = str(values["cdn_url"] or "").rstrip("/")
        return cls(**values)


def _check_seconds(key: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} must be a whole number of seconds, 0 or more, not {value!r}")

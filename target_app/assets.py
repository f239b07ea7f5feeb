"""Static files, read once at start: named by content, compressed, ready to be sent."""

import hashlib
import mimetypes
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from target_app.caching import content_etag
from target_app.compression import IDENTITY, TEXTS, compressed_once

HASH_LENGTH = 12
# Spelled out, because what `mimetypes` knows differs from machine to machine.
MIMETYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".webp": "image/webp"}

# Of these a release changes the bytes.
STAMPED = {".css", ".js"}


@dataclass(frozen=True, slots=True)
class Variant:
    """An asset's bytes in one content coding, and their ETag."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file; `variants` maps content codings to bytes, the one liked best first, and always has "identity"."""

    hashed_name: str
    mimetype: str
    variants: Mapping[str, Variant]

    @property
    def compressible(self) -> bool:
        return len(self.variants) > 1


class Published:
    """A folder to which every release adds its hashed files, and from which none takes any away."""

    def __init__(self, folder: Path, codings: Sequence[str]) -> None:
        self._folder = folder
        self._codings = codings
        self._read: dict[str, Asset] = {}

    def add(self, assets: Iterable[Asset]) -> None:
        """Whoever sees a file sees it whole, however many workers start at once."""
        for asset in assets:
            path = self._folder / asset.hashed_name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished = path.with_name(f".{path.name}.{os.getpid()}")
                unfinished.write_bytes(asset.variants["identity"].body)
                unfinished.replace(path)

    def find(self, hashed_name: str) -> Asset | None:
        """Also what a release has published that started after this one."""
        if hashed_name not in self._read:
            match = re.fullmatch(rf"([\w/-]+)\.[0-9a-f]{{{HASH_LENGTH}}}(\.\w+)", hashed_name)
            path = self._folder / hashed_name
            if match is None or not path.is_file():
                return None
            asset = _asset(match[1] + match[2], path.read_bytes(), self._codings)
            if asset.hashed_name != hashed_name:
                return None
            self._read[hashed_name] = asset
        return self._read[hashed_name]


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files, by plain name, and the plain names by hashed name."""

    cdn_url: str
    by_name: Mapping[str, Asset]
    names: Mapping[str, str]
    versioned: bool = True
    """Whether pages link to hashed names."""
    published: Published | None = None
    """Where the hashed files of other releases are."""

    def url(self, name: str) -> str:
        """Where browsers load `name` from; where names are versioned, the URL changes when the content does."""
        return f"{self.cdn_url}/static/{self.by_name[name].hashed_name if self.versioned else name}"

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """The asset a URL asks for, and whether by its hash.

        Pages that were cached before a deployment ask for old hashes; where those files are gone, they get today's.
        """
        if path in self.names:
            return self.by_name[self.names[path]], True
        kept = self.published.find(path) if self.published is not None else None
        if kept is not None:
            return kept, True
        plain = re.sub(rf"\.[0-9a-f]{{{HASH_LENGTH}}}(\.\w+)$", r"\1", path)
        asset = self.by_name.get(path) or self.by_name.get(plain)
        return None if asset is None else (asset, False)


def load_assets(
    folder: Path,
    cdn_url: str = "",
    *,
    codings: Sequence[str] = ("br", "gzip"),
    versioned: bool = True,
    release: str = "",
    published: Path | None = None,
) -> Assets:
    """Read every file below `folder`, and keep it in all of `codings`, where it is a text. `release`: its name is
    written into styles and scripts, if there is one.

    Style sheets come last: they link to the others, and their own hash covers those names.
    """
    by_name: dict[str, Asset] = {}
    stamp = f"/* release {release} */\n".encode() if release else b""
    files = (path for path in folder.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: (path.suffix == ".css", path)):
        name = path.relative_to(folder).as_posix()
        body = path.read_bytes()
        if path.suffix == ".css":
            body = link_css(body.decode(), by_name, versioned=versioned).encode()
        if path.suffix in STAMPED:
            body = stamp + body
        by_name[name] = _asset(name, body, codings)
    names = {asset.hashed_name: name for name, asset in by_name.items()}
    keeper = Published(published, codings) if published is not None else None
    if keeper is not None:
        keeper.add(by_name.values())
    return Assets(cdn_url, by_name, names, versioned, keeper)


def link_css(css: str, assets: Mapping[str, Asset], *, versioned: bool = True) -> str:
    """`css` with each `url("name")` replaced by the name pages link to, relative and so on any host."""

    def linked(name: str) -> str:
        return assets[name].hashed_name if versioned else name

    return re.sub(r'url\("([^"]+)"\)', lambda found: f'url("{linked(found[1])}")', css)


def _asset(name: str, body: bytes, codings: Sequence[str]) -> Asset:
    path = PurePosixPath(name)
    digest = hashlib.sha256(body).hexdigest()[:HASH_LENGTH]
    mimetype = MIMETYPES.get(path.suffix) or mimetypes.guess_type(name)[0]
    mimetype = mimetype or "application/octet-stream"
    coded = codings if mimetype in TEXTS else ()
    bodies = {**{coding: compressed_once(body, coding) for coding in coded}, IDENTITY: body}
    variants = {coding: Variant(data, content_etag(data)) for coding, data in bodies.items()}
    return Asset(path.with_stem(f"{path.stem}.{digest}").as_posix(), mimetype, variants)

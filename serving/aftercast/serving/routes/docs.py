"""The page to read and try the interface in a browser: Swagger UI, its files served from the installed package.

It names no address outside and holds no script of its own text, so that its policy can forbid both.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Response

from aftercast.serving.deps import Service, ServiceDep

router = APIRouter(include_in_schema=False)

OWN: Final = Path(__file__).parents[1] / "docs_page"
CARRIED: Final = "fastapi_offline"
"""The package that carries the files of Swagger UI."""
ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
}
"""File -> media type; whatever else the package holds is not served."""
STRICT: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Images as data are in the style sheet of Swagger UI; no form is sent, so that no key gets into an address."""
FOR_EVER: Final = "private, max-age=31536000, immutable"


@router.get("/docs")
def docs(service: ServiceDep) -> Response:
    """Return the page; its addresses are relative, so that it works behind a proxy that adds a prefix."""
    _check_wanted(service)
    headers = {**STRICT, "Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    text = (OWN / "index.html").read_text(encoding="utf-8")
    return Response(text.replace("{assets}", f"docs/assets/{_version()}"), media_type="text/html", headers=headers)


@router.get("/docs/assets/{version}/{name}")
def asset(service: ServiceDep, version: str, name: str) -> Response:
    """Return a file of the page; a browser keeps it, since other content has another address."""
    _check_wanted(service)
    if name not in ASSETS or version != _version():
        raise HTTPException(404)
    return Response(_content(name), media_type=ASSETS[name], headers={**STRICT, "Cache-Control": FOR_EVER})


def _check_wanted(service: Service) -> None:
    """Where the page is switched off, it is not there."""
    if not service.workspace.settings.serving.docs:
        raise HTTPException(404)


@cache
def _version() -> str:
    """Hash of all files of the page."""
    return hashlib.sha256(b"".join(_content(name) for name in ASSETS)).hexdigest()[:16]


@cache
def _content(name: str) -> bytes:
    own: Traversable = OWN / name
    return (own if own.is_file() else files(CARRIED) / "static" / name).read_bytes()

"""The configuration folder of a Home Assistant that is set up already: known login, onboarded, entries in place.

In: what it shall know. Out: files. Loopback only: login and token are no secrets. The storage versions are those of
Home Assistant 2026.11.0.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import bcrypt
import jwt

from .process import LOOPBACK, ROOT

USERNAME = "demo"
PASSWORD = "demo"
MQTT_CLIENT_ID = "home-assistant"

type Entry = dict[str, Any]

_OWNER = "00000000000000000000000000000001"
_CREDENTIAL = "00000000000000000000000000000002"
_REFRESH_TOKEN = "00000000000000000000000000000003"
_KEY = "0" * 128
_SINCE = "2026-01-01T00:00:00+00:00"
_ISSUED, _EXPIRES = 1_767_225_600, 2_082_758_400  # 2026-01-01 and 2036-01-01

CONFIGURATION = """\
homeassistant:
  name: Site devices demo
  country: IT
  unit_system: metric
  time_zone: Europe/Rome
automation: !include automations.yaml
frontend:
config:
diagnostics:
history:
logbook:
my:
logger:
  default: warning
  logs:
    custom_components.site_devices: info
    # Missing system libraries that nothing here uses:
    haffmpeg: critical
    homeassistant.components.camera.img_util: critical
lovelace:
  dashboards:
    demo-fleet:
      mode: yaml
      filename: demo-fleet.yaml
      title: Fleet
      icon: mdi:access-point-network
"""

DASHBOARDS = ROOT / "docs"  # what users paste

# Two packages without which the voice assistant does not load. They need a compiler, and here nobody speaks.
STUBS = {"pymicro_vad.py": "class MicroVad: ...\n", "pyspeex_noise.py": "class AudioProcessor: ...\n"}


def access_token() -> str:
    """The access token of the owner, valid without logging in."""
    return jwt.encode({"iss": _REFRESH_TOKEN, "iat": _ISSUED, "exp": _EXPIRES}, _KEY, algorithm="HS256")


def entry(domain: str, title: str, data: Mapping[str, Any], *, version: int = 1, unique_id: str | None = None) -> Entry:
    """One config entry, as Home Assistant stores it."""
    return {
        "created_at": _SINCE,
        "data": dict(data),
        "disabled_by": None,
        "discovery_keys": {},
        "domain": domain,
        "entry_id": f"demo_{domain}_{title}",
        "minor_version": 1,
        "modified_at": _SINCE,
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": [],
        "title": title,
        "unique_id": unique_id,
        "version": version,
    }


def mqtt_entry(
    host: str, port: int, *, protocol: str = "5", username: str | None = None, password: str | None = None
) -> Entry:
    """The entry of the MQTT integration."""
    data: dict[str, Any] = {"broker": host, "port": port, "protocol": protocol, "transport": "tcp"}
    data["client_id"] = MQTT_CLIENT_ID  # so that the broker's log can be searched for it
    if username is not None:
        data |= {"username": username, "password": password}
    return entry("mqtt", host, data, version=2)


def site_entry(site: str, **options: Any) -> Entry:
    """The entry of one site."""
    return entry("site_devices", site, {"site_code": site}, unique_id=site) | {"options": options}


def write(folder: Path, *, port: int, entries: Sequence[Entry], components: Path, language: str = "en") -> None:
    """Fill an empty folder; `components` is the folder of custom components to use, and stays where it is."""
    configuration = CONFIGURATION.replace("homeassistant:\n", f"homeassistant:\n  language: {language}\n")
    (folder / "configuration.yaml").write_text(configuration, encoding="utf-8")
    (folder / "automations.yaml").write_text("[]\n", encoding="utf-8")
    dashboard = DASHBOARDS / ("dashboard.it.yaml" if language == "it" else "dashboard.yaml")
    (folder / "demo-fleet.yaml").symlink_to(dashboard)
    (folder / "custom_components").symlink_to(components, target_is_directory=True)
    stubs = folder / "stubs"
    stubs.mkdir()
    for name, text in STUBS.items():
        (stubs / name).write_text(text, encoding="utf-8")
    storage = folder / ".storage"
    storage.mkdir()
    for key, version, minor, data in _storage(port, entries):
        document = {"version": version, "minor_version": minor, "key": key, "data": data}
        (storage / key).write_text(json.dumps(document), encoding="utf-8")


def _storage(port: int, entries: Sequence[Entry]) -> list[tuple[str, int, int, dict[str, Any]]]:
    password = b64encode(bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))).decode()
    return [
        ("auth", 1, 1, _auth()),
        ("auth_provider.homeassistant", 1, 1, {"users": [{"username": USERNAME, "password": password}]}),
        ("onboarding", 4, 1, {"done": ["user", "core_config", "analytics", "integration"]}),
        ("http", 3, 1, _http(port)),
        ("core.config_entries", 1, 5, {"entries": list(entries)}),
    ]


def _auth() -> dict[str, Any]:
    groups = ("system-admin", "system-users", "system-read-only")
    return {
        "users": [
            {
                "id": _OWNER,
                "group_ids": ["system-admin"],
                "is_owner": True,
                "is_active": True,
                "name": "Demo",
                "system_generated": False,
                "local_only": True,
            }
        ],
        "groups": [{"id": group, "name": group} for group in groups],
        "credentials": [
            {
                "id": _CREDENTIAL,
                "user_id": _OWNER,
                "auth_provider_type": "homeassistant",
                "auth_provider_id": None,
                "data": {"username": USERNAME},
            }
        ],
        "refresh_tokens": [
            {
                "id": _REFRESH_TOKEN,
                "user_id": _OWNER,
                "client_id": None,
                "client_name": "demo",
                "client_icon": None,
                "token_type": "long_lived_access_token",
                "created_at": _SINCE,
                "access_token_expiration": _EXPIRES - _ISSUED,
                "token": _KEY,
                "jwt_key": _KEY,
                "last_used_at": None,
                "last_used_ip": None,
                "expire_at": None,
                "credential_id": None,
                "version": None,
            }
        ],
    }


def _http(port: int) -> dict[str, Any]:
    stable = {
        "server_host": [LOOPBACK],
        "server_port": port,
        "cors_allowed_origins": [],
        "login_attempts_threshold": -1,
        "ip_ban_enabled": False,
        "ssl_profile": "intermediate_v6",
        "use_x_frame_options": True,
        "created_at": _SINCE,
        "error": None,
        "error_message": None,
    }
    return {"stable": stable, "pending": None, "yaml_migration_done": True}

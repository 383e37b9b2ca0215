"""A seeded Home Assistant knows its login, its token and its entries."""

from base64 import b64decode
import json
from pathlib import Path
from typing import Any

import bcrypt
from homeassistant.util.yaml import load_yaml_dict
import pytest

from harness import seed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    components = tmp_path / "components"
    components.mkdir()
    config = tmp_path / "config"
    config.mkdir()
    entries = [seed.mqtt_entry("127.0.0.1", 1234), seed.site_entry("sito_001", offline_after=5)]
    seed.write(config, port=8123, entries=entries, components=components, language="it")
    return config


def stored(folder: Path, key: str) -> Any:
    document = json.loads((folder / ".storage" / key).read_text())
    assert document["key"] == key
    return document["data"]


def test_the_login_works(folder: Path) -> None:
    (user,) = stored(folder, "auth_provider.homeassistant")["users"]
    assert user["username"] == seed.USERNAME
    assert bcrypt.checkpw(seed.PASSWORD.encode(), b64decode(user["password"]))
    auth = stored(folder, "auth")
    assert auth["credentials"][0]["data"] == {"username": seed.USERNAME}
    assert auth["credentials"][0]["user_id"] == auth["users"][0]["id"]
    assert auth["users"][0]["is_owner"]


def test_the_entries(folder: Path) -> None:
    mqtt, site = stored(folder, "core.config_entries")["entries"]
    assert (mqtt["domain"], mqtt["version"]) == ("mqtt", 2)
    assert {"broker": "127.0.0.1", "port": 1234, "protocol": "5"}.items() <= mqtt["data"].items()
    assert "username" not in mqtt["data"]
    assert (site["domain"], site["title"], site["unique_id"]) == ("site_devices", "sito_001", "sito_001")
    assert site["data"] == {"site_code": "sito_001"}
    assert site["options"] == {"offline_after": 5}
    assert (site["version"], site["minor_version"]) == (1, 1)
    assert mqtt["entry_id"] != site["entry_id"]


def test_an_mqtt_entry_with_a_login() -> None:
    data = seed.mqtt_entry("127.0.0.1", 1, protocol="3.1.1", username="ha", password="secret")["data"]
    assert (data["protocol"], data["username"], data["password"]) == ("3.1.1", "ha", "secret")


def test_it_listens_on_loopback_only(folder: Path) -> None:
    http = stored(folder, "http")
    assert http["stable"]["server_host"] == ["127.0.0.1"]
    assert http["stable"]["server_port"] == 8123
    assert http["pending"] is None


def test_the_yaml(folder: Path) -> None:
    configuration = load_yaml_dict(str(folder / "configuration.yaml"))
    # A block for http would be on trial for five minutes, and then end Home Assistant.
    assert not {"http", "mqtt"} & configuration.keys()
    assert configuration["homeassistant"]["language"] == "it"
    assert configuration["automation"] == []  # to be filled on the automations page
    dashboards = configuration["lovelace"]["dashboards"]
    assert all("-" in key and (folder / dashboards[key]["filename"]).exists() for key in dashboards)
    # what users paste, in their language
    assert (folder / "demo-fleet.yaml").read_text() == (seed.DASHBOARDS / "dashboard.it.yaml").read_text()

"""Names that several rooms share."""

from typing import Final

DOMAIN: Final = "site_devices"

CONF_SITE_CODE: Final = "site_code"

OPT_OFFLINE_AFTER: Final = "offline_after"
OPT_NEW_DEVICES: Final = "new_devices"
OPT_MAX_DEVICES: Final = "max_devices"
OPT_DATA_ENTITIES: Final = "data_entities"
OPT_DATA_INTERVAL: Final = "data_interval"

NEW_DEVICES_ADD: Final = "add"
NEW_DEVICES_IGNORE: Final = "ignore"

DEFAULT_OFFLINE_AFTER: Final = 30  # seconds
DEFAULT_MAX_DEVICES: Final = 1000
DEFAULT_NEW_DEVICES: Final = NEW_DEVICES_ADD
DEFAULT_DATA_ENTITIES: Final = True
DEFAULT_DATA_INTERVAL: Final = 0  # seconds; 0: as they come

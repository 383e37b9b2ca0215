"""Constants that modules of all folders share."""

from typing import Final

DOMAIN: Final = "site_devices"

CONF_SITE_CODE: Final = "site_code"

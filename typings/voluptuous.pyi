# Home Assistant puts probatio in the place of voluptuous when it starts; this tells mypy so.
from probatio import *

from . import temp
from .addresses import answers, own_address, split
from .agent import Agent, Role
from .devices import are_parts, translate, translated, visible
from .memory import MIN_STORE_BYTES, MemoryKills, warning
from .ports import as_text, claimed, door, needed, parse_range
from .processes import ends_with_us
from .temp import temp_parent
from .variables import PROXIES, for_ray, for_step

__all__ = [
    "MIN_STORE_BYTES",
    "PROXIES",
    "Agent",
    "MemoryKills",
    "Role",
    "answers",
    "are_parts",
    "as_text",
    "claimed",
    "door",
    "ends_with_us",
    "for_ray",
    "for_step",
    "needed",
    "own_address",
    "parse_range",
    "split",
    "temp",
    "temp_parent",
    "translate",
    "translated",
    "visible",
    "warning",
]

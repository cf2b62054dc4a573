from . import temp as temp
from .addresses import answers as answers
from .addresses import own_address as own_address
from .addresses import split as split
from .agent import Agent as Agent
from .agent import Role as Role
from .devices import are_parts as are_parts
from .devices import translate as translate
from .devices import translated as translated
from .devices import visible as visible
from .memory import MemoryKills as MemoryKills
from .memory import warning as warning
from .ports import as_text as as_text
from .ports import claimed as claimed
from .ports import door as door
from .ports import needed as needed
from .ports import parse_range as parse_range
from .processes import ends_with_us as ends_with_us
from .temp import LONGEST_TEMP as LONGEST_TEMP
from .variables import PROXIES as PROXIES
from .variables import for_ray as for_ray
from .variables import for_step as for_step

__all__ = [
    "LONGEST_TEMP",
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
    "translate",
    "translated",
    "visible",
    "warning",
]

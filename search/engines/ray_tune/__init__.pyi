from .cluster import check_address as check_address
from .cluster import connected as connected
from .tuning import run_on_ray as run_on_ray

__all__ = [
    "check_address",
    "connected",
    "run_on_ray",
]

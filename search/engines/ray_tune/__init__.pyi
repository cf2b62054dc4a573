from .cluster import check_address, connected
from .tuning import run_on_ray

__all__ = [
    "check_address",
    "connected",
    "run_on_ray",
]

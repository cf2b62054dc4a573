from .doctor import bed_of as bed_of
from .doctor import look_at_job as look_at_job
from .doctor import look_for_job as look_for_job
from .doctor import look_here as look_here

__all__ = [
    "bed_of",
    "look_at_job",
    "look_for_job",
    "look_here",
]

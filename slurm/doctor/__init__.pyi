from .doctor import bed_of, look_at_job, look_for_job, look_here

__all__ = [
    "bed_of",
    "look_at_job",
    "look_for_job",
    "look_here",
]

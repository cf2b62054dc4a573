from .doctor import look_at_job, look_for_job, look_here, node_context

__all__ = [
    "look_at_job",
    "look_for_job",
    "look_here",
    "node_context",
]

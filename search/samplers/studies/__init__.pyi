from .adapter import RoundTPESampler
from .loading import files_of, name_of
from .trying import check_sampler

__all__ = ["RoundTPESampler", "check_sampler", "files_of", "name_of"]

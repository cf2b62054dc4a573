from .comparison import compared
from .page import MARK, document
from .sections import sections

__all__ = ["MARK", "compared", "document", "sections"]

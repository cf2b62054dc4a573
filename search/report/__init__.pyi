from .comparison import compared
from .page import MARK, document
from .sections import sections
from .server import Live, Server

__all__ = ["MARK", "Live", "Server", "compared", "document", "sections"]

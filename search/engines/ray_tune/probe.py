"""Ask the Ray at the address in the first argument who it is.

``python -m shoal.search.engines.ray_tune.probe ADDRESS``

Exit code 0 if it answers and takes our token; otherwise the error's type is printed.
"""

from __future__ import annotations

import sys

from shoal.search.engines.ray_tune.private import gcs_client

try:
    gcs_client(sys.argv[1]).get_all_node_info(timeout=8)
except Exception as error:  # any failure is an answer
    print(type(error).__name__)
    sys.exit(1)

"""
Parallel execution of independent units of work, on this machine or a dask cluster.

Threads, local processes and dask workers call the same picklable function for each item and yield
the results as they finish, with a bounded number of items in progress, so that memory does not
grow with the number of items.
"""

from hsfuse.parallel.cluster import Cluster, inspect_cluster
from hsfuse.parallel.devices import (
    check_device,
    has_bfloat16_products,
    local_workers,
    pick_device,
)
from hsfuse.parallel.limits import one_thread, release_memory
from hsfuse.parallel.progress import ShownProgress, shown_progress
from hsfuse.parallel.schedulers import Scheduler, check_scheduler, each, is_local

__all__ = [
    "Cluster",
    "Scheduler",
    "ShownProgress",
    "check_device",
    "check_scheduler",
    "each",
    "has_bfloat16_products",
    "inspect_cluster",
    "is_local",
    "local_workers",
    "one_thread",
    "pick_device",
    "release_memory",
    "shown_progress",
]

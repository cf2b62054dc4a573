"""The recipe and the tasks of a search, by the kind of its problem."""

from __future__ import annotations

from collections.abc import Callable

import torch

from shoal.search.engines import RunOptions
from shoal.search.folder import RunFolder
from shoal.search.preparation import Prepared
from shoal.search.rounds import CallTasks, Pack, Tasks, call_recipe, recipe_of
from shoal.trainable.task import Recipe


def equipped(
    prepared: Prepared,
    folder: RunFolder,
    options: RunOptions,
    *,
    block_of: Callable[[Pack], int],
    stays: Callable[[int], bool],
) -> tuple[Recipe, Tasks | CallTasks]:
    """Return what all packs have in common, and what makes a task of each.

    Args:
        block_of: the block of a pack.
        stays: whether what a trial has left is kept, as far as is known.
    """
    request, source = prepared.request, prepared.source.at(folder.copies)
    if request.called:
        recipe = call_recipe(request, source, folder.path, options.limits)
        return recipe, CallTasks(recipe, stays)
    gpu = options.ray_address is None and torch.cuda.device_count() > 0
    stacked = recipe_of(request, source, prepared.defaults, gpu=gpu)
    return stacked, Tasks(stacked, folder.packs, options.checkpoint_seconds, block_of)

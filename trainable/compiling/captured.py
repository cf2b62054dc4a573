"""CUDA graphs: a traced function compiled by torch, captured once and replayed.

A replay is one launch, however many operations there are (a CUDA graph). It reads and writes the
tensors that it was recorded with, so what changes between calls is copied in, and results out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.fx import GraphModule

from shoal.trainable.errors import CompileError, one_line

WARM_UPS = 3
"""Calls before the recording, in which torch chooses kernels and takes memory."""


class Captured:
    """A function that takes and gives lists of tensors on the current CUDA device."""

    def __init__(self, graph: GraphModule, arguments: Sequence[torch.Tensor]) -> None:
        """Compile and record it, which takes tens of seconds the first time.

        Args:
            arguments: tensors of the shapes that it will be called with.

        Raises:
            CompileError: torch's compiler does not take it.
        """
        self._given = list(arguments)
        self._inputs = [tensor.clone() for tensor in arguments]
        self._graph = torch.cuda.CUDAGraph()
        try:
            function = torch.compile(graph, fullgraph=True, dynamic=False)
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch has no types there
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_UPS):
                    function(*self._inputs)
            torch.cuda.current_stream().wait_stream(beside)
            with torch.cuda.graph(self._graph):
                self._outputs = function(*self._inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # torch's compilers have many kinds of them
            raise CompileError(f"compiling failed ({one_line(error)})") from error

    def __call__(self, arguments: list[torch.Tensor]) -> list[torch.Tensor]:
        """Replay it. A tensor that was given in the last call too is not copied again."""
        for i, tensor in enumerate(arguments):
            if tensor is not self._given[i]:
                self._inputs[i].copy_(tensor)
                self._given[i] = tensor
        self._graph.replay()
        return [output.clone() for output in self._outputs]

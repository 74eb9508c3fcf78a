"""Sums and maxima over everything up to a row, for all rows of a batch in one pass.

A packed batch falls into blocks of steps in which equally many sequences go on. Within a block the rows are a full
rectangle [steps, sequences, columns], so a running sum or maximum is one call of torch; from block to block the last
row is carried on. There are at most sqrt(2 N) blocks in N rows, and one where all sequences are equally long.

Running sums are taken in float64 and one after the other, so that they have the same bits wherever a block ends, that
is, whichever other sequences stand in the batch. Only the rows that are read are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

Blocks = list[tuple[int, int, int]]  # first row, steps, sequences


def blocks_of(batch_sizes: Tensor) -> Blocks:
    """Return the blocks of a packing.

    Example:
        >>> blocks_of(torch.tensor([3, 3, 1]))
        [(0, 2, 3), (6, 1, 1)]
    """
    sizes, counts = torch.unique_consecutive(batch_sizes, return_counts=True)
    ends = torch.cumsum(sizes * counts, 0).tolist()
    return list(zip([0, *ends[:-1]], counts.tolist(), sizes.tolist(), strict=True))


def prefix_sum(rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
    """Return for each read the sum over its sequence's rows up to and including it, [R, K] in float64.

    Args:
        rows: [N, K], packed.
        batch_sizes: [T].
        reads: [R], rows that are read.
    """
    found: Tensor = _apply(_PrefixSum, rows, batch_sizes, reads)
    return found


def prefix_max(rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
    """Return for each read and column the largest of its sequence's rows up to and including it, [R, K].

    Args:
        rows: [N, K], packed.
        batch_sizes: [T].
        reads: [R], rows that are read.
    """
    found: Tensor = _apply(_PrefixMax, rows, batch_sizes, reads)
    return found


def _apply(function: Any, *arguments: Any) -> Any:
    return function.apply(*arguments)


class _PrefixSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
        ctx.save_for_backward(batch_sizes, reads)
        ctx.like = rows.dtype
        sums = rows.to(torch.float64, copy=True)
        before: Tensor | None = None
        for block in _rectangles(sums, blocks_of(batch_sizes)):
            if before is not None:
                block[0] += before[: block.shape[1]]
            before = block.cumsum_(0)[-1]
        return sums[reads]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        batch_sizes, reads = ctx.saved_tensors
        sums = grad.new_zeros(int(batch_sizes.sum()), grad.shape[1]).index_add_(0, reads, grad)
        after: Tensor | None = None
        for block in reversed(list(_rectangles(sums, blocks_of(batch_sizes)))):
            if after is not None:
                block[-1, : len(after)] += after
            after = block.copy_(block.flip(0).cumsum_(0).flip(0))[0]
        return sums.to(ctx.like), None, None


class _PrefixMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
        largest, place = torch.empty_like(rows), torch.empty_like(rows, dtype=torch.long)
        blocks = blocks_of(batch_sizes)
        numbers = torch.arange(len(rows))[:, None]
        parts = [list(_rectangles(each, blocks)) for each in (rows, largest, place, numbers)]
        for k, (block, most, where, number) in enumerate(zip(*parts, strict=True)):
            torch.cummax(block, 0, out=(most, where))
            where.copy_(number[:, 0][where] + number[:1] - number[0, 0])
            if k:
                ended = parts[1][k - 1][-1, : block.shape[1]]
                earlier = ended > most
                most.copy_(torch.where(earlier, ended, most))
                where.copy_(torch.where(earlier, parts[2][k - 1][-1, : block.shape[1]], where))
        ctx.save_for_backward(place[reads])
        ctx.rows = len(rows)
        return largest[reads]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (place,) = ctx.saved_tensors
        return grad.new_zeros(ctx.rows, grad.shape[1]).scatter_add_(0, place, grad), None, None


def _rectangles(rows: Tensor, blocks: Blocks) -> Iterator[Tensor]:
    """Yield the blocks of rows [N, K] as views [steps, sequences, K]."""
    edges = [begin for begin, _, _ in blocks] + [len(rows)]
    for (begin, end), (_, steps, sequences) in zip(pairwise(edges), blocks, strict=True):
        yield rows[begin:end].view(steps, sequences, rows.shape[1])

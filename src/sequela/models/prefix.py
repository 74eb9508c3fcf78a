"""Sums and maxima over everything up to a row, for all rows of a batch in one pass.

The native core does it for rows in one piece, float32 or float64, and torch's operations do it for all others, to the
same bits. For these a packed batch falls into blocks of steps in which equally many sequences go on. Within a block the
rows are a full rectangle [steps, sequences, columns]; from block to block the last step is carried on. There are at
most sqrt(2 N) blocks in N rows, and one where all sequences are equally long.

Running sums are taken in float64 and one after the other, so that they have the same bits wherever a block ends, that
is, whichever other sequences stand in the batch. Only the rows that are read are kept. A NaN is larger than any number.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from sequela.cells import get_num_threads, operator

Blocks = list[tuple[int, int, int]]  # first row, steps, sequences
_WIDE = 256  # numbers in a step; above, one call of torch a step is faster than torch's own cumsum and cummax


def blocks_of(batch_sizes: Tensor) -> Blocks:
    """Return the blocks of a packing.

    Example:
        >>> blocks_of(torch.tensor([3, 3, 1]))
        [(0, 2, 3), (6, 1, 1)]
    """
    sizes, counts = torch.unique_consecutive(batch_sizes, return_counts=True)
    rows = sizes * counts
    begins = torch.cumsum(rows, 0) - rows
    return list(zip(begins.tolist(), counts.tolist(), sizes.tolist(), strict=True))


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
        ctx.like, ctx.rows = rows.dtype, len(rows)
        found: Tensor | None = None
        if operator.at_hand():
            found = operator._native.prefix_sum(rows, batch_sizes, reads, get_num_threads())
        return plain_sum(rows, batch_sizes, reads) if found is None else found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        batch_sizes, reads = ctx.saved_tensors
        found: Tensor | None = None
        if operator.at_hand() and not torch.is_grad_enabled():  # or its own derivative may be asked for
            single = ctx.like == torch.float32
            found = operator._native.prefix_sum_backward(
                grad.contiguous(), batch_sizes, reads, ctx.rows, single, get_num_threads()
            )
        if found is None:
            found = plain_sum_backward(grad, batch_sizes, reads)
        return found.to(ctx.like), None, None


class _PrefixMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
        found: tuple[Tensor, Tensor] | None = None
        if operator.at_hand():
            found = operator._native.prefix_max(rows, batch_sizes, reads, get_num_threads())
        largest, source = plain_max(rows, batch_sizes, reads) if found is None else found
        ctx.save_for_backward(source)
        ctx.rows = len(rows)
        return largest

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (source,) = ctx.saved_tensors
        return grad.new_zeros(ctx.rows, grad.shape[1]).scatter_add_(0, source, grad), None, None


def plain_sum(rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
    """Return what `prefix_sum` returns, in torch's operations."""
    sums = rows.to(torch.float64, copy=True)
    before = sums.new_zeros(1, rows.shape[1])
    for block in _rectangles(sums, blocks_of(batch_sizes)):
        block[0] += before[: block.shape[1]]
        _add_up(block)
        before = block[-1]
    return sums[reads]


def plain_sum_backward(grad: Tensor, batch_sizes: Tensor, reads: Tensor) -> Tensor:
    """Return the gradient [N, K] of the rows, in float64, of the gradient [R, K] of their sums."""
    sums = grad.new_zeros(int(batch_sizes.sum()), grad.shape[1]).index_add_(0, reads, grad)
    after = sums[:0]
    for block in reversed(_rectangles(sums, blocks_of(batch_sizes))):
        block[-1, : len(after)] += after
        _add_up_from_the_end(block)
        after = block[0]
    return sums


def plain_max(rows: Tensor, batch_sizes: Tensor, reads: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `prefix_max` returns, and the latest rows [R, K] in which it stands, in torch's operations."""
    largest, source = torch.empty_like(rows), torch.empty_like(rows, dtype=torch.long)
    blocks = blocks_of(batch_sizes)
    rectangles = zip(*(_rectangles(each, blocks) for each in (rows, largest, source)), strict=True)
    before: tuple[Tensor, Tensor] | None = None
    for (begin, _, sequences), (block, most, where) in zip(blocks, rectangles, strict=True):
        _running_max(block, most, where)
        where.mul_(sequences).add_(torch.arange(begin, begin + sequences)[:, None])
        if before is not None:
            earlier = ~_reached(most, before[0][:sequences])
            torch.where(earlier, before[1][:sequences], where, out=where)
            torch.where(earlier, before[0][:sequences], most, out=most)
        before = most[-1], where[-1]
    return largest[reads], source[reads]


def _rectangles(rows: Tensor, blocks: Blocks) -> list[Tensor]:
    """Return the blocks of rows [N, K] as views [steps, sequences, K]."""
    return [
        rows[begin : begin + steps * sequences].view(steps, sequences, rows.shape[1])
        for begin, steps, sequences in blocks
    ]


def _add_up(block: Tensor) -> None:
    """Add to each step the steps before it, in place."""
    if block[0].numel() < _WIDE:
        block.cumsum_(0)
        return
    for before, now in pairwise(block.unbind(0)):
        now += before


def _add_up_from_the_end(block: Tensor) -> None:
    """Add to each step the steps after it, in place."""
    if block[0].numel() < _WIDE:
        block.copy_(block.flip(0).cumsum_(0).flip(0))
        return
    for after, now in pairwise(reversed(block.unbind(0))):
        now += after


def _running_max(block: Tensor, most: Tensor, where: Tensor) -> None:
    """Write the running maximum of a block over its steps, and the latest step at which it was reached."""
    if block[0].numel() < _WIDE:
        torch.cummax(block, 0, out=(most, where))
        return
    most[0], where[0] = block[0], 0
    steps = torch.arange(len(block)).unbind(0)
    for t, (before, now) in enumerate(pairwise(most.unbind(0)), start=1):
        reached = _reached(block[t], before)
        torch.where(reached, block[t], before, out=now)
        torch.where(reached, steps[t], where[t - 1], out=where[t])


def _reached(rows: Tensor, before: Tensor) -> Tensor:
    """Say where rows are as large as the largest before them."""
    return (rows >= before) | rows.isnan()

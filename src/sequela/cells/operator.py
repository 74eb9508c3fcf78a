"""The native engine as operators of torch: forward, backward, and what a compiler sees of them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from sequela.cells.recurrence import Recurrence, State
from sequela.cells.threads import get_num_threads

# Absent where the package was built without a compiler that can; an import that fails for another reason must be heard.
BUILT = importlib.util.find_spec("sequela._native") is not None
if BUILT:
    _native: Any = importlib.import_module("sequela._native")

REMEDY = (
    "sequela was installed without its native core. Install GCC or Clang and reinstall with SEQUELA_NATIVE=on "
    "(pip install --no-cache-dir --no-binary sequela --force-reinstall --no-deps sequela), or call the cell's `plain`."
)


class Kind(NamedTuple):
    """How the engine knows a cell; sizes in blocks of H (native/engine.h, `shape_of`)."""

    number: int
    gates: int
    states: int
    kept: int


KINDS = {
    "lstm": Kind(0, 4, 2, 5),
    "lstm_peephole": Kind(1, 4, 2, 5),
    "lstm_coupled": Kind(2, 3, 2, 4),
    "gru_after": Kind(3, 3, 1, 4),
    "gru_before": Kind(4, 3, 1, 3),
    "rnn_tanh": Kind(5, 1, 1, 0),
    "rnn_relu": Kind(6, 1, 1, 0),
}
TYPES = {torch.float32: 0, torch.float64: 1}


def run(kind: str, given: Recurrence, weights: Sequence[Tensor], layers: int, directions: int) -> tuple[Tensor, State]:
    """Return the outputs, [..., directions * H] like the input, and the final states, by the native engine.

    Args:
        kind: the cell's name in the engine.
        given: inputs, initial states, decay and dropout masks.
        weights: of all layers and directions, one after the other, each in torch's order.
        layers: how many.
        directions: 1 or 2.
    """
    states = given.state or (None, None)
    h0, c0 = (*states, None)[:2]
    decay_h, decay_c = (*given.decay, None)[:2]
    tensors = (given.x, given.batch_sizes, h0, c0, decay_h, decay_c, given.masks, given.order)
    sizes = (kind, layers, directions, given.histories, given.keep, given.by_history)
    training = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (*weights, *tensors))
    if is_watched((*weights, *tensors)):
        y, h, c, _ = recur(*tensors, weights, *sizes, training)
    elif training:
        y, h, c = apply(Eager, sizes, *tensors, *weights)
    else:
        y, h, c, _ = compute(*tensors, weights, *sizes, False)
    return y, (h, c)[: KINDS[kind].states]


def somebody_watches() -> bool:
    """Say whether a tracer or a transform is at work, which must see an operator."""
    return (
        bool(torch._C._len_torch_dispatch_stack())
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._get_tracing_state() is not None
        or forward_ad._current_level >= 0
    )


def is_watched(tensors: Iterable[Tensor | None]) -> bool:
    """Say whether these tensors must go through an operator; refuse what an operator cannot do either."""
    if torch.compiler.is_compiling():
        return True
    watched = somebody_watches()
    if watched:
        refuse_transformed(tensors)
    return watched


def refuse_transformed(tensors: Iterable[Tensor | None]) -> None:
    """Say what to do instead of asking for more than the numbers of these tensors."""
    if any(t is not None and is_transformed(t) for t in tensors):
        raise NotImplementedError(
            "The engine has no derivatives forward, no batched gradients and no transforms of torch.func (vmap, grad, "
            "jacrev). Call the cell's `plain` version."
        )


def is_transformed(t: Tensor) -> bool:
    """Say whether the tensor carries a tangent, or belongs to a transform that wants more than its numbers."""
    wraps = torch._C._functorch
    return (
        wraps.is_batchedtensor(t)
        or wraps.is_legacy_batchedtensor(t)
        or wraps.is_gradtrackingtensor(t)
        or forward_ad.unpack_dual(t).tangent is not None  # type: ignore[no-untyped-call]
    )


def at_hand() -> bool:
    """Say whether the core is built, and nobody watches who must see torch's own operations instead."""
    return BUILT and not torch.compiler.is_compiling() and not somebody_watches()


def compute(
    x: Tensor,
    batch_sizes: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    decay_h: Tensor | None,
    decay_c: Tensor | None,
    masks: Tensor | None,
    order: Tensor | None,
    weights: Sequence[Tensor],
    kind: str,
    layers: int,
    directions: int,
    histories: int,
    keep: float,
    by_history: bool,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return outputs, final h, final c, and what backward will need."""
    tensors = (x, batch_sizes, h0, c0, decay_h, decay_c, masks, order)
    options = (layers, directions, histories, keep, by_history, training, get_num_threads())
    number = KINDS[kind].number
    made: tuple[Tensor, Tensor, Tensor, Tensor] | None = _native.recur(number, tensors, weights, *options)
    if made is not None:
        return made
    check(x, batch_sizes, (h0, c0), (decay_h, decay_c), masks, order, weights, kind, layers, directions, histories)
    copied: tuple[Tensor, Tensor, Tensor, Tensor] = read(
        _native.recur(number, (plain_rows(x), *plain(tensors[1:])), plain(weights), *options)
    )
    return copied


def compute_backward(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    x: Tensor,
    batch_sizes: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    decay_h: Tensor | None,
    decay_c: Tensor | None,
    masks: Tensor | None,
    order: Tensor | None,
    weights: Sequence[Tensor],
    y: Tensor,
    kept: Tensor,
    kind: str,
    layers: int,
    directions: int,
    histories: int,
    keep: float,
    by_history: bool,
    wanted: Sequence[bool],
    first: int | None = None,
) -> list[Tensor | None]:
    """Return the gradients of x, h0, c0, decay_h, decay_c and the weights; None where not wanted.

    `first`: how many features of x, the first ones, want theirs; None: all.
    """
    tensors = (x, batch_sizes, h0, c0, decay_h, decay_c, masks, order)
    width = x.shape[-1] if first is None else first
    options = (wanted, layers, directions, histories, keep, by_history, width, get_num_threads())
    arrived, number = (dy, dh, dc, y, kept), KINDS[kind].number
    made: list[Tensor | None] | None = _native.recur_backward(number, tensors, weights, arrived, *options)
    if made is not None:
        return made
    refuse_transformed((dy, dh, dc))
    copied: list[Tensor | None] = read(
        _native.recur_backward(number, (plain_rows(x), *plain(tensors[1:])), plain(weights), plain(arrived), *options)
    )
    return copied


def plain(tensors: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """Return the tensors as the core reads them: in one piece, and of no class but torch's own."""
    return tuple(None if t is None else t.detach().as_subclass(Tensor).resolve_neg().contiguous() for t in tensors)


def plain_rows(x: Tensor) -> Tensor:
    """Return rows in one piece, history by history or step by step, whichever they are."""
    crossed = is_crossed(x)
    (made,) = plain((x.transpose(0, 1) if crossed else x,))
    assert made is not None
    return made.transpose(0, 1) if crossed else made


def is_crossed(x: Tensor) -> bool:
    """Say whether rows are in one piece only with the first two of three dimensions exchanged."""
    return x.dim() == 3 and not x.is_contiguous() and x.transpose(0, 1).is_contiguous()


def read(made: Any) -> Any:
    """Return what the core has made; say so where even plain tensors, rightly shaped, could not be read."""
    if made is None:
        raise RuntimeError("The engine cannot read the memory of these tensors; it needs torch 2.10 or newer.")
    return made


def apply(function: Any, *arguments: Any) -> Any:
    """Run a differentiable function where nobody watches.

    What `Function.apply` does before it is for functorch, and costs as much as a tenth of a small step.
    """
    return super(torch.autograd.Function, function).apply(*arguments)


class Eager(torch.autograd.Function):
    """The engine without the operator's way through torch's dispatcher, which costs more than a small step."""

    @staticmethod
    def forward(ctx: Any, sizes: tuple[Any, ...], *tensors: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Run, and keep what backward needs."""
        x, batch_sizes, h0, c0, decay_h, decay_c, masks, order, *weights = tensors
        kind, layers, directions, histories, keep, by_history = sizes
        y, h, c, kept = compute(
            x, batch_sizes, h0, c0, decay_h, decay_c, masks, order, weights, kind, layers, directions, histories, keep,
            by_history, True,
        )  # fmt: skip
        ctx.set_materialize_grads(False)
        ctx.sizes = sizes
        ctx.save_for_backward(y, kept, *tensors)
        return y, h, c

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None) -> Any:
        """Return the gradients of what wants one."""
        y, kept, *tensors = ctx.saved_tensors
        needs = ctx.needs_input_grad
        if dy is None and dh is None and dc is None:
            return (None,) * len(needs)
        wanted = [needs[1], *needs[3:7], *needs[9:]]
        arguments = (dy, dh, dc, *tensors[:8], tensors[8:], y, kept, *ctx.sizes, wanted)
        made = once(compute_backward, *arguments)
        return None, made[0], None, *made[1:5], None, None, *made[5:]


class Once(torch.autograd.Function):
    """A backward pass, where a derivative of it may be asked for: says that there is none."""

    @staticmethod
    def forward(ctx: Any, backward: Callable[..., Sequence[Tensor | None]], *arguments: Any) -> Any:
        """Run it."""
        return tuple(backward(*arguments))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Refuse."""
        return refuse(ctx, *grads)


def once(backward: Callable[..., Sequence[Tensor | None]], *arguments: Any) -> Sequence[Tensor | None]:
    """Run a backward pass that has no derivative, and say so to whoever asks for one."""
    is_watched(t for t in arguments if isinstance(t, Tensor))
    made: Sequence[Tensor | None] = (
        apply(Once, backward, *arguments) if torch.is_grad_enabled() else backward(*arguments)
    )
    return made


recur = torch.library.custom_op("sequela::recur", compute, mutates_args=())


@torch.library.custom_op("sequela::recur_backward", mutates_args=())
def recur_backward(
    dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, x: Tensor, batch_sizes: Tensor, h0: Tensor | None,
    c0: Tensor | None, decay_h: Tensor | None, decay_c: Tensor | None, masks: Tensor | None, order: Tensor | None,
    weights: Sequence[Tensor], y: Tensor, kept: Tensor, kind: str, layers: int, directions: int, histories: int,
    keep: float, by_history: bool, wanted: Sequence[bool],
) -> list[Tensor]:  # fmt: skip
    """Return what `compute_backward` returns; empty where not wanted, as an operator can return no None."""
    made = compute_backward(
        dy, dh, dc, x, batch_sizes, h0, c0, decay_h, decay_c, masks, order, weights, y, kept, kind, layers, directions,
        histories, keep, by_history, wanted,
    )  # fmt: skip
    return [x.new_empty(0) if t is None else t for t in made]


@recur.register_fake
def _(
    x: Tensor, batch_sizes: Tensor, h0: Any, c0: Any, decay_h: Any, decay_c: Any, masks: Any, order: Any,
    weights: Sequence[Tensor], kind: str, layers: int, directions: int, histories: int, keep: float, by_history: bool,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    cell, hidden, rows = KINDS[kind], weights[1].shape[1], rows_of(x)
    size = (layers - 1) * rows * directions * hidden + layers * directions * rows * cell.kept * hidden
    h = x.new_empty(layers * directions, histories, hidden)
    return (
        x.new_empty(*x.shape[:-1], directions * hidden),
        h,
        torch.empty_like(h) if cell.states > 1 else x.new_empty(0),
        x.new_empty(size if training else 0),
    )


@recur_backward.register_fake
def _(
    dy: Any, dh: Any, dc: Any, x: Tensor, batch_sizes: Tensor, h0: Any, c0: Any, decay_h: Any, decay_c: Any, masks: Any,
    order: Any, weights: Sequence[Tensor], y: Tensor, kept: Tensor, kind: str, layers: int, directions: int,
    histories: int, keep: float, by_history: bool, wanted: Sequence[bool],
) -> list[Tensor]:  # fmt: skip
    made = gradients_like(x, (h0, c0, decay_h, decay_c, *weights), wanted, x.shape[-1])
    return [x.new_empty(0) if t is None else t for t in made]


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, weights = inputs[:9]
    y, _, _, kept = output
    ctx.set_materialize_grads(False)
    ctx.options = inputs[9:15]
    ctx.save_for_backward(y, kept, *tensors, *weights)


def _backward(ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, _: Any) -> tuple[Any, ...]:
    y, kept, *tensors = ctx.saved_tensors
    needs, weights = ctx.needs_input_grad, tensors[8:]
    wanted = [needs[0], *needs[2:6], *needs[8]]
    if dy is None and dh is None and dc is None:
        return *[None] * 8, [None] * len(weights), *[None] * 7
    made = recur_backward(dy, dh, dc, *tensors[:8], weights, y, kept, *ctx.options, wanted)
    given = [t if want else None for t, want in zip(made, wanted, strict=True)]
    return given[0], None, *given[1:5], None, None, given[5:], *[None] * 7


def refuse(ctx: Any, *grads: Any) -> Any:
    """Say what to do instead of differentiating twice."""
    raise RuntimeError("The engine differentiates once. For a second derivative call the cell's `plain` version.")


recur.register_autograd(_backward, setup_context=_keep_for_backward)
recur_backward.register_autograd(refuse)


def gradients_like(
    x: Tensor, others: Sequence[Tensor | None], wanted: Sequence[bool], width: int
) -> list[Tensor | None]:
    """Return, for a tracer, gradients of so many features of x and of the others that are wanted, and None."""
    dx = None
    if wanted[0]:  # as the core reads x
        shape = (*x.shape[:-1], width)
        dx = x.new_empty(shape[1], shape[0], width).transpose(0, 1) if is_crossed(x) else x.new_empty(shape)
    rest = (
        t.new_empty(t.shape) if want and t is not None else None for t, want in zip(others, wanted[1:], strict=True)
    )
    return [dx, *rest]


def rows_of(x: Tensor) -> int:
    """Return the number N of steps of all histories together."""
    return x.shape[0] if x.dim() == 2 else x.shape[0] * x.shape[1]


def slots_of(kind: str, each: int) -> tuple[int, ...]:
    """Return which of the five weights the `each` given ones of a place are."""
    peephole: tuple[int, ...] = (4,) if kind == "lstm_peephole" else ()
    return (*range(each - len(peephole)), *peephole)


def check(
    x: Tensor,
    batch_sizes: Tensor,
    states: Sequence[Tensor | None],
    decay: Sequence[Tensor | None],
    masks: Tensor | None,
    order: Tensor | None,
    weights: Sequence[Tensor],
    kind: str,
    layers: int,
    directions: int,
    histories: int,
) -> None:
    """Refuse what the core, which sees addresses only, could not know to be wrong."""
    if x.dtype not in TYPES:
        raise TypeError(f"The engine computes in float32 and float64, not {x.dtype}; convert with `.float()`.")
    for name, t in (("batch_sizes", batch_sizes), ("sorted_indices", order)):
        if t is not None and (t.dtype != torch.int64 or not t.is_cpu or t.dim() != 1):
            raise TypeError(f"{name} must be one row of int64 on the CPU.")
    if order is not None and order.shape[0] != histories:
        raise ValueError(f"sorted_indices must name all {histories} histories, not {order.shape[0]}.")
    hidden, rows, places = weights[1].shape[1], rows_of(x), layers * directions
    dtype, each = x.dtype, len(weights) // places
    _demand("the input", x, (*x.shape[:-1], weights[0].shape[1]), dtype)
    for t in states:
        if t is not None:
            _demand("an initial state", t, (places, histories, hidden), dtype)
    for t in decay:
        if t is not None:
            _demand("a decay", t, (places, rows, hidden), dtype)
    shapes = shapes_of_weights(kind, layers, directions, each, x.shape[-1], hidden)
    for i, (weight, shape) in enumerate(zip(weights, shapes, strict=True)):
        if weight.shape != shape or weight.dtype != dtype or not weight.is_cpu:
            _demand(f"weight {i}", weight, shape, dtype)
    if masks is not None and (masks.shape != (layers - 1, rows, directions * hidden) or masks.dtype != torch.bool):
        raise ValueError("Dropout masks must be bool of shape [layers - 1, N, directions * H].")


def _demand(name: str, t: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if not t.is_cpu or t.dtype != dtype:
        raise TypeError(f"Expected {name} as {dtype} on the CPU, like the input; got {t.dtype} on {t.device}.")
    if t.shape != shape:
        raise ValueError(f"Expected {name} of shape {list(shape)}, got {list(t.shape)}.")


@functools.lru_cache(maxsize=256)
def shapes_of_weights(
    kind: str, layers: int, directions: int, each: int, inputs: int, hidden: int
) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that the `each` weights of all places must have."""
    block = KINDS[kind].gates * hidden
    shapes: list[tuple[int, ...]] = []
    for layer in range(layers):
        width = directions * hidden if layer > 0 else inputs
        of_slot = ((block, width), (block, hidden), (block,), (block,), (3, hidden))
        shapes += [of_slot[slot] for slot in slots_of(kind, each)] * directions
    return tuple(shapes)

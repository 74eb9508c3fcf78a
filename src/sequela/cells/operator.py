"""The native engine as operators of torch: forward, backward, and what a compiler sees of them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sequela.cells.recurrence import Recurrence, State, Weights

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
    "fade": Kind(7, 1, 1, 0),
}
TYPES = {torch.float32: 0, torch.float64: 1}
RECYCLED_BYTES = 1 << 16  # smaller tensors are torch's own: its allocator is quick there


def run(kind: str, given: Recurrence, weights: Sequence[Sequence[Weights]]) -> tuple[Tensor, State]:
    """Return the outputs [N, directions * H] and the final states, by the native engine."""
    flat = [w for of_layer in weights for of_direction in of_layer for w in of_direction if w is not None]
    h0, c0 = (*given.state, None)[:2]
    decay_h, decay_c = (*given.decay, None)[:2]
    tensors = (given.x, given.batch_sizes, h0, c0, decay_h, decay_c, given.masks)
    training = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (*tensors, *flat))
    sizes = (kind, len(weights), len(weights[0]), given.state[0].shape[1], given.keep)
    if torch.compiler.is_compiling() or somebody_watches():
        y, h, c, _ = recur(*tensors, flat, *sizes, training)
    elif training:
        y, h, c = apply(Eager, sizes, *tensors, *flat)
    else:
        y, h, c, _ = compute(*tensors, flat, *sizes, False)
    return y, (h, c)[: KINDS[kind].states]


def somebody_watches() -> bool:
    """Say whether a tracer or a transform is at work, which must see an operator."""
    return bool(torch._C._len_torch_dispatch_stack()) or torch._C._functorch.peek_interpreter_stack() is not None


def compute(
    x: Tensor,
    batch_sizes: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    decay_h: Tensor | None,
    decay_c: Tensor | None,
    masks: Tensor | None,
    weights: Sequence[Tensor],
    kind: str,
    layers: int,
    directions: int,
    histories: int,
    keep: float,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return outputs, final h, final c, and what backward will need."""
    cell, hidden, rows = KINDS[kind], weights[1].shape[1], x.shape[0]
    places = layers * directions
    check(x, batch_sizes, (h0, c0), (decay_h, decay_c), masks, weights, kind, layers, directions, histories)
    held = [solid(t) for t in (x, h0, c0, decay_h, decay_c, masks)]
    solid_weights = [t.contiguous() for t in weights]
    y = empty(x, rows, directions * hidden)
    h = x.new_empty(places, histories, hidden)
    c = torch.empty_like(h) if cell.states > 1 else x.new_empty(0)
    inner = (layers - 1) * rows * directions * hidden
    kept = empty(x, inner + places * rows * cell.kept * hidden) if training else x.new_empty(0)
    made = [y.data_ptr(), h.data_ptr(), c.data_ptr(), *kept_addresses(kept, inner, training)]
    sizes = sizes_of(x, batch_sizes, kind, layers, directions, histories, hidden)
    sizes_cpu = batch_sizes.contiguous()
    _native.forward(
        sizes, sizes_cpu.data_ptr(), addresses(held), weight_addresses(solid_weights, places, kind), made,
        1.0 / keep, torch.get_num_threads(),
    )  # fmt: skip
    return y, h, c, kept


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
    weights: Sequence[Tensor],
    y: Tensor,
    kept: Tensor,
    kind: str,
    layers: int,
    directions: int,
    histories: int,
    keep: float,
    wanted: Sequence[bool],
) -> list[Tensor]:
    """Return the gradients of x, h0, c0, decay_h, decay_c and the weights; empty where not wanted."""
    hidden, rows, places = weights[1].shape[1], x.shape[0], layers * directions
    held = [solid(t) for t in (x, h0, c0, decay_h, decay_c, masks)]
    solid_weights = [t.contiguous() for t in weights]
    arriving = [solid(t) for t in (dy, dh, dc)]
    made = gradients_like(x, (h0, c0, decay_h, decay_c), weights, wanted)
    inner = (layers - 1) * rows * directions * hidden
    sizes_cpu = batch_sizes.contiguous()
    _native.backward(
        sizes_of(x, batch_sizes, kind, layers, directions, histories, hidden), sizes_cpu.data_ptr(), addresses(held),
        weight_addresses(solid_weights, places, kind), [y.data_ptr(), *kept_addresses(kept, inner, True)],
        addresses(arriving), [t.data_ptr() if t.numel() else 0 for t in made[:5]],
        weight_addresses(made[5:], places, kind, wanted[5:]), 1.0 / keep, torch.get_num_threads(),
    )  # fmt: skip
    return made


def apply(function: Any, *arguments: Any) -> Any:
    """Run a differentiable function."""
    return function.apply(*arguments)


class Eager(torch.autograd.Function):
    """The engine without the operator's way through torch's dispatcher, which costs more than a small step."""

    @staticmethod
    def forward(ctx: Any, sizes: tuple[Any, ...], *tensors: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Run, and keep what backward needs."""
        x, batch_sizes, h0, c0, decay_h, decay_c, masks, *weights = tensors
        kind, layers, directions, histories, keep = sizes
        y, h, c, kept = compute(
            x, batch_sizes, h0, c0, decay_h, decay_c, masks, weights, kind, layers, directions, histories, keep, True
        )
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
        wanted = [needs[1], *needs[3:7], *needs[8:]]
        arguments = (dy, dh, dc, *tensors[:7], tensors[7:], y, kept, *ctx.sizes, wanted)
        made = apply(Once, *arguments) if torch.is_grad_enabled() else compute_backward(*arguments)
        given = [t if want else None for t, want in zip(made, wanted, strict=True)]
        return None, given[0], None, *given[1:5], None, *given[5:]


class Once(torch.autograd.Function):
    """Backward, where a derivative of it may be asked for: says that there is none."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, ...]:
        """Run backward."""
        return tuple(compute_backward(*arguments))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Refuse."""
        return refuse(ctx, *grads)


recur = torch.library.custom_op("sequela::recur", compute, mutates_args=())
recur_backward = torch.library.custom_op("sequela::recur_backward", compute_backward, mutates_args=())


@recur.register_fake
def _(
    x: Tensor, batch_sizes: Tensor, h0: Any, c0: Any, decay_h: Any, decay_c: Any, masks: Any, weights: Sequence[Tensor],
    kind: str, layers: int, directions: int, histories: int, keep: float, training: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    cell, hidden, rows = KINDS[kind], weights[1].shape[1], x.shape[0]
    size = (layers - 1) * rows * directions * hidden + layers * directions * rows * cell.kept * hidden
    h = x.new_empty(layers * directions, histories, hidden)
    return (
        x.new_empty(rows, directions * hidden),
        h,
        torch.empty_like(h) if cell.states > 1 else x.new_empty(0),
        x.new_empty(size if training else 0),
    )


@recur_backward.register_fake
def _(
    dy: Any, dh: Any, dc: Any, x: Tensor, batch_sizes: Tensor, h0: Any, c0: Any, decay_h: Any, decay_c: Any, masks: Any,
    weights: Sequence[Tensor], y: Tensor, kept: Tensor, kind: str, layers: int, directions: int, histories: int,
    keep: float, wanted: Sequence[bool],
) -> list[Tensor]:  # fmt: skip
    return gradients_like(x, (h0, c0, decay_h, decay_c), weights, wanted)


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, batch_sizes, h0, c0, decay_h, decay_c, masks, weights = inputs[:8]
    y, _, _, kept = output
    ctx.set_materialize_grads(False)
    ctx.options = inputs[8:13]
    ctx.save_for_backward(x, batch_sizes, h0, c0, decay_h, decay_c, masks, y, kept, *weights)


def _backward(ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, _: Any) -> tuple[Any, ...]:
    x, batch_sizes, h0, c0, decay_h, decay_c, masks, y, kept, *weights = ctx.saved_tensors
    needs = ctx.needs_input_grad
    wanted = [needs[0], *needs[2:6], *needs[7]]
    if dy is None and dh is None and dc is None:
        return None, None, None, None, None, None, None, [None] * len(weights), *[None] * 6
    made = recur_backward(
        dy, dh, dc, x, batch_sizes, h0, c0, decay_h, decay_c, masks, weights, y, kept, *ctx.options, wanted
    )
    given = [t if want else None for t, want in zip(made, wanted, strict=True)]
    return given[0], None, *given[1:5], None, given[5:], *[None] * 6


def refuse(ctx: Any, *grads: Any) -> Any:
    """Say what to do instead of differentiating twice."""
    raise RuntimeError("The engine differentiates once. For a second derivative call the cell's `plain` version.")


recur.register_autograd(_backward, setup_context=_keep_for_backward)
recur_backward.register_autograd(refuse)


def gradients_like(
    x: Tensor, states: Sequence[Tensor | None], weights: Sequence[Tensor], wanted: Sequence[bool]
) -> list[Tensor]:
    """Return room for the gradients that are wanted, and empty tensors for the others."""
    room = [empty(x, *x.shape) if wanted[0] else x.new_empty(0)]
    for like, want in zip((*states, *weights), wanted[1:], strict=True):
        room.append(x.new_empty(like.shape if want and like is not None else 0))
    return room


def empty(like: Tensor, *shape: int) -> Tensor:
    """Return an undefined tensor; large ones stand on recycled memory."""
    count = 1
    for size in shape:
        count = count * size
    if torch.compiler.is_compiling() or isinstance(like, torch._subclasses.FakeTensor):
        return like.new_empty(shape)
    if count * like.element_size() < RECYCLED_BYTES:
        return like.new_empty(shape)
    block: Tensor = _native.buffer(count * like.element_size())
    return block.view(like.dtype).view(shape)


def solid(t: Tensor | None) -> Tensor | None:
    """Return the tensor in one piece."""
    return None if t is None else t.contiguous()


def addresses(tensors: Sequence[Tensor | None]) -> list[int]:
    """Return where the tensors stand, 0 for none."""
    return [0 if t is None else t.data_ptr() for t in tensors]


def kept_addresses(kept: Tensor, inner: int, training: bool) -> tuple[int, int]:
    """Return where the outputs of inner layers and where the gates are kept."""
    if not training:
        return 0, 0
    start = kept.data_ptr()
    # A cell that keeps no gates still says that it is training.
    return (start if inner else 0), start + inner * kept.element_size()


def weight_addresses(
    weights: Sequence[Tensor], places: int, kind: str, wanted: Sequence[bool] | None = None
) -> list[int]:
    """Return five addresses a place: weight_ih, weight_hh, bias_ih, bias_hh, peephole; 0 for none or not wanted."""
    each = len(weights) // places
    if wanted is None:
        wanted = [True] * len(weights)
    all_ = [t.data_ptr() if want else 0 for t, want in zip(weights, wanted, strict=True)]
    slots = slots_of(kind, each)
    rows = [0] * (5 * places)
    for place in range(places):
        for i, slot in enumerate(slots):
            rows[5 * place + slot] = all_[each * place + i]
    return rows


def slots_of(kind: str, each: int) -> tuple[int, ...]:
    """Return which of the five weights the `each` given ones of a place are."""
    peephole: tuple[int, ...] = (4,) if kind == "lstm_peephole" else ()
    return (*range(each - len(peephole)), *peephole)


def sizes_of(
    x: Tensor, batch_sizes: Tensor, kind: str, layers: int, directions: int, histories: int, hidden: int
) -> list[int]:
    """Return the sizes in the order of native/bindings.cpp, `problem_of`."""
    number, dtype = KINDS[kind].number, TYPES[x.dtype]
    return [number, dtype, layers, directions, histories, batch_sizes.shape[0], x.shape[0], x.shape[1], hidden]


def check(
    x: Tensor,
    batch_sizes: Tensor,
    states: Sequence[Tensor | None],
    decay: Sequence[Tensor | None],
    masks: Tensor | None,
    weights: Sequence[Tensor],
    kind: str,
    layers: int,
    directions: int,
    histories: int,
) -> None:
    """Refuse what the core, which sees addresses only, could not know to be wrong."""
    if x.dtype not in TYPES:
        raise TypeError(f"The engine computes in float32 and float64, not {x.dtype}; convert with `.float()`.")
    if batch_sizes.dtype != torch.int64 or batch_sizes.device.type != "cpu" or batch_sizes.dim() != 1:
        raise TypeError("batch_sizes must be one row of int64 on the CPU.")
    cell, hidden, rows, places = KINDS[kind], weights[1].shape[1], x.shape[0], layers * directions
    each = len(weights) // places
    shapes: list[tuple[str, Tensor | None, tuple[int, ...]]] = [
        ("the input", x, (rows, weights[0].shape[1])),
        *(("an initial state", t, (places, histories, hidden)) for t in states),
        *(("a decay", t, (places, rows, hidden)) for t in decay),
    ]
    for i, weight in enumerate(weights):
        inputs = x.shape[1] if i < each * directions else directions * hidden
        block = cell.gates * hidden
        of_slot: list[tuple[int, ...]] = [
            (block, inputs),
            (0 if kind == "fade" else block, hidden),
            (block,),
            (block,),
            (3, hidden),
        ]
        expected = of_slot[slots_of(kind, each)[i % each]]
        shapes.append((f"weight {i}", weight, expected))
    for name, t, expected in shapes:
        if t is None:
            continue
        if not t.is_cpu or t.dtype != x.dtype:
            raise TypeError(f"Expected {name} as {x.dtype} on the CPU, like the input; got {t.dtype} on {t.device}.")
        if t.shape != expected:
            raise ValueError(f"Expected {name} of shape {list(expected)}, got {list(t.shape)}.")
    if masks is not None and (
        tuple(masks.shape) != (layers - 1, rows, directions * hidden) or masks.dtype != torch.bool
    ):
        raise ValueError("Dropout masks must be bool of shape [layers - 1, N, directions * H].")

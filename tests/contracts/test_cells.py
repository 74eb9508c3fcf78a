"""What every cell must keep to. None is left out; one that is added to `cell_cases.CASES` is covered as it stands."""

from __future__ import annotations

import copy
import io
import itertools
import threading

import pytest
import torch
from cell_cases import CASES, INPUTS, Case, Given, as_tuple, everything, loss_of, outputs
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader

from sequela.cells import LSTM, operator

LENGTHS = [3, 9, 1, 7, 7, 12, 2, 25, 1, 6]
LAYOUTS = [(1, 1), (2, 1), (2, 2), (3, 1)]  # layers, directions

pytestmark = pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")
every_cell = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def layouts(case: Case) -> list[tuple[int, int]]:
    return [(layers, directions) for layers, directions in LAYOUTS if directions in case.directions]


AT_ONCE = ("recur", "recur_backward", "fade", "fade_backward")


def refused_at_first(name, function):
    calls = itertools.cycle([lambda *arguments: None, function])
    return lambda *arguments: next(calls)(*arguments)


@every_cell
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_taken_as_a_copy_gives_the_bits_of_what_is_taken_as_it_is(case, layout, monkeypatch):
    layers, directions = layout
    if directions not in case.directions:
        return
    taken = dict.fromkeys(AT_ONCE, 0)

    def spied(name, function):
        def call(*arguments):
            made = function(*arguments)
            taken[name] += made is not None
            return made

        return call

    for dtype in (torch.float32, torch.float64):
        cell = case.cell(7, layers=layers, directions=directions, dropout=0.3 * (layers > 1), dtype=dtype)
        given = case.given(7, LENGTHS, places=layers * directions, dtype=dtype)
        found = []
        for replaced in (spied, refused_at_first):
            with monkeypatch.context() as patched:
                for name in AT_ONCE:
                    patched.setattr(operator._native, name, replaced(name, getattr(operator._native, name)))
                torch.manual_seed(3)
                found.append(everything(cell, given, cell))
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)
    assert min(taken["recur"], taken["recur_backward"]) >= 2
    assert case.name != "grud" or min(taken.values()) >= 2


@every_cell
def test_tensors_in_pieces_and_of_other_types_give_the_same_bits(case):
    class Named(torch.Tensor):
        pass

    cell, given = case.cell(6, layers=2, dtype=torch.float32), case.given(6, LENGTHS, places=2, dtype=torch.float32)
    expected = outputs(cell, given)

    def scattered(t):
        return t.repeat_interleave(2, dim=-1)[..., ::2]

    pieces = Given(
        given.packed._replace(data=scattered(given.packed.data)),
        tuple(scattered(s) for s in given.states),
        {name: scattered(t) for name, t in given.extra.items()},
    )
    named = Given(
        given.packed._replace(data=given.packed.data.as_subclass(Named)),
        tuple(s.as_subclass(Named) for s in given.states),
        given.extra,
    )

    def turned(t):  # as the imaginary part of a conjugate is: only a flag tells that the sign is another
        return torch._neg_view(-t) if t.is_floating_point() else t

    negative = Given(
        given.packed._replace(data=turned(given.packed.data)),
        tuple(turned(s) for s in given.states),
        {name: turned(t) for name, t in given.extra.items()},
    )
    for other in (pieces, named, negative):
        for one, same in zip(outputs(cell, other), expected, strict=True):
            assert torch.equal(one.as_subclass(torch.Tensor), same)
    with torch.no_grad():
        for name, weight in cell.named_parameters():
            if weight.dim() == 2:
                setattr(cell, name, torch.nn.Parameter(weight.t().contiguous().t()))
    for one, same in zip(outputs(cell, given), expected, strict=True):
        assert torch.equal(one, same)


@pytest.mark.parametrize(("width", "rows"), [(0, 7), (6, 7), (INPUTS, 6)])
def test_backward_writes_nowhere_that_it_has_no_room(width, rows):
    cell, sizes = LSTM(INPUTS, 3), torch.tensor([7])
    tensors, weights = (torch.zeros(7, INPUTS), sizes, *[None] * 6), cell.flat_weights()
    y, _, _, kept = operator._native.recur(0, tensors, weights, 1, 1, 7, 1.0, False, True, 1)
    made, wanted = (torch.ones(7, 3), None, None, y[:rows].clone(), kept), [True, *[False] * 4, *[True] * 4]
    with pytest.raises(ValueError, match=r"what forward made|no gradient"):
        operator._native.recur_backward(0, tensors, weights, made, wanted, 1, 1, 7, 1.0, False, width, 1)


def test_memory_of_tensors_comes_back_when_the_last_on_it_dies():
    operator._native.release_memory()
    x, cell = torch.zeros(50, 40, 3), LSTM(3, 64)
    y, state = cell(x)
    part = y.detach()[3]
    before = operator._native.info()["held_bytes"]
    del y, state
    after = operator._native.info()["held_bytes"]
    del part
    assert before < after < operator._native.info()["held_bytes"]
    operator._native.release_memory()
    assert operator._native.info()["held_bytes"] == 0


@every_cell
@pytest.mark.parametrize("hidden", [1, 3, 16, 50, 64, 100, 257])
def test_engine_equals_plain_version(case, hidden):
    for layers, directions in layouts(case) if hidden < 200 else layouts(case)[:2]:
        cell = case.cell(hidden, layers=layers, directions=directions, dtype=torch.float64)
        given = case.given(hidden, LENGTHS, places=layers * directions, dtype=torch.float64)
        for mine, plain in zip(everything(cell, given, cell), everything(cell.plain, given, cell), strict=True):
            scale = max(1.0, plain.abs().max().item())
            torch.testing.assert_close(mine, plain, rtol=0, atol=1e-10 * scale)


@every_cell
@pytest.mark.parametrize("name", ["avx512", "avx2", "portable"])
def test_every_instruction_set_equals_plain_version(case, name):
    facts = operator._native.info()
    if name not in facts["sets"]:
        with pytest.raises(ValueError, match="instruction set"):
            operator._native.choose(name)
        return
    operator._native.choose(name)
    try:
        for hidden in (3, 50):
            for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 2e-4)):
                cell = case.cell(hidden, layers=2, directions=case.directions[-1], dtype=dtype)
                given = case.given(hidden, LENGTHS, places=2 * case.directions[-1], dtype=dtype)
                for mine, plain in zip(everything(cell, given, cell), everything(cell.plain, given, cell), strict=True):
                    scale = max(1.0, plain.abs().max().item())
                    torch.testing.assert_close(mine, plain, rtol=0, atol=tolerance * scale)
    finally:
        operator._native.choose(facts["set"])


@every_cell
def test_dropout_between_layers_equals_plain_version(case):
    for layers, directions in layouts(case)[1:]:
        cell = case.cell(6, layers=layers, directions=directions, dropout=0.4, dtype=torch.float64)
        given = case.given(6, LENGTHS, places=layers * directions, dtype=torch.float64)
        torch.manual_seed(7)
        mine = everything(cell, given, cell)
        torch.manual_seed(7)
        plain = everything(cell.plain, given, cell)
        for one, other in zip(mine, plain, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
        cell.eval()
        assert torch.equal(outputs(cell, given)[0], outputs(cell, given)[0])


@every_cell
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("at_once", [True, False])
def test_equally_long_histories_are_read_as_they_stand(case, layout, at_once, monkeypatch):
    layers, directions = layout
    if directions not in case.directions:
        return
    for name in () if at_once else AT_ONCE:
        monkeypatch.setattr(operator._native, name, refused_at_first(name, getattr(operator._native, name)))
    people, steps = 5, 4
    cell = case.cell(6, layers=layers, directions=directions, dtype=torch.float64)
    given = case.given(6, [steps] * people, places=layers * directions, dtype=torch.float64)
    packed = everything(cell, given, cell)
    data = given.packed.data.view(steps, people, -1)
    weighting = torch.linspace(-1, 1, packed[0].numel(), dtype=torch.float64).view(steps, people, -1)
    for batch_first in (False, True):
        cell.batch_first = batch_first
        for transposed in (False, True):  # in memory, the other way round than the cell is told
            for gradient_transposed in (False, True):

                def standing(t, transposed, batch_first=batch_first):
                    t = t.transpose(0, 1) if batch_first else t
                    return t.transpose(0, 1).contiguous().transpose(0, 1) if transposed else t.contiguous()

                leaves = given.leaves()
                x = standing(data, transposed).requires_grad_()
                extra = dict(leaves.extra)
                if case.name == "grud":
                    extra = {k: standing(t.detach().view(steps, people, -1), False) for k, t in extra.items()}
                    extra["gaps"].requires_grad_()
                y, final = cell(x, leaves.hx, **extra)
                loss = loss_of([torch.zeros(1), *as_tuple(final)])
                wanted = [x, *leaves.states, *(t for t in extra.values() if t.is_floating_point()), *cell.parameters()]
                made = torch.autograd.grad(
                    [y, loss], wanted, [standing(weighting, gradient_transposed), torch.ones_like(loss)]
                )
                for mine, other in zip((y, *as_tuple(final), *made), packed, strict=True):
                    if mine.shape != other.shape:  # rows
                        mine = mine.transpose(0, 1) if batch_first else mine
                    torch.testing.assert_close(mine.reshape(other.shape), other, rtol=0, atol=0)


@pytest.mark.parametrize("case", [case for case in CASES if case.theirs], ids=lambda case: case.name)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_plain_version_equals_torch(case, layout):
    layers, directions = layout
    options = {"num_layers": layers, "bidirectional": directions == 2, "dtype": torch.float64}
    cell = case.cell(6, layers=layers, directions=directions, dtype=torch.float64)
    theirs = case.theirs(INPUTS, 6, **options)
    theirs.load_state_dict(cell.state_dict())
    given = case.given(6, LENGTHS, places=layers * directions, dtype=torch.float64)
    given = Given(given.packed, given.states, {})
    for mine, other in zip(everything(cell.plain, given, cell), everything(theirs, given, theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)


@every_cell
@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize("hidden", [3, 64, 257])
def test_float32_errors_are_within_twice_those_of_torch(case, hidden, scale):
    # At scale 1e-4 states stay near zero, and what counts is the relative error there.
    cell = case.cell(hidden, layers=2, dtype=torch.float64)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.mul_(scale).copy_(weight.float())
    given = case.given(hidden, LENGTHS * 3, places=2, dtype=torch.float32)
    given = Given(given.packed, tuple(scale * s for s in given.states), given.extra if case.name == "grud" else {})
    exact_given = Given(
        given.packed._replace(data=given.packed.data.double()),
        tuple(s.double() for s in given.states),
        {name: t.double() if t.is_floating_point() else t for name, t in given.extra.items()},
    )
    exact = outputs(cell.plain, exact_given)
    cell = cell.float()
    theirs = cell.plain
    if case.theirs:
        theirs = case.theirs(INPUTS, hidden, num_layers=2)
        theirs.load_state_dict(cell.state_dict())
    for mine, other, true in zip(outputs(cell, given), outputs(theirs, given), exact, strict=True):
        error, error_of_torch = (((t.double() - true) / true)[true != 0].detach().abs().median() for t in (mine, other))
        assert error <= 2 * error_of_torch
        error, error_of_torch = ((t.double() - true).detach().square().mean().sqrt() for t in (mine, other))
        assert error <= 2 * error_of_torch


@every_cell
def test_gradients_are_those_of_finite_differences(case):
    for layers, directions in layouts(case)[:3]:
        cell = case.cell(2, layers=layers, directions=directions, dtype=torch.float64)
        given = case.given(2, [3, 1, 2], places=layers * directions, dtype=torch.float64).leaves()
        names = [name for name, _ in cell.named_parameters()]
        extra = [name for name, t in given.extra.items() if t.is_floating_point()]
        fixed = {name: t for name, t in given.extra.items() if not t.is_floating_point()}
        states = len(given.states)

        def run(x, *rest, cell=cell, names=names, extra=extra, fixed=fixed, states=states, packed=given.packed):
            hx = rest[0] if states == 1 else rest[:states]
            more = dict(zip(extra, rest[states:], strict=False)) | fixed
            weights = dict(zip(names, rest[states + len(extra) :], strict=True))
            y, final = torch.func.functional_call(cell, weights, (packed._replace(data=x), hx), more)
            return y.data, *as_tuple(final)

        assert torch.autograd.gradcheck(run, (*given.wanted(), *cell.parameters()))


@every_cell
def test_a_gradient_alone_has_the_bits_that_it_has_among_all(case):
    cell = case.cell(4, layers=2)
    given = case.given(4, LENGTHS, places=2, dtype=torch.float32).leaves()
    leaves = given.wanted() + list(cell.parameters())
    among_all = torch.autograd.grad(loss_of(outputs(cell, given)), leaves)
    for leaf in leaves:
        leaf.requires_grad_(False)
    for leaf, expected in zip(leaves, among_all, strict=True):
        leaf.requires_grad_()
        (alone,) = torch.autograd.grad(loss_of(outputs(cell, given)), leaf)
        assert torch.equal(alone, expected)
        leaf.requires_grad_(False)


@every_cell
def test_operator_keeps_torchs_rules(case):
    cell = case.cell(2, layers=2, dtype=torch.float64)
    weights = [w for of_layer in cell.weights() for w in of_layer[0] if w is not None]
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(2, 3, 2, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2)]
    decay = [torch.rand(2, 6, 2, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2)]
    if case.states == 1:
        states[1] = decay[1] = None
    x = torch.randn(6, cell.input_size, dtype=torch.float64, generator=generator).requires_grad_()
    masks = torch.rand(1, 6, 2, generator=generator) > 0.5
    ragged, order = (x, torch.tensor([3, 2, 1])), torch.tensor([2, 0, 1])
    dense = (x.detach().view(3, 2, -1).requires_grad_(), torch.tensor([3, 3]))
    for mask, rows, given_order, by_history in (
        (None, ragged, None, False),
        (masks, ragged, order, False),
        (masks, dense, None, True),
    ):
        arguments = (*rows, *states, *decay, mask, given_order, weights, cell.kind, 2, 1, 3, 0.5, by_history, True)
        # Tracing with real tensors inside the backward is `test_compile`'s business, which does it for whole cells.
        torch.library.opcheck(
            operator.recur, arguments, test_utils=("test_schema", "test_faketensor", "test_autograd_registration")
        )


def permuted(given: Given, order: list[int], lengths: list[int]) -> tuple[Given, torch.Tensor]:
    """The same histories in another order or fewer of them, and where their packed rows stood."""
    pieces = rows_of(given.packed, lengths)
    chosen = [pieces[k] for k in order]
    rows = pack_sequence(chosen, enforce_sorted=False).data
    packed = pack_sequence([given.packed.data[piece] for piece in chosen], enforce_sorted=False)
    extra = {name: t[..., rows, :].contiguous() for name, t in given.extra.items()}
    return Given(packed, tuple(s[:, order].contiguous() for s in given.states), extra), rows


def rows_of(packed: PackedSequence, lengths: list[int]) -> list[torch.Tensor]:
    """For each history the packed rows of its steps."""
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), packed.batch_sizes.cumsum(0)])
    places = packed.unsorted_indices
    return [starts[:length] + places[k] for k, length in enumerate(lengths)]


def results_by_row(run, given, weighting):
    """Outputs and gradients of a loss that weighs each row by itself."""
    given = given.leaves()
    y, final = run(given.packed, given.hx, **given.extra)
    loss = (y.data * weighting).sum() + sum(s.sum() for s in as_tuple(final))
    gradients = torch.autograd.grad(loss, given.wanted())
    return y.data.detach(), [s.detach() for s in as_tuple(final)], gradients


@every_cell
@pytest.mark.parametrize("hidden", [3, 50, 64])
def test_a_history_gets_the_same_bits_in_any_batch_place_and_number_of_threads(case, hidden):
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 30, (41,), generator=generator).tolist()
    order = torch.randperm(41, generator=generator).tolist()
    for layers, directions in layouts(case)[1:3]:
        cell = case.cell(hidden, layers=layers, directions=directions)
        given = case.given(hidden, lengths, places=layers * directions, dtype=torch.float32)
        weighting = torch.randn(sum(lengths), directions * hidden, generator=generator)
        y, final, gradients = results_by_row(cell, given, weighting)
        for chosen, threads in (
            (order, 2),
            (order[:7], 2),
            (order[:1], 2),
            (list(range(41)), 1),
            (order, 3),
            (order, 8),
        ):
            torch.set_num_threads(threads)
            other, rows = permuted(given, chosen, lengths)
            y_other, final_other, gradients_other = results_by_row(cell, other, weighting[rows])
            torch.set_num_threads(2)
            assert torch.equal(y_other, y[rows])
            for one, another in zip(final_other, final, strict=True):
                assert torch.equal(one, another[:, chosen])
            for name, one, another in zip(range(99), gradients_other, gradients, strict=False):
                expected = another[rows] if another.dim() == 2 else another[:, chosen if name <= case.states else rows]
                assert torch.equal(one, expected)


@every_cell
def test_weight_gradients_have_the_same_bits_for_any_number_of_threads(case):
    lengths = torch.randint(1, 60, (37,), generator=torch.Generator().manual_seed(3)).tolist()
    for layers, directions in layouts(case)[1:3]:
        cell = case.cell(50, layers=layers, directions=directions)
        given = case.given(50, lengths, places=layers * directions, dtype=torch.float32)
        results = []
        for threads in (1, 2, 3, 5, 16):
            torch.set_num_threads(threads)
            results.append(everything(cell, given, cell))
        for other in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@every_cell
def test_later_steps_never_change_earlier_outputs(case):
    hidden = 20
    cell = case.cell(hidden, layers=2)
    given = case.given(hidden, LENGTHS, places=2, dtype=torch.float32)
    y, _ = outputs(cell, given)[:2]
    pieces = rows_of(given.packed, LENGTHS)
    cut = [piece[: max(1, len(piece) - 3)] for piece in pieces]
    rows = pack_sequence(cut, enforce_sorted=False).data
    packed = pack_sequence([given.packed.data[piece] for piece in cut], enforce_sorted=False)
    extra = {name: t[..., rows, :].contiguous() for name, t in given.extra.items()}
    assert torch.equal(outputs(cell, Given(packed, given.states, extra))[0], y[rows])
    late = torch.cat([piece[len(kept) :] for piece, kept in zip(pieces, cut, strict=True)])
    changed = given.packed.data.clone()
    changed[late] = float("nan")
    again = outputs(cell, Given(given.packed._replace(data=changed), given.states, given.extra))[0]
    assert torch.equal(again[rows], y[rows])


@every_cell
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("hidden", [3, 16, 20])
def test_nan_and_infinity_come_out_as_in_torch(case, hidden, value):
    def classes(t: torch.Tensor) -> torch.Tensor:
        return torch.where(t.isnan(), 3.0, torch.where(t.isinf(), t.sign(), 0.0))

    for place in ("input", "state", "weight", "decay"):
        cell = case.cell(hidden, layers=2)
        given = case.given(hidden, [4, 3, 1], places=2, dtype=torch.float32)
        with torch.no_grad():
            if place == "input":
                given.packed.data[1, 0] = value
            elif place == "state":
                given.states[-1][0, 1, hidden - 1] = value
            elif place == "weight":
                cell.weight_hh_l0[hidden - 1, 0] = value
            elif case.name == "grud":
                given.extra["gaps"][1, 2] = value
            else:
                given.extra["decay_h"][0, 1, hidden - 1] = value
        for mine, plain in zip(outputs(cell, given), outputs(cell.plain, given), strict=True):
            assert torch.equal(classes(mine), classes(plain)), place


@every_cell
def test_steps_equal_forward_to_the_bit(case):
    if case.name == "grud":  # its step needs the decay that `seen` makes
        cell = case.cell(20, layers=2)
        x, observed, gaps = torch.randn(6, 4, INPUTS), torch.rand(6, 4, INPUTS) > 0.5, torch.rand(6, 4, INPUTS)
        y, final = cell(x, observed=observed, gaps=gaps)
        frozen, state = cell.frozen(), None
        for t in range(6):
            now, decay = cell.seen(x[t], observed[t], gaps[t])
            out, state = frozen.step(now, state, decay_h=decay)
            assert torch.equal(out, y[t])
        assert torch.equal(state, final)
        return
    for hidden in (3, 20, 64):
        cell = case.cell(hidden, layers=2)
        x = torch.randn(6, 9, INPUTS, generator=torch.Generator().manual_seed(0))
        decay = case.given(hidden, [6] * 9, places=2, dtype=torch.float32).extra
        y, final = cell(x, **decay)
        frozen, state = cell.frozen(), None
        table = frozen.table(50)
        rows = torch.randperm(50, generator=torch.Generator().manual_seed(0))[:18:2]
        for t in range(6):
            now = {name: factor[:, 9 * t : 9 * (t + 1)] for name, factor in decay.items()}
            out, state = frozen.step(x[t], state, **now)
            assert torch.equal(out, y[t])
            assert torch.equal(frozen.update(table, rows, x[t], **now), y[t])
        for k, (one, other) in enumerate(zip(as_tuple(state), as_tuple(final), strict=True)):
            assert torch.equal(one, other)
            assert torch.equal(table[rows, :, k].transpose(0, 1), other)
        untouched = torch.ones(50, dtype=torch.bool)
        untouched[rows] = False
        assert not table[untouched].any()


@every_cell
def test_a_snapshot_does_not_change_with_the_cell_and_refuses_what_has_no_order(case):
    cell = case.cell(4)
    frozen = cell.frozen()
    x = torch.randn(3, cell.input_size, generator=torch.Generator().manual_seed(0))
    before, _ = frozen.step(x)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.zero_()
    assert torch.equal(frozen.step(x)[0], before)
    table = frozen.table(5)
    for rows in ([0, 1, 1], [0, 1, 5], [-1, 0, 1]):
        with pytest.raises(ValueError, match="rows must"):
            frozen.update(table, torch.tensor(rows), x)
    assert not table.any()


@every_cell
def test_a_snapshot_refuses_what_does_not_fit(case):
    cell = case.cell(4)
    frozen, x, rows = cell.frozen(), torch.zeros(3, cell.input_size), torch.arange(3)
    table, state = frozen.table(5), torch.zeros(1, 3, 4)
    for wrong in (frozen.table(10)[::2], torch._neg_view(table), table.clone().requires_grad_()):
        with pytest.raises(ValueError, match="written in place"):
            frozen.update(wrong, rows, x)
    for wrong in (table.double(), table[..., 1:].contiguous()):
        with pytest.raises((TypeError, ValueError), match="Expected table"):
            frozen.update(wrong, rows, x)
    for wrong in (x.double(), x[:, 1:]):
        with pytest.raises((TypeError, ValueError), match="Expected x"):
            frozen.step(wrong)
    with pytest.raises(TypeError, match="rows must be"):
        frozen.update(table, rows.int(), x)
    with pytest.raises(ValueError, match="state must hold"):
        frozen.step(x, (state,) * (3 - case.states))
    if case.states == 1:
        for ask in (frozen.step, lambda x, **decay: frozen.update(table, rows, x, **decay)):
            with pytest.raises(ValueError, match="decay_c is for cells with a state c"):
                ask(x, decay_c=state)
    if 2 in case.directions:
        with pytest.raises(ValueError, match="bidirectional"):
            case.cell(4, directions=2).frozen()


@every_cell
def test_an_update_reads_what_stood_in_the_table_before_it(case):
    frozen, rows = case.cell(16).frozen(), torch.arange(99, -1, -1)
    table = frozen.table(100).copy_(torch.rand(frozen.table(100).shape, generator=torch.Generator().manual_seed(0)))
    x, decay = table.flatten()[: 100 * frozen.input_size].view(100, -1), table[None, :, 0, 0]
    other = table.clone()
    expected = frozen.update(other, rows, x.clone(), decay_h=decay.clone())
    assert torch.equal(frozen.update(table, rows, x, decay_h=decay), expected)
    assert torch.equal(table, other)


@every_cell
def test_a_backward_pass_after_an_update_of_what_it_needs_is_refused(case):
    cell = case.cell(4)
    frozen, weight = cell.frozen(), torch.ones(4, requires_grad=True)
    table = frozen.table(5)
    loss = (table * weight).sum()
    frozen.update(table, torch.tensor([3]), torch.ones(1, cell.input_size))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@every_cell
def test_an_empty_batch_and_a_single_step_pass(case):
    for layers, directions in layouts(case)[:3]:
        cell = case.cell(4, layers=layers, directions=directions)
        given = case.given(4, [1], places=layers * directions, dtype=torch.float32)
        everything(cell, given, cell)
        empty = torch.zeros(0, 0, INPUTS, requires_grad=True)
        extra = {"observed": empty > 0, "gaps": empty.detach()} if case.name == "grud" else {}
        y, final = cell(empty, **extra)
        assert y.shape == (0, 0, directions * 4)
        assert as_tuple(final)[0].shape == (layers * directions, 0, 4)
        loss_of([y, *as_tuple(final)]).backward()
        for weight in cell.parameters():
            assert weight.grad is None or not weight.grad.any()


@every_cell
def test_second_derivatives_are_refused_and_a_kept_graph_gives_equal_gradients(case):
    cell = case.cell(4, layers=2)
    given = case.given(4, LENGTHS, places=2, dtype=torch.float32).leaves()
    loss = loss_of(outputs(cell, given))
    leaves = given.wanted() + list(cell.parameters())
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    second = torch.autograd.grad(loss, leaves, retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    (gradient,) = torch.autograd.grad(loss, given.packed.data, create_graph=True)
    with pytest.raises(RuntimeError, match="plain"):
        gradient.square().sum().backward()


@every_cell
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated")
def test_what_only_the_plain_version_can_do_is_refused(case):
    cell, given = case.cell(4), case.given(4, LENGTHS, places=1, dtype=torch.float32)
    data = given.packed.data

    def run(data):
        return outputs(cell, Given(given.packed._replace(data=data), given.states, given.extra))[0]

    def forward_derivative():
        with torch.autograd.forward_ad.dual_level():
            return run(torch.autograd.forward_ad.make_dual(data, data))

    def batched_gradients():
        leaf = data.clone().requires_grad_()
        y = run(leaf)
        return torch.autograd.grad(y, leaf, torch.ones(2, *y.shape), is_grads_batched=True)

    asked = [
        forward_derivative,
        torch.no_grad()(forward_derivative),
        batched_gradients,
        lambda: torch.func.jvp(run, (data,), (data,)),
        lambda: torch.func.grad(lambda data: run(data).sum())(data),
        lambda: torch.func.vmap(run)(data[None]),
        lambda: torch.func.jacrev(run)(data),
    ]
    for ask in asked:
        with pytest.raises(NotImplementedError, match="plain"):
            ask()
    with pytest.raises(NotImplementedError, match=r"torch\.export"):
        torch.jit.script(cell)


@every_cell
def test_modules_copy_pickle_parametrize_and_convert(case):
    cell = case.cell(4, layers=2)
    given = case.given(4, LENGTHS, places=2, dtype=torch.float32)
    expected = outputs(cell, given)
    stream = io.BytesIO()
    torch.save(cell, stream)
    stream.seek(0)
    for other in (copy.deepcopy(cell), torch.load(stream, weights_only=False)):
        assert all(torch.equal(a, b) for a, b in zip(outputs(other, given), expected, strict=True))
    twice = torch.func.functional_call(
        cell, {name: 2 * w for name, w in cell.named_parameters()}, (given.packed, given.hx), given.extra
    )
    doubled = copy.deepcopy(cell)
    with torch.no_grad():
        for weight in doubled.parameters():
            weight.mul_(2)
    assert torch.equal(twice[0].data, outputs(doubled, given)[0])

    class Double(torch.nn.Module):
        def forward(self, weight):
            return 2 * weight

    for name, _ in list(cell.named_parameters()):
        parametrize.register_parametrization(cell, name, Double())
    assert torch.equal(outputs(cell, given)[0], outputs(doubled, given)[0])
    loss_of(outputs(cell, given)).backward()
    assert all(weight.grad is not None for weight in cell.parameters())


@every_cell
def test_a_cell_shows_how_it_is_made_and_begins_anew_as_it_began(case):
    cell = case.make(INPUTS, 4, num_layers=2, dropout=0.5)
    again = eval(repr(cell), {type(cell).__name__: type(cell)})
    assert repr(again) == repr(cell)
    assert again.kind == cell.kind
    begun = case.make(INPUTS, 4, num_layers=2)
    with torch.no_grad():
        for weight in begun.parameters():
            weight.fill_(9)
    begun.reset_parameters()
    for name, weight in begun.named_parameters():
        assert weight.abs().max() <= (0 if "weight_ch" in name else 0.5)


@every_cell
def test_autocast_computes_in_float32(case):
    cell, given = case.cell(4), case.given(4, LENGTHS, places=1, dtype=torch.float32)

    def halved(t):
        return t.bfloat16() if t.is_floating_point() else t

    def widened(t):
        return t.float() if t.is_floating_point() else t

    half = Given(
        given.packed._replace(data=halved(given.packed.data)),
        tuple(halved(s) for s in given.states),
        {name: halved(t) for name, t in given.extra.items()},
    )
    whole = Given(
        half.packed._replace(data=widened(half.packed.data)),
        tuple(widened(s) for s in half.states),
        {name: widened(t) for name, t in half.extra.items()},
    )
    for mixed in (half, Given(whole.packed, half.states, half.extra), Given(half.packed, whole.states, half.extra)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = outputs(cell, mixed)
        for one, other in zip(found, outputs(cell, whole), strict=True):
            assert torch.equal(one, other)


@every_cell
def test_a_default_device_elsewhere_changes_nothing_here(case):
    cell = case.cell(4)
    x = torch.randn(31, 3, INPUTS, generator=torch.Generator().manual_seed(0))
    extra = {"observed": x > 0, "gaps": x.abs()} if case.name == "grud" else {}
    for device in ("meta", "cpu"):
        with torch.device(device):
            y, _ = cell(x, **extra)
            frozen = cell.frozen()
            table = frozen.table(2)
        assert y.device.type == table.device.type == "cpu"
    assert torch.equal(y, cell(x, **extra)[0])


@every_cell
def test_dropout_may_leave_nothing(case):
    cell = case.cell(4, layers=2, dropout=1.0)
    given = case.given(4, LENGTHS, places=2, dtype=torch.float32)
    cut = case.cell(4, layers=2)
    with torch.no_grad():
        cut.weight_ih_l1.zero_()
    scattered = given.packed._replace(data=given.packed.data.repeat_interleave(2, dim=-1)[:, ::2])
    for run in (cell, cell.plain):
        for packed in (given.packed, scattered):
            found = outputs(run, Given(packed, given.states, given.extra))
            for one, other in zip(found, outputs(cut, given), strict=True):
                torch.testing.assert_close(one, other)


@every_cell
def test_what_does_not_fit_is_refused(case):
    cell = case.cell(4)
    given = case.given(4, LENGTHS, places=1, dtype=torch.float32)
    with pytest.raises((TypeError, RuntimeError), match="float"):
        outputs(cell, Given(given.packed._replace(data=given.packed.data.half()), given.states, given.extra))
    with pytest.raises(ValueError, match="initial"):
        outputs(cell, Given(given.packed, tuple(s[:, 1:] for s in given.states), given.extra))
    short = {name: t[..., 1:, :] for name, t in given.extra.items()}
    with pytest.raises(ValueError, match=r"decay_h|observed"):
        outputs(cell, Given(given.packed, given.states, short))
    wrong = PackedSequence(given.packed.data, given.packed.batch_sizes.flip(0), None, None)
    with pytest.raises((ValueError, RuntimeError), match=r"batch_sizes|initial"):
        cell(wrong, **given.extra)


@every_cell
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
def test_works_after_a_fork_and_in_two_python_threads(case):
    cell = case.cell(20)
    given = case.given(20, LENGTHS * 4, places=1, dtype=torch.float32)
    expected = outputs(cell, given)[0].detach()

    class Outputs(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            torch.set_num_threads(2)
            return torch.equal(outputs(cell, given)[0].detach(), expected)

    with torch.no_grad():
        outputs(cell, given)  # the pool is at work before the fork
        assert all(bool(same) for same in DataLoader(Outputs(), batch_size=None, num_workers=2))
    right: list[bool] = []

    def work():
        right.extend(torch.equal(outputs(cell, given)[0].detach(), expected) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 40
    assert all(right)

"""Values and states fade as the plain version says, in whatever form they come."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

from sequela.cells import GRUD, decay_factors, operator
from sequela.cells.fading import Inputs, Rates, fade, fade_rows, fade_rows_backward, plain_factors, plain_fade
from sequela.cells.recurrence import Recurrence

pytestmark = pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")

FEATURES, HIDDEN, LAYERS = 5, 7, 2


def inputs_of(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    values, gaps = (torch.randn(*shape, FEATURES, generator=generator, dtype=dtype) for _ in range(2))
    observed = torch.rand(*shape, FEATURES, generator=generator) > 0.5
    return Inputs(values, observed, gaps.abs(), torch.randn(FEATURES, generator=generator, dtype=dtype))


def rates_of(dtype: torch.dtype = torch.float64) -> Rates:
    generator = torch.Generator().manual_seed(9)
    shapes = ((FEATURES,), (FEATURES,), (LAYERS * HIDDEN, FEATURES), (LAYERS * HIDDEN,))
    return Rates(*(torch.randn(*shape, generator=generator, dtype=dtype) for shape in shapes))


def everything(run, inputs: Inputs, rates: Rates, **options) -> list[torch.Tensor]:
    """Results, and gradients of values, gaps and weights under a loss in which every element has its own weight."""
    values, gaps, *weights = (t.detach().clone().requires_grad_() for t in (inputs.values, inputs.gaps, *rates))
    results = run(inputs._replace(values=values, gaps=gaps), Rates(*weights), layers=LAYERS, **options)
    loss = sum((t * torch.linspace(-1, 2, t.numel(), dtype=t.dtype).view(t.shape)).sum() for t in results)
    return [*results, *torch.autograd.grad(loss, (values, gaps, *weights))]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(1,), (8500,), (6, 4), (90, 13)], ids=str)
def test_every_form_equals_the_plain_version(shape, batch_first):
    inputs, rates = inputs_of(*shape), rates_of()
    mine = everything(fade, inputs, rates, batch_first=batch_first)
    for one, other in zip(mine, everything(plain_fade, inputs, rates, batch_first=batch_first), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_first_gives_the_bits_of_time_first(dtype):
    inputs, rates = inputs_of(90, 13, dtype=dtype), rates_of(dtype)
    across = Inputs(*(t.transpose(0, 1).contiguous() for t in inputs[:3]), inputs.mean)
    one = everything(fade, inputs, rates, batch_first=False)
    other = everything(fade, across, rates, batch_first=True)
    for k in (2, 3):
        other[k] = other[k].transpose(0, 1)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("rows", [40, 300, 20_000])
def test_the_number_of_threads_changes_no_bit(rows):
    inputs, rates = inputs_of(rows, dtype=torch.float32), rates_of(torch.float32)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        found.append(everything(fade, inputs, rates, batch_first=False))
    torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_float32_is_as_near_the_truth_as_the_plain_version():
    exact = everything(plain_fade, inputs_of(3000), rates_of(), batch_first=False)
    inputs = Inputs(*(t.float() if t.is_floating_point() else t for t in inputs_of(3000)))
    rates = Rates(*(t.float() for t in rates_of()))
    found = (everything(run, inputs, rates, batch_first=False) for run in (fade, plain_fade))
    for mine, plain, true in zip(*found, exact, strict=True):
        error, error_of_plain = ((t - true).square().mean().sqrt().item() for t in (mine, plain))
        assert error <= 2 * error_of_plain + 1e-7 * true.abs().max().item()


def test_what_was_measured_and_what_has_not_faded_keep_their_bits():
    inputs = inputs_of(50, dtype=torch.float32)
    rates = rates_of(torch.float32)
    joined, _ = fade(inputs, rates, layers=LAYERS, batch_first=False)
    assert torch.equal(joined[:, :FEATURES][inputs.observed], inputs.values[inputs.observed])
    assert torch.equal(joined[:, FEATURES:], inputs.observed.float())
    joined, _ = fade(inputs, rates._replace(bias_x=torch.full((FEATURES,), -1e3)), layers=LAYERS, batch_first=False)
    assert torch.equal(joined[:, :FEATURES], inputs.values)
    joined, _ = fade(inputs, rates._replace(bias_x=torch.full((FEATURES,), 1e3)), layers=LAYERS, batch_first=False)
    expected = torch.where(inputs.observed, inputs.values, inputs.mean)
    torch.testing.assert_close(joined[:, :FEATURES], expected, rtol=0, atol=1e-37)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", ["values", "gaps", "mean", "weight_x", "weight_h"])
def test_nan_and_infinity_come_out_where_the_plain_version_lets_them(place, value):
    inputs, rates = inputs_of(30, dtype=torch.float32), rates_of(torch.float32)
    for given in (inputs, rates):
        if place in given._fields:
            getattr(given, place).view(-1)[2] = value
    for mine, plain in zip(
        fade(inputs, rates, layers=LAYERS, batch_first=False),
        plain_fade(inputs, rates, layers=LAYERS, batch_first=False),
        strict=True,
    ):
        assert torch.equal(mine.isnan(), plain.isnan())
        assert torch.equal(mine.isinf(), plain.isinf())


def test_gradients_are_those_of_finite_differences():
    inputs, rates = inputs_of(4, 3), rates_of()
    leaves = [t.requires_grad_() for t in (inputs.values, inputs.gaps, *rates)]

    def run(values, gaps, *weights):
        given = inputs._replace(values=values, gaps=gaps)
        return fade(given, Rates(*weights), layers=LAYERS, batch_first=True)

    assert torch.autograd.gradcheck(run, leaves)


def test_factors_alone_equal_the_plain_version_and_differentiate_once():
    gaps, weight, bias = (
        t.requires_grad_() for t in (inputs_of(300).gaps, rates_of().weight_h.clone(), rates_of().bias_h.clone())
    )
    found = []
    for run in (decay_factors, plain_factors):
        factors = run(gaps, weight, bias)
        found.append((factors, *torch.autograd.grad(factors.square().sum(), (gaps, weight, bias))))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    (gradient,) = torch.autograd.grad(decay_factors(gaps, weight, bias).sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="plain"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("shape", [(), (4,), (4, 0), (3, 4)], ids=str)
def test_factors_have_the_form_of_the_gaps(shape):
    gaps, rates = inputs_of(*shape).gaps, rates_of()
    found, expected = (run(gaps, rates.weight_h, rates.bias_h) for run in (decay_factors, plain_factors))
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("result", [0, 1])
def test_each_result_alone_has_the_gradients_of_the_plain_version(result):
    inputs, rates = inputs_of(6), rates_of()
    leaves = [t.requires_grad_() for t in (inputs.values, inputs.gaps, *rates)]
    found = []
    for run in (fade, plain_fade):
        loss = run(inputs, rates, layers=LAYERS, batch_first=False)[result].square().sum()
        found.append(torch.autograd.grad(loss, leaves, materialize_grads=True, allow_unused=True))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_inputs_get_no_gradient_where_nobody_wants_one():
    inputs, rates = inputs_of(6), rates_of()
    rates.weight_h.requires_grad_()
    joined, decay = fade(inputs, rates, layers=LAYERS, batch_first=False)
    assert decay.requires_grad
    assert not joined.requires_grad


def test_the_operators_keep_torchs_rules():
    inputs, rates = inputs_of(4, 3), rates_of()
    for t in (inputs.values, inputs.gaps, *rates):
        t.requires_grad_()
    tests = ("test_schema", "test_faketensor", "test_autograd_registration")
    torch.library.opcheck(fade_rows, (LAYERS, 4, *inputs, *rates), test_utils=tests)
    torch.library.opcheck(
        fade_rows, (LAYERS, 0, None, None, inputs.gaps, None, None, None, *rates[2:]), test_utils=tests
    )
    made = fade_rows(LAYERS, 4, *inputs, *rates)
    given = [t.detach() for t in (*inputs, *rates, *made)]
    arriving = [torch.ones_like(t) for t in made]
    for wanted in ([True] * 6, [False, True, False, True, False, True]):
        torch.library.opcheck(
            fade_rows_backward, (LAYERS, 4, wanted, *arriving, *given), test_utils=("test_schema", "test_faketensor")
        )


def test_what_does_not_fit_is_refused():
    inputs, rates = inputs_of(6), rates_of()
    options = {"layers": LAYERS, "batch_first": False}
    with pytest.raises(TypeError, match="observed as bool"):
        fade(inputs._replace(observed=inputs.observed.double()), rates, **options)
    with pytest.raises(TypeError, match="gaps"):
        fade(inputs._replace(values=inputs.values.float()), rates, **options)
    with pytest.raises(ValueError, match="weight_x"):
        fade(inputs, rates._replace(weight_x=rates.weight_x[1:]), **options)
    with pytest.raises(ValueError, match="layers of the same size"):
        fade(inputs, rates, layers=3, batch_first=False)


@pytest.mark.parametrize("batch_first", [False, True])
def test_grud_gives_the_same_bits_in_every_form(batch_first):
    torch.manual_seed(0)
    cell = GRUD(FEATURES, HIDDEN, LAYERS, batch_first=batch_first, mean=torch.randn(FEATURES))
    given = inputs_of(9, 4, dtype=torch.float32)  # 4 histories of 9 steps
    form = [t.transpose(0, 1) if batch_first else t for t in given[:3]]
    enter = torch.randn(LAYERS, 4, HIDDEN)
    output, final = cell(form[0], enter, observed=form[1], gaps=form[2])
    output = output.transpose(0, 1) if batch_first else output
    packed = [pack_padded_sequence(t, torch.full((4,), 9)) for t in given[:3]]
    rows, final_of_packed = cell(packed[0], enter, observed=packed[1].data, gaps=packed[2].data)
    assert torch.equal(output.reshape(-1, HIDDEN), rows.data)
    assert torch.equal(final, final_of_packed)
    values, observed, gaps = (t[:, 2] for t in given[:3])
    alone, final_alone = cell(values, enter[:, 2], observed=observed, gaps=gaps)
    assert torch.equal(alone, output[:, 2])
    assert torch.equal(final_alone, final[:, 2])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::FutureWarning:torch")
def test_grud_compiles_whole_with_changing_lengths():
    torch._dynamo.reset()
    torch.manual_seed(0)
    cell = GRUD(FEATURES, HIDDEN, LAYERS, mean=torch.randn(FEATURES))

    def model(data, batch_sizes, order, back, observed, gaps):
        output, final = cell(PackedSequence(data, batch_sizes, order, back), observed=observed, gaps=gaps)
        return output.data, final

    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    for lengths in ((3, 5, 2), (7, 1, 4, 4), (2, 9)):
        given = inputs_of(sum(lengths), dtype=torch.float32)
        packed = pack_sequence(list(given.values.split(lengths)), enforce_sorted=False)
        gradients = []
        for run in (model, compiled):
            cell.zero_grad()
            output, final = run(*packed, given.observed, given.gaps)
            (output.sum() + final.sum()).backward()
            gradients.append([output.detach(), final.detach(), *(p.grad for p in cell.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::FutureWarning:torch")
@pytest.mark.parametrize("batch_first", [False, True])
def test_grud_compiles_whole_on_histories_of_one_length(batch_first):
    torch._dynamo.reset()
    torch.manual_seed(0)
    cell = GRUD(FEATURES, HIDDEN, LAYERS, batch_first=batch_first, mean=torch.randn(FEATURES))
    compiled = torch.compile(cell, fullgraph=True, backend="aot_eager")
    given = inputs_of(9, 4, dtype=torch.float32)
    found = []
    for run in (compiled, cell):
        cell.zero_grad()
        output, final = run(given.values, observed=given.observed, gaps=given.gaps)
        (output.square().sum() + final.sum()).backward()
        found.append([output.detach(), final.detach(), *(p.grad for p in cell.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_grud_has_the_gradients_of_fading_and_recurrence_one_after_the_other():
    # `forward` differentiates both at once, and never the mask.
    torch.manual_seed(0)
    cell = GRUD(FEATURES, HIDDEN, LAYERS, mean=torch.randn(FEATURES))
    given = inputs_of(9, 4, dtype=torch.float32)
    for wanted in ("all", "values", "weight_decay_x", "bias_decay_x", "weight_decay_h", "weight_hh_l0"):
        values = given.values.clone().requires_grad_(wanted in ("all", "values"))
        for name, weight in cell.named_parameters():
            weight.requires_grad_(wanted in ("all", name))
        leaves = [t for t in (values, *cell.parameters()) if t.requires_grad]
        joined, decay = cell.seen(values, given.observed, given.gaps)
        batch_sizes = torch.full((9,), 4)
        apart = Recurrence(joined.reshape(36, -1), batch_sizes, 4, None, (decay,))
        final_apart = cell._native(apart)[1][0]
        _, final = cell(values, observed=given.observed, gaps=given.gaps)
        assert torch.equal(final, final_apart)
        one, other = (torch.autograd.grad(f.square().sum(), leaves) for f in (final, final_apart))
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_mean_has_the_type_of_the_parameters_and_no_gradient():
    x = torch.zeros(4, FEATURES)
    cell = GRUD(FEATURES, HIDDEN, mean=torch.arange(FEATURES, dtype=torch.float64).requires_grad_())
    output, _ = cell(x, observed=x > 0, gaps=x)
    assert output.dtype == cell.mean.dtype == torch.float32
    assert cell.mean.tolist() == [0, 1, 2, 3, 4]
    cell.mean = torch.nn.Parameter(cell.mean)
    with pytest.raises(NotImplementedError, match="plain"):
        cell(x, observed=x > 0, gaps=x)
    cell.plain(x, observed=x > 0, gaps=x)[0].sum().backward()
    assert cell.mean.grad is not None

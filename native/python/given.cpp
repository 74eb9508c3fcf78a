#include "given.hpp"

namespace sequela {
namespace {

// Whether rows stand in one piece, and whether history by history.
bool stands(const View& rows, bool by_history, bool* so) {
    *so = by_history;
    if (rows.contiguous()) return true;
    *so = !by_history;
    return rows.contiguous_across();
}

}  // namespace

int slot_of(int32_t cell, size_t each, size_t index) {
    return cell == LSTM_PEEPHOLE && index + 1 == each ? 4 : static_cast<int>(index);
}

bool Given::read(int cell, PyObject* const* tensors, PyObject* const* all, size_t count, int64_t layers, int64_t directions,
                 int64_t histories, bool rows_by_history) {
    View* const views[] = {&x, &batch_sizes, &h0, &c0, &decay_h, &decay_c, &masks, &order};
    for (View* view : views)
        if (!view->look(*tensors++)) return false;
    by_history = rows_by_history, type = x.of.type;
    if (!x.given || x.of.dimensions < 2 || x.of.dimensions > 3 || !(type == floats || type == doubles)) return false;
    if (!stands(x, by_history, &p.x_by_history)) return false;
    p.y_by_history = by_history;
    p.cell = cell, p.type = type == floats ? F32 : F64;
    p.layers = layers, p.directions = directions, p.histories = histories;
    p.rows = x.of.dimensions == 2 ? x.size(0) : x.size(0) * x.size(1), p.input = x.size(-1);
    if (!batch_sizes.given || batch_sizes.of.dimensions != 1) return false;
    p.steps = batch_sizes.size(0);
    if (!batch_sizes.fits(int64s, {p.steps}) || !read_weights(all, count)) return false;
    const int64_t B = histories, H = p.hidden, P = layers * directions, N = p.rows;
    if (!h0.fits(type, {P, B, H}) || !c0.fits(type, {P, B, H}) || !order.fits(int64s, {B})) return false;
    if (!decay_h.fits(type, {P, N, H}) || !decay_c.fits(type, {P, N, H})) return false;
    if (!masks.fits(bools, {layers - 1, N, directions * H})) return false;
    p.x = x.data<void>(), p.h0 = h0.data<void>(), p.c0 = c0.data<void>(), p.order = order.data<int64_t>();
    p.decay_h = decay_h.data<void>(), p.decay_c = decay_c.data<void>(), p.masks = masks.data<uint8_t>();
    p.weights = places.data();
    return true;
}

bool Given::read_weights(PyObject* const* all, size_t count) {
    const size_t P = static_cast<size_t>(p.layers * p.directions), each = P == 0 ? 0 : count / P;
    const size_t diagonals = p.cell == LSTM_PEEPHOLE ? 1 : 0;
    if (each * P != count || (each != 2 + diagonals && each != 4 + diagonals)) return false;
    weights.resize(count);
    for (size_t i = 0; i < count; ++i)
        if (!weights[i].look(all[i]) || !weights[i].given) return false;
    if (weights[1].of.dimensions != 2) return false;
    p.hidden = weights[1].size(1);
    const int64_t H = p.hidden, block = shape_of(p.cell).gates * H;
    places.assign(P, Weights{});
    for (size_t i = 0; i < count; ++i) {
        const size_t place = i / each;
        const int64_t inputs = place < static_cast<size_t>(p.directions) ? p.input : p.directions * H;
        const View& weight = weights[i];
        Weights& at = places[place];
        void* data = weight.data<void>();
        bool right = false;
        switch (slot_of(p.cell, each, i % each)) {
            case 0: right = weight.fits(type, {block, inputs}), at.weight_ih = data; break;
            case 1: right = weight.fits(type, {block, H}), at.weight_hh = data; break;
            case 2: right = weight.fits(type, {block}), at.bias_ih = data; break;
            case 3: right = weight.fits(type, {block}), at.bias_hh = data; break;
            default: right = weight.fits(type, {3, H}), at.peephole = data; break;
        }
        if (!right) return false;
    }
    return true;
}

void Given::keep_in(void* kept) {
    const size_t element = type == floats ? 4 : 8;
    if (p.layers > 1) p.inner = kept;
    p.kept = static_cast<char*>(kept) + static_cast<size_t>(inner()) * element;
}

bool Given::gradient_of_output(const View& dy) {
    if (!dy.given) return true;
    const int64_t across = p.directions * p.hidden;
    const bool right = x.of.dimensions == 2 ? dy.is(type, {x.size(0), across}) : dy.is(type, {x.size(0), x.size(1), across});
    p.dy = dy.data<void>();
    return right && stands(dy, by_history, &p.dy_by_history);
}

PyObject* Given::new_output(void** data) const {
    int64_t shape[] = {x.size(0), x.size(1), 0};
    shape[x.of.dimensions - 1] = p.directions * p.hidden;
    return fresh(x.of, shape, false, data);
}

PyObject* Given::new_dx(int64_t width, void** data) const {
    int64_t shape[] = {x.size(0), x.size(1), 0};
    shape[x.of.dimensions - 1] = width;
    return fresh(x.of, shape, p.x_by_history != by_history, data);
}

PyObject* Given::new_states(void** data) const {
    const int64_t shape[] = {p.layers * p.directions, p.histories, p.hidden};
    return new_tensor(type, 3, shape, false, data);
}

bool GivenFading::read(PyObject* const* tensors, int64_t layers, int64_t histories) {
    View* const views[] = {&values, &observed, &gaps, &mean, &weight_x, &bias_x, &weight_h, &bias_h};
    for (View* view : views)
        if (!view->look(*tensors++)) return false;
    type = gaps.of.type;
    if (!gaps.given || gaps.of.dimensions < 2 || gaps.of.dimensions > 3 || !(type == floats || type == doubles)) return false;
    if (!gaps.contiguous() || !weight_h.given || !bias_h.given || weight_h.of.dimensions != 2 || layers < 1) return false;
    f.type = type == floats ? F32 : F64, f.layers = layers, f.histories = histories;
    f.features = gaps.size(-1), f.rows = gaps.of.dimensions == 2 ? gaps.size(0) : gaps.size(0) * gaps.size(1);
    const int64_t F = f.features, K = weight_h.size(0);
    if (K % layers != 0 || (histories != 0 && f.rows % histories != 0)) return false;
    f.hidden = K / layers;
    auto like_gaps = [&](const View& view, DLType expected) {
        return gaps.of.dimensions == 2 ? view.fits(expected, {gaps.size(0), F})
                                       : view.fits(expected, {gaps.size(0), gaps.size(1), F});
    };
    if (!weight_h.fits(type, {K, F}) || !bias_h.fits(type, {K})) return false;
    if (!like_gaps(values, type) || !like_gaps(observed, bools)) return false;
    if (!mean.fits(type, {F}) || !weight_x.fits(type, {F}) || !bias_x.fits(type, {F})) return false;
    if (values.given && !(observed.given && mean.given && weight_x.given && bias_x.given)) return false;
    f.values = values.data<void>(), f.observed = observed.data<uint8_t>(), f.gaps = gaps.data<void>();
    f.mean = mean.data<void>(), f.weight_x = weight_x.data<void>(), f.bias_x = bias_x.data<void>();
    f.weight_h = weight_h.data<void>(), f.bias_h = bias_h.data<void>();
    return true;
}

PyObject* GivenFading::new_joined(void** data) const {
    const int64_t shape[] = {f.rows, 2 * f.features}, nothing = 0;
    return values.given ? new_tensor(type, 2, shape, false, data) : new_tensor(type, 1, &nothing, false, data);
}

PyObject* GivenFading::new_decay(void** data) const {
    const int64_t shape[] = {f.layers, f.rows, f.hidden};
    return new_tensor(type, 3, shape, false, data);
}

}  // namespace sequela

"""What a good JAX programmer writes: the same model with `lax.scan`, one compiled function a batch, Adam included."""

from protocol import hold_to_two_cores, serve

hold_to_two_cores()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from lstm_data import BATCH, HIDDEN, INPUTS, STEPS, windows  # noqa: E402

RATE, DECAY_1, DECAY_2, SMALL = 1e-3, 0.9, 0.999, 1e-8


def initial(key: jax.Array) -> dict:
    keys = jax.random.split(key, 5)

    def weights(key: jax.Array, rows: int, columns: int) -> jax.Array:
        return jax.random.uniform(key, (rows, columns), minval=-1, maxval=1) / jnp.sqrt(HIDDEN)

    return {
        "layers": [
            {
                "input": weights(keys[2 * layer], INPUTS if layer == 0 else HIDDEN, 4 * HIDDEN),
                "state": weights(keys[2 * layer + 1], HIDDEN, 4 * HIDDEN),
                "bias": jnp.zeros(4 * HIDDEN),
            }
            for layer in range(2)
        ],
        "dense": weights(keys[4], HIDDEN, 1),
        "bias": jnp.zeros(1),
    }


def loss(parameters: dict, x: jax.Array, y: jax.Array, unroll: int) -> jax.Array:
    """Mean squared error. The input's product of a layer is taken for all steps at once, before its loop."""
    sequence = x.swapaxes(0, 1)
    for layer in parameters["layers"]:
        ready = sequence @ layer["input"] + layer["bias"]

        def step(state: tuple, gates: jax.Array, recurrent: jax.Array = layer["state"]) -> tuple:
            h, c = state
            i, f, g, o = jnp.split(gates + h @ recurrent, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[0], HIDDEN))
        _, sequence = jax.lax.scan(step, (zeros, zeros), ready, unroll=unroll)
    return jnp.mean((sequence[-1] @ parameters["dense"] + parameters["bias"] - y) ** 2)


def main() -> None:
    x, y = (jnp.asarray(array) for array in windows(BATCH))

    def compiled(unroll: int):
        def update(parameters, first, second, count, x, y):
            gradient = jax.grad(loss)(parameters, x, y, unroll)
            first = jax.tree.map(lambda m, g: DECAY_1 * m + (1 - DECAY_1) * g, first, gradient)
            second = jax.tree.map(lambda v, g: DECAY_2 * v + (1 - DECAY_2) * g * g, second, gradient)
            rate = RATE * jnp.sqrt(1 - DECAY_2**count) / (1 - DECAY_1**count)
            parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + SMALL), parameters, first, second)
            return parameters, first, second, count + 1

        function = jax.jit(update, donate_argnums=(0, 1, 2, 3))
        parameters = initial(jax.random.key(0))
        moments = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        held = [parameters, *moments, jnp.ones(())]

        def batch() -> None:
            held[:] = function(*held, x, y)
            jax.block_until_ready(held)

        return batch

    # Both forms of the loop; the comparison takes the faster one.
    serve({"scan": compiled(1), "scan_unrolled": compiled(STEPS)}, {"jax": jax.__version__})


if __name__ == "__main__":
    main()

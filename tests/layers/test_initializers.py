"""Initial values of the parameters."""

import numpy as np
from flax import nnx

import zoo
from tests.helpers.typed import present
from zoo import initializers

D, H = 3, 4


def test_default_initialisation():
    cell = zoo.LSTMCell(D, H, rngs=nnx.Rngs(0))
    for U in np.split(np.asarray(cell.U[...]), 4, axis=1):
        np.testing.assert_allclose(U @ U.T, np.eye(H), atol=1e-6)
    assert present(cell.b)[...].tolist() == [0] * H + [1] * H + [0] * 2 * H
    identity = zoo.ElmanCell(D, H, U_init=initializers.identity(), rngs=nnx.Rngs(0))
    assert (np.asarray(identity.U[...]) == np.eye(H)).all()


def test_chrono_spreads_the_time_scales():
    cell = zoo.LSTMCell(D, 500, b_init=initializers.chrono(100), rngs=nnx.Rngs(0))
    i, f, g, o = np.split(np.asarray(present(cell.b)[...]), 4)
    assert (i == -f).all() and not g.any() and not o.any()
    assert 0 <= f.min() < 1 and np.log(90) < f.max() <= np.log(99)
    mgu = zoo.MGUCell(D, 500, b_init=initializers.chrono(100), rngs=nnx.Rngs(0))
    # The MGU's f is an update gate: it overwrites the state where it is open.
    assert (np.asarray(present(mgu.b)[...])[:500] <= 0).all()


def test_torch_uniform_has_the_spread_of_torch():
    options = initializers.torch_uniform(400)
    cell = zoo.GRUCell(D, 400, rngs=nnx.Rngs(0), **options)
    k = 1 / np.sqrt(400)
    assert np.abs(cell.U[...]).max() <= k
    assert abs(np.asarray(cell.U[...]).std() - k / np.sqrt(3)) < 0.01 * k
    r, z, n = np.split(np.asarray(present(cell.b)[...]), 3)
    assert np.abs(n).max() <= k and np.abs(present(cell.b_hn)[...]).max() <= k
    assert k < np.abs(np.concatenate([r, z])).max() <= 2 * k

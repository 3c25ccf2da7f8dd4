"""Every cell works in every model: the gradient of a loss has all parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.cells import test_contract
from zoo.models import Classifier, LanguageModel, Seq2Seq, Tagger

IDS = jnp.asarray(np.random.default_rng(0).integers(0, 7, (2, 4)), jnp.int32)
MASK = zoo.mask_from_lengths(np.array([4, 2]), 4)


def windows(model):
    """Return the logits of a language model for two windows with a carried state."""
    state, first = model(IDS)
    return jnp.stack([first, model(IDS, None, state)[1]])


# name: (class, sizes, options, function that returns the scores of a batch)
MODELS = {
    "classifier": (Classifier, (7, 3), {}, lambda model: model(IDS, MASK)),
    "tagger": (
        Tagger,
        (7, 3),
        {"num_layers": 2, "chars": "none"},
        lambda model: model(IDS, MASK, None, IDS),
    ),
    "language model": (LanguageModel, (7,), {}, windows),
    "seq2seq": (
        Seq2Seq,
        (7, 7),
        {"attention": "general", "input_feeding": True},
        lambda model: model(IDS, MASK, IDS),
    ),
}


CASES = {f"{cell} {model}": (cell, model) for cell in zoo.cells() for model in MODELS}
# Without --thorough, one cell of each kind, each in another of the models.
KINDS = [cell for cell in zoo.cells() if cell in test_contract.OF_EACH_KIND]
OF_EACH_KIND = {f"{cell} {[*MODELS][k % len(MODELS)]}" for k, cell in enumerate(KINDS)}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", CASES)
def test_every_cell_can_be_trained_in_every_model(case):
    cell, model = CASES[case]
    kind, sizes, options, scores = MODELS[model]
    small = {"embedding_dim": 4, "hidden_size": 4, "cell": cell, **options}
    # Tracing is enough: nothing is computed.
    model = nnx.eval_shape(lambda: kind(*sizes, **small, rngs=nnx.Rngs(0)))
    params, apply = zoo.functional(model)

    def loss(params):
        return (apply(params, method=scores) ** 2).mean()

    gradient = jax.eval_shape(jax.grad(loss), params)
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, params)

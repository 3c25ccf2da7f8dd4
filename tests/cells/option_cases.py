"""The cells with options that change what they compute, as cases of the contract."""

from typing import Any

# (name of the reference, options of the cell, names of those that the reference needs).
# A reference takes sizes from the shapes of the parameters and the state.
OPTIONS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("indrnn_tanh", {"nonlinearity": "tanh"}, ()),
    ("scrn", {"context_size": 2, "alpha": 0.5, "bias": True}, ("alpha",)),
    ("scrn", {"reads": "new"}, ("reads",)),
    ("lmu", {"order": 5, "theta": 10.0}, ()),
    ("esn", {"leak": 0.5, "spectral_radius": 0.5, "connectivity": 0.5}, ("leak",)),
    ("projected_lstm", {"proj_size": 3}, ()),
    ("janet", {"beta": 0.5}, ("beta",)),
    (
        "mogrifier_lstm",
        {"rounds": 2, "cap_input_gate": False, "round_bias": False},
        ("cap_input_gate",),
    ),
    ("highway_lstm", {"depth": 3}, ()),
    ("phased_lstm", {"leak": 0.1}, ("leak",)),
    ("phased_lstm", {"periods": "paper", "learn_r": True}, ()),
    ("on_lstm", {"chunk_size": 2}, ()),
    ("slstm", {"num_heads": 2}, ()),
    ("miru", {"beta": 0.2, "lam": 0.7}, ("beta", "lam")),
    ("antisymmetric_rnn", {"epsilon": 0.5, "gamma": 0.1}, ("epsilon", "gamma")),
    ("gated_antisymmetric_rnn", {"epsilon": 0.5, "gamma": 0.1}, ("epsilon", "gamma")),
    (
        "lipschitz_rnn",
        {"epsilon": 0.5, "beta": 0.9, "gamma": 0.1},
        ("epsilon", "beta", "gamma"),
    ),
    ("cornn", {"dt": 0.1, "gamma": 1.0, "epsilon": 2.0}, ("dt", "gamma", "epsilon")),
    ("unicornn", {"dt": 0.5, "alpha": 2.0}, ("dt", "alpha")),
    ("lem", {"dt": 0.5}, ("dt",)),
    ("rglru", {"scale_first": True}, ("scale_first",)),
    ("hgrn", {"lower_bound": 0.5}, ("lower_bound",)),
    ("hgrn", {"output_gate": "sigmoid"}, ("output_gate",)),
    ("s5", {"state_size": 6, "blocks": 2}, ()),
    ("s6", {"state_size": 3}, ()),
    ("sru", {"scale": 1.0}, ("scale",)),
    ("qrnn", {"window": 3}, ()),
    ("clockwork_rnn", {"periods": (1, 3)}, ("periods",)),
    ("rhn", {"depth": 2}, ()),
    ("urnn", {"epsilon": 0.0}, ("epsilon",)),
    ("linear_attention", {"num_heads": 2, "key_size": 3}, ()),
    ("retnet", {"num_heads": 2, "key_size": 3}, ()),
    ("gla", {"num_heads": 2, "key_size": 3}, ()),
    ("mlstm", {"num_heads": 2, "key_size": 3}, ()),
    ("deltanet", {"num_heads": 2, "key_size": 3}, ()),
    ("gated_deltanet", {"num_heads": 2, "key_size": 3}, ()),
]

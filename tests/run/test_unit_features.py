"""Features of a text, and the units that correlate with them."""

import numpy as np
import pytest

from zoo.tasks.run import unit_features

CHARACTERS = list('ab "cd (e" f)\nghi j\n\n"k l\n\nm')


def test_features_of_a_text() -> None:
    features = unit_features.text_features(CHARACTERS)
    assert features["position in the line"][:4].tolist() == [1, 2, 3, 4]
    assert features["position in the line"][13:16].tolist() == [0, 1, 2]
    assert features["position in the word"][:4].tolist() == [1, 2, 0, 1]
    quoted, depth = (
        "".join(c for c, v in zip(CHARACTERS, features[name], strict=True) if v)
        for name in ("inside quotation marks", "depth of brackets")
    )
    assert quoted == '"cd (e"k l\n'
    assert depth == '(e" f'


def test_best_units_have_the_largest_correlations() -> None:
    features = unit_features.text_features(CHARACTERS)
    y = np.random.default_rng(0).normal(size=(len(CHARACTERS), 6)).astype(np.float32)
    y[:, 2] -= 5 * features["inside quotation marks"]
    y[:, 4] = 1
    best = unit_features.best_units(y, features)
    assert (best[0].feature, best[0].unit) == ("inside quotation marks", 2)
    varying = [0, 1, 2, 3, 5]
    for feature, unit, correlation in best:
        r = [np.corrcoef(y[:, k], features[feature])[0, 1] for k in varying]
        assert unit == varying[int(np.abs(r).argmax())]
        assert correlation == pytest.approx(r[varying.index(unit)], abs=1e-5)
    magnitudes = [abs(unit.correlation) for unit in best]
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert unit_features.best_units(y, {"constant": np.ones(len(CHARACTERS))}) == []
    assert unit_features.most_variable_unit(y) == int(y.std(axis=0).argmax())

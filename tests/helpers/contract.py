"""The contract of every cell and every layer, as tests to inherit."""

from tests.helpers.numerical_contract import NumericalContract
from tests.helpers.sequence_contract import SequenceContract


class Contract(SequenceContract, NumericalContract):
    """All tests of the contract, for the layer that the fixture ``subject`` returns."""

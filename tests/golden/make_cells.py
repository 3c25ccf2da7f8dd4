"""Write the golden values of cells: ``python -m tests.golden.make_cells [NAME...]``.

With names, only those are computed again. A change of these values is a change of the
cell: look at the difference before you commit it.
"""

import sys

import numpy as np

import zoo
from tests.cells.test_contract import CASES, GOLDEN
from tests.helpers.subject import Subject

values = dict(np.load(GOLDEN)) if GOLDEN.exists() else {}
for name in sys.argv[1:] or zoo.cells():
    subject = Subject(CASES[name][0])
    values = {k: v for k, v in values.items() if not k.startswith(name + "/")}
    record = subject.record(subject.params)
    values |= {f"{name}/{key}": value for key, value in record.items()}
    print(name, len(record))
np.savez_compressed(GOLDEN, allow_pickle=False, **values)

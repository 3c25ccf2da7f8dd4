"""The pages in ``docs/generated`` are those of the committed tables and templates."""

import pytest

from benchmarks import adding_problem, deer, gradient_decay, results
from benchmarks.csv_table import Table
from benchmarks.speed import speed_page as speed
from benchmarks.speed.table import layers_table, programs_table
from benchmarks.startup import __main__ as startup


@pytest.mark.parametrize("module", [adding_problem, deer, results, startup])
def test_page_is_up_to_date(module):
    table = Table(module.TABLE, module.KEY, module.COLUMNS)
    assert module.PAGE.read_text() == module.page(table.rows)


def test_gradient_decay_page_is_up_to_date():
    module = gradient_decay
    table = Table(module.TABLE, module.KEY, module.COLUMNS)
    text = module.PAGE.read_text(encoding="utf-8")
    assert text == module.page(module.medians(table.rows))


def test_comparison_page_is_up_to_date():
    pytest.importorskip("sklearn")
    from benchmarks.compare import comparison_page as comparison

    table = Table(comparison.TABLE, comparison.KEY, comparison.COLUMNS)
    assert comparison.PAGE.read_text() == comparison.page(table.rows)


def test_speed_page_is_up_to_date():
    text = speed.page(layers_table().rows, programs_table().rows)
    assert speed.PAGE.read_text() == text


@pytest.mark.parametrize(
    "module", [adding_problem, deer, gradient_decay, results, startup]
)
def test_a_table_is_written_as_it_was_read(module, tmp_path):
    table = Table(module.TABLE, module.KEY, module.COLUMNS)
    table.path = tmp_path / "copy.csv"
    table.write()
    assert table.path.read_bytes() == module.TABLE.read_bytes()

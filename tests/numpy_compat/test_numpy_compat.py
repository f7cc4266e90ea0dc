"""A quick part of NumPy's own test suite, and that nothing of NumPy's is unknown."""

import warnings

import pytest

from numpy_compat import __main__ as runner
from numpy_compat import coverage


@pytest.mark.timeout(600)
def test_quick_modules_of_numpys_own_suite_pass(tmp_path, capsys):
    failed = runner.main(["--fast", "--records", str(tmp_path)])
    assert not failed, capsys.readouterr().out


def test_nothing_of_numpy_is_unknown():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are deprecated
        assert coverage.unknown(coverage.read_unseen()) == []


def test_the_page_of_the_documentation_is_the_one_that_is_made_now():
    page = coverage.PAGE.read_text(encoding="utf-8")
    if coverage.made_with() not in page:
        pytest.skip("made with another NumPy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert coverage.page(coverage.read_unseen()) == page

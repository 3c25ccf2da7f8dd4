"""What tests share: references, tolerances, a browser, small runs."""

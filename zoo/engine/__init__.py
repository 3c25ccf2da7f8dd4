"""How a call runs: schedule, time loop, parallel scans, kernels."""

"""Attempts to break the library: damaged inputs, kills, full disks, hostile clients.

``python -m tests.torture --minutes N`` runs them for N minutes each; the test suite
runs the first few of each.
"""

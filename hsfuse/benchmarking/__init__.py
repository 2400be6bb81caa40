"""Comparison of methods: on pairs simulated from cubes, and on a real pair."""

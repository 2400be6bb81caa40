"""Synthetic landscapes, sample pairs and the simulation of sensors."""

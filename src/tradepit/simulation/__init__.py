"""Simulated days: the native engine under virtual time, with makers, public, faults and a bot."""

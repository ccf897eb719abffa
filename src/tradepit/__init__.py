"""Tradepit: a complete electronic market."""

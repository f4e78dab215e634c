"""Matching: which recorded flow or event a live one stands for, by what rules, and whose it is."""

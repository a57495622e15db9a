"""What is kept: tables, the functions that read and change them, and the store that performs those.

It knows nothing live. `store.py` is what the switch holds; its docstring says how more is kept.
"""

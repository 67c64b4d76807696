"""How results are shown: tables, plans, progress, diagnostics."""

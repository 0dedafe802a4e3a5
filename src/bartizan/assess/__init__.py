"""Measure a model or a data set: is it brittle, does it leak, can it be copied, was its data poisoned.

`target` is what is measured, `data` what it is measured with, `measured` what comes out; `evasion`, `privacy`, `theft`
and `poison` measure, `certify` proves, `evidence` writes what a stranger can judge again. Nothing heavy is imported
before it is used: torch, scikit-learn and the rest are the extra `assess`.
"""

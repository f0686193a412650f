"""One module a claim; `python -m benchmarks.run` measures all and writes the results."""

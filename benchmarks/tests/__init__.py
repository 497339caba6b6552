"""Tests of what the benchmark does without a GPU. Run: python3 -m unittest discover -s benchmarks/tests -t benchmarks"""

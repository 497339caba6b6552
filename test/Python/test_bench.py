"""python -m dgemm bench: what it computes from times, and its picture. Times themselves want a GPU (scripts/gpu-python.py)."""

import subprocess
import sys

import pytest

from dgemm._bench import Result, draw


def test_result():
    result = Result(64, 4096, 7168, {"dgemm": 10.0, "torch": 15.0})
    assert result.flop == 2 * 64 * 4096 * 7168
    assert result.tflops("dgemm") == pytest.approx(375.8, rel=1e-3) and result.tflops("torch") == pytest.approx(250.5, rel=1e-3)
    assert "10.0 us" in result.describe() and "torch      15.0 us (1.50x)" in result.describe()


def test_roofline_is_that_of_memory_for_few_rows_and_of_the_tensor_cores_for_many():
    few, many = Result(1, 4096, 7168), Result(8192, 8192, 8192)
    assert few.roof("h200") == pytest.approx(few.flop / few.bytes * 4.8)
    assert many.roof("h200") == 1979 and many.roof("h20") == 296


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_picture(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    results = [Result(m, 4096, 7168, {"dgemm": 10.0 + m / 64, "torch": 15.0 + m / 64}) for m in (1, 64, 512)]
    del results[1].us["torch"]  # a peer that refuses a shape
    path = tmp_path / f"speed.{suffix}"
    draw(results, "h200", "N=4096 K=7168", str(path))
    assert path.stat().st_size > 5000
    draw([Result(1, 128, 128, {"dgemm": 3.0})], "a100", "one point, no roofline", str(path))


@pytest.mark.parametrize("arguments, message", [
    (["--m", "0"], "'0' is not a positive number"), (["--m", "many"], "'many' is not a positive number"), (["--repeat=-1", "--m=1"], "'-1' is not a positive"),
    ([], "required: --m")])
def test_wrong_arguments(arguments, message):
    run = subprocess.run([sys.executable, "-m", "dgemm", "bench", "--n=128", "--k=128", *arguments], capture_output=True, text=True)
    assert run.returncode == 2 and message in run.stderr

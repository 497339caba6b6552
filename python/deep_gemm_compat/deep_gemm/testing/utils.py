"""Decorators of tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any


def get_arch_major() -> int:
    """9 on Hopper."""
    import torch

    return torch.cuda.get_device_capability()[0]


def test_filter(condition: Callable[[], bool]) -> Callable[[Callable], Callable]:
    """The function runs where `condition` holds, and says elsewhere that it does not."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **keywords: Any) -> None:
            if condition():
                function(*arguments, **keywords)
            else:
                print(f"{function.__name__}:\n > Filtered by {condition}\n")

        return wrapper

    return decorate


test_filter.__test__ = False  # for pytest it looks like a test


def ignore_env(name: str, condition: Callable[[], bool]) -> Callable[[Callable], Callable]:
    """The function runs without the environment variable `name` where `condition` holds."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **keywords: Any) -> None:
            saved = os.environ.pop(name, None) if condition() else None
            try:
                function(*arguments, **keywords)
            finally:
                if saved is not None:
                    os.environ[name] = saved

        return wrapper

    return decorate


__all__ = ["get_arch_major", "ignore_env", "test_filter"]

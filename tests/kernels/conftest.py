"""The API process and the kernels that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .api import ApiProcess
from .kernel import Kernel


@pytest.fixture(scope="session")
def api_process() -> Iterator[ApiProcess]:
    """A process that serves any number of simulated accounts."""
    process = ApiProcess()
    yield process
    process.close()


@pytest.fixture(scope="session")
def _shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.kill()


@pytest.fixture
def kernel(_shared_kernel: Kernel) -> Kernel:
    """An ordinary kernel, shared by all tests; one that a test ended, or left busy, does not spoil the next."""
    if not _shared_kernel.is_alive or _shared_kernel.is_busy:
        _shared_kernel.restart()
    return _shared_kernel


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Start a kernel of one's own; it ends with the test."""
    kernels: list[Kernel] = []

    def start(**options: Any) -> Kernel:
        kernels.append(Kernel(tmp_path, **options))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.kill()

"""What the figures were measured on."""

import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

BUSY = 0.25  # load per core above which figures are not to be trusted


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and how busy it was before the run.

    Attributes:
        peak: multiply-accumulates a second of a large float32 matrix product on all threads, 1e9.
    """

    processor: str
    cores: int
    threads: int
    torch: str
    instructions: str
    bf16: bool
    load: float
    peak: float

    def lines(self) -> list[str]:
        """The table's header."""
        bf16 = "multiplies bf16" if self.bf16 else "no bf16 units: everything is float32"
        lines = [
            f"{self.processor}, {self.cores} cores, {self.instructions}, {bf16}",
            f"torch {self.torch}, {self.threads} threads; a large matrix product reaches {2 * self.peak:,.0f} GFLOP/s; "
            f"load {self.load:.2f}",
        ]
        if self.load > BUSY * self.cores:
            lines.append(
                f"WARNING: the machine is busy (load {self.load:.2f}): ratios suffer, single figures more. "
                "Run again when it is quiet."
            )
        return lines

    def to_json(self) -> dict[str, object]:
        """All fields."""
        return asdict(self)


def look() -> Machine:
    """Asks the machine; takes a second."""
    import torch

    from darktimbre.models.convolution import computes_bf16

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        processor=_processor(),
        cores=cores,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        instructions=torch.backends.cpu.get_cpu_capability(),
        bf16=computes_bf16(torch.device("cpu")),
        load=load,
        peak=_peak(),
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _peak(size: int = 1536) -> float:
    import torch

    matrix, best = torch.randn(size, size), float("inf")
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - began)
    return size**3 / best / 1e9

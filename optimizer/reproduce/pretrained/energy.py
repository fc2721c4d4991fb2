"""Energy of training by part as it is recorded: GPU, CPU and memory. The overhead of a data centre is in none."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from objectives.energy.spent import CPU, GPU, RAM, Spent


class Part(BaseModel):
    """Joules, and how they were obtained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    joules: float
    source: str


class Energy(BaseModel):
    """The joules of the parts of a machine; `gpu` is None where the CPU trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: Part | None
    cpu: Part
    ram: Part

    @classmethod
    def of(cls, spent: Spent) -> Energy:
        """Return the energy of what was spent."""
        parts = {name: Part(joules=each.joules, source=each.source) for name, each in spent.parts.items()}
        return cls(gpu=parts.get(GPU), cpu=parts[CPU], ram=parts[RAM])

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(part.joules for part in (self.gpu, self.cpu, self.ram) if part is not None)

    @property
    def source(self) -> str:
        """How it was obtained, in words: each part where they differ."""
        parts = {"GPU": self.gpu, "CPU": self.cpu, "memory": self.ram}
        of_parts = {name: part.source for name, part in parts.items() if part is not None}
        if len({*of_parts.values()}) == 1:
            return self.cpu.source
        return ", ".join(f"{name} {source}" for name, source in of_parts.items())

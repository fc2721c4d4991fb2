"""A member of a front in Python: its figures, its model, its export."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from torch import nn

from optimizer.door.answering import answering
from optimizer.door.home import Kept
from optimizer.door.seeing import seeing
from optimizer.errors import UnknownNameError
from optimizer.families.encoders.texts import TextRequests
from optimizer.views.member import Member

FORMATS = ("safetensors", "onnx")


class FrontMember:
    """A candidate on a front: all fields of `Member`, its `model`, and `export`.

    `reason` says why it was recommended, if it was.
    """

    def __init__(self, member: Member, kept: Kept, reason: str | None = None) -> None:
        self.member, self.reason = member, reason
        self._kept = kept

    def __getattr__(self, name: str) -> Any:  # Any: a field of the member
        if name == "member" or name in vars(type(self)):  # while it is copied, or a property that failed: as it failed
            return object.__getattribute__(self, name)
        return getattr(self.member, name)

    def __repr__(self) -> str:
        drop = self.member.verification.drop if self.member.verification else self.member.drop
        return (
            f"<candidate {self.member.candidate}: {self.member.verdict.value}, drop {drop:.4f}, "
            f"FLOPs ×{self.member.flops_ratio:.3f}>"
        )

    @cached_property
    def model(self) -> nn.Module:
        """The pruned model in evaluation mode, with weights of its own.

        A text model takes texts: `model(texts)` returns logits, `model.predict(texts)` labels, tags of words, scores,
        embeddings, or the answers to pairs of question and context. An image network takes pictures, where it is known
        how they are prepared: `model(pictures)` returns logits, `model.predict(pictures)` classes. Prepared pixels are
        passed to the network as they are, and a network given in Python is called as the dense one is.
        """
        small = copy.deepcopy(self._kept.rebuild(self.member.candidate)).eval()
        family = self._kept.workload.family
        if not isinstance(family.requests, TextRequests):
            return seeing(family.bare(small), family.requests)
        return answering(small, family.requests.tokenizer, max_length=self._kept.max_length)

    def export(
        self, directory: Path | str, *, format: Literal["safetensors", "onnx"] = "safetensors"
    ) -> tuple[Path, ...]:
        """Write weights, tokenizer, manifest and model card to a new or empty directory; return the files.

        `load_pruned` loads them. Raises `InputError` for a directory that is not empty.
        """
        if format not in FORMATS:
            raise UnknownNameError("format", format, FORMATS)
        return self._kept.export(self.member.candidate, Path(directory), as_onnx=format == "onnx")

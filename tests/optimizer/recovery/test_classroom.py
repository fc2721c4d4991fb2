from __future__ import annotations

import copy

import torch
from tiny_encoders import tiny

from optimizer.recovery.classroom import share_tables


def test_students_have_the_dense_models_embeddings_and_nothing_else_of_it() -> None:
    dense = tiny("bert")
    student = copy.deepcopy(dense)
    student.bert.embeddings.position_embeddings.weight.data[0] += 1
    share_tables(student, dense)
    same = {n for n, p in student.named_parameters() if p.data_ptr() == dict(dense.named_parameters())[n].data_ptr()}
    assert same == {f"bert.embeddings.{kind}_embeddings.weight" for kind in ("word", "token_type")}
    student.requires_grad_(False)
    assert all(parameter.requires_grad for parameter in dense.parameters())
    with torch.no_grad():
        student.classifier.weight.zero_()
    assert dense.classifier.weight.any()

"""torchvision's C++ operators, declared without a kernel where the installed build cannot load them.

torchvision describes its detection operators to torch while it is imported, which fails when its compiled library does
not fit the installed torch. The classifiers used in tests never call one of them.
"""

from __future__ import annotations

import torch

_ROI = "Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_ROI_BACK = "float spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels"
_OFFSETS = "Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias"
_STEPS = ", ".join(f"SymInt {name}_{axis}" for name in ("stride", "pad", "dilation") for axis in ("h", "w"))
_DEFORM = f"{_STEPS}, SymInt groups, SymInt offset_groups, bool use_mask"

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    f"roi_align({_ROI}, int sampling_ratio, bool aligned) -> Tensor",
    f"_roi_align_backward(Tensor grad, Tensor rois, {_ROI_BACK}, SymInt height, SymInt width, int sampling_ratio, "
    "bool aligned) -> Tensor",
    f"roi_pool({_ROI}) -> (Tensor, Tensor)",
    f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, {_ROI_BACK}, SymInt height, SymInt width) -> Tensor",
    f"ps_roi_align({_ROI}, int sampling_ratio) -> (Tensor, Tensor)",
    f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor mapping, {_ROI_BACK}, SymInt height, SymInt width, "
    "int sampling_ratio) -> Tensor",
    f"ps_roi_pool({_ROI}) -> (Tensor, Tensor)",
    f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor mapping, {_ROI_BACK}, SymInt height, SymInt width) "
    "-> Tensor",
    f"deform_conv2d({_OFFSETS}, {_DEFORM}) -> Tensor",
    f"_deform_conv2d_backward(Tensor grad, {_OFFSETS}, {_DEFORM}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)


def declare_missing_operators() -> torch.library.Library:
    """Declare every operator that torch does not know; they live as long as the returned library."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.split("(")[0]):
            library.define(schema)
    return library


LIBRARY = declare_missing_operators()

"""Modules that cannot be lowered as they are, told before torch is asked to export them."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from edgesim.errors import LoweringError

_QUANTISED = (
    "torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torchao.", "bitsandbytes",
    "auto_gptq", "gptqmodel", "awq", "optimum.", "hqq",
)  # fmt: skip
"""Packages of modules whose weights are stored quantised."""
_KERNELS = ("flash_attention", "flex_attention", "paged", "kernels-")
"""Attention implementations that call operators of their own."""
_FLOAT_MODEL = (
    "lower the float model that it was made from and name a format (weight_format='int<8>')"
)


def checked_module(model: nn.Module) -> nn.Module:
    """The module; LoweringError with what to do for a kind that cannot be lowered."""
    name = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise LoweringError(
            f"{name}: a TorchScript module holds no Python forward to export; lower the module "
            "that it was traced or scripted from"
        )
    if isinstance(model, fx.GraphModule) and _is_exported(model):
        raise LoweringError(
            f"{name}: ExportedProgram.module() cannot be exported again; give the ExportedProgram "
            "itself, es.lower(program), or its file of torch.export.save"
        )
    for path, module in model.named_modules():
        _check_quantised(name, path or "the model itself", module)
        config = getattr(module, "config", None)
        if config is not None:
            _check_switches(name, path or "the model itself", config)
    return model


def _is_exported(model: fx.GraphModule) -> bool:
    try:
        model.eval()
    except NotImplementedError:
        return True
    return False


def _check_quantised(name: str, path: str, module: nn.Module) -> None:
    """Refuse stored codes that the forward decodes in an operator of its own."""
    package, kind = type(module).__module__, type(module).__name__
    if package.startswith(_QUANTISED):
        raise LoweringError(f"{name}: {path} is a quantised {kind} of {package}; {_FLOAT_MODEL}")
    if "fake_quantize" in package or hasattr(module, "fake_quant_enabled"):
        raise LoweringError(
            f"{name}: {path} is a {kind}, the fake quantisation of training; switch it off, "
            "model.apply(torch.ao.quantization.disable_fake_quant), take it out, and name the "
            "formats instead (weight_format, activation_format)"
        )
    for own, parameter in module.named_parameters(recurse=False):
        kind = type(parameter).__name__
        if type(parameter) not in (nn.Parameter, torch.Tensor):
            raise LoweringError(
                f"{name}: {path}.{own} is a {kind}, no plain tensor; {_FLOAT_MODEL}"
            )


def _check_switches(name: str, path: str, config: Any) -> None:
    """Refuse switches of a configuration under which the forward cannot be exported."""
    chunk = getattr(config, "chunk_size_feed_forward", 0)
    if isinstance(chunk, int) and chunk > 0:
        raise LoweringError(
            f"{name}: {path} has config.chunk_size_feed_forward = {chunk}, which cuts sentences "
            "into chunks; the values are the same without it: set it to 0"
        )
    attention = getattr(config, "_attn_implementation", None)
    if isinstance(attention, str) and attention.startswith(_KERNELS):
        raise LoweringError(
            f"{name}: {path} has attn_implementation {attention!r}, whose operator is not in the "
            "op table; the values are the same with model.set_attn_implementation('sdpa')"
        )
    for switch in ("is_decoder", "is_encoder_decoder"):
        if getattr(config, switch, False) is True:
            raise LoweringError(
                f"{name}: {path} has config.{switch} = True; decoders are not lowered, an encoder "
                "is built with it set to False"
            )

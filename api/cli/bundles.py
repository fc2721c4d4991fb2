"""Bundles: options that several commands take, declared once and passed to a command as one value."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, cast

Command = Callable[..., Any]


def taking(**bundles: Callable[..., object]) -> Callable[[Command], Command]:
    """Have a command take a bundle's options in place of the parameter of the bundle's name.

    A bundle is a function from options to the value that the command gets.
    """
    options = {name: signature(bundle, eval_str=True).parameters for name, bundle in bundles.items()}

    def spread(command: Command) -> Command:
        own = signature(command, eval_str=True)
        spread_out = [options.get(name, {name: parameter}) for name, parameter in own.parameters.items()]
        parameters = [one.replace(kind=Parameter.KEYWORD_ONLY) for each in spread_out for one in each.values()]

        @wraps(command)
        def taken(**given: Any) -> Any:  # Any: one type per option, and what the command gives
            made = {name: bundles[name](**{option: given.pop(option) for option in options[name]}) for name in bundles}
            return command(**given, **made)

        shown = cast("Any", taken)  # what typer reads
        shown.__signature__ = own.replace(parameters=parameters)
        shown.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return taken

    return spread

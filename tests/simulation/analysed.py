"""What FastAPI finds out about an endpoint, found out once: each process that is born makes the same routes anew.

An endpoint is a closure over its process's parts, and what it takes is the same in all of them: that much depends on its
code alone. A dependency is such a closure too, so nothing that names one is kept. What it would run in threads it runs
in the loop, whose threads are a delay and a call.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, get_args

from fastapi import params, routing
from fastapi.dependencies import utils

_PLAIN = (type(None), bool, int, str)
_signatures: dict[tuple[Any, ...], inspect.Signature] = {}
_typed: dict[tuple[Any, ...], inspect.Signature] = {}
_found: dict[tuple[Any, ...], tuple[Any, utils.ParamDetails]] = {}


@contextmanager
def analyses_kept() -> Iterator[None]:
    """FastAPI analyses each piece of code once while this lasts; outside it is as it was."""
    replaced = {
        (utils, "_get_signature"): _remembered(utils._get_signature, _signatures),
        (utils, "get_typed_signature"): _remembered(utils.get_typed_signature, _typed),
        (utils, "analyze_param"): _analyse_once,
        # Where an endpoint is written down, for the texts of errors: its file is read for that in every process anew.
        (routing, "_extract_endpoint_context"): lambda _endpoint: routing.EndpointContext(),
        # Endpoints that are no coroutines go to threads of their own, which a virtual clock does not wait for.
        (routing, "run_in_threadpool"): _in_the_loop,
        (utils, "run_in_threadpool"): _in_the_loop,
    }
    before = {place: getattr(*place) for place in replaced}
    for (module, name), stand_in in replaced.items():
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for (module, name), own in before.items():
            setattr(module, name, own)


async def _in_the_loop(work: Callable[..., Any], *words: Any, **options: Any) -> Any:
    run = partial(contextvars.copy_context().run, work, *words, **options)
    return await asyncio.get_running_loop().run_in_executor(None, run)


def _remembered(
    ask: Callable[..., inspect.Signature], known: dict[tuple[Any, ...], inspect.Signature]
) -> Callable[..., inspect.Signature]:
    def asked(call: Callable[..., Any]) -> inspect.Signature:
        function = call if inspect.isroutine(call) else type(call).__call__
        code = getattr(function, "__code__", None)
        if code is None or hasattr(call, "__wrapped__"):
            return ask(call)
        name = (code, inspect.ismethod(function) or function is not call)
        if name not in known:
            found = ask(call)
            if not all(_is_of_the_code(parameter) for parameter in found.parameters.values()):
                return found
            known[name] = found
        return known[name]

    return asked


def _is_of_the_code(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is the same in every closure over the code."""
    default_is_plain = parameter.default is inspect.Parameter.empty or isinstance(parameter.default, _PLAIN)
    return default_is_plain and not any(
        isinstance(arg, params.Depends) for arg in get_args(parameter.annotation)
    )


_analyse = utils.analyze_param


def _analyse_once(
    *, param_name: str, annotation: Any, value: Any, path_param_names: set[str]
) -> utils.ParamDetails:
    if value is not inspect.Parameter.empty and not isinstance(value, _PLAIN):
        return _analyse(
            param_name=param_name, annotation=annotation, value=value, path_param_names=path_param_names
        )
    name = (param_name, id(annotation), value, type(value), param_name in path_param_names)
    if name not in _found:
        found = _analyse(
            param_name=param_name, annotation=annotation, value=value, path_param_names=path_param_names
        )
        if found.depends is not None:
            return found
        _found[name] = annotation, found  # the annotation is kept so that its id stays its own
    return _found[name][1]

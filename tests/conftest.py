"""Both twins, as a fixture: a missing extension fails, it never skips."""

import os
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, settings

settings.register_profile("deltawire", deadline=None)
# For mutants: the same few examples each time, and of a failure nothing but that it is one.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, max_examples=30, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("deltawire")

PURE_ONLY = os.environ.get("DELTAWIRE_PURE", "") not in ("", "0")
TWINS = ["pure"] if PURE_ONLY else ["pure", "compiled"]


def twin(name: str) -> SimpleNamespace:
    """Return the public names of one twin."""
    events = import_module(f"deltawire._{name}.events")
    decoder = import_module(f"deltawire._{name}.decoder")
    chat = import_module(f"deltawire._{name}.chat")
    models = import_module(f"deltawire._{name}.models")
    accumulator = import_module(f"deltawire._{name}.accumulator")
    return SimpleNamespace(
        name=name,
        EventParser=events.EventParser,
        StreamDecoder=decoder.StreamDecoder,
        ChunkDecoder=chat.ChunkDecoder,
        TextDecoder=chat.TextDecoder,
        ModelDecoder=models.ModelDecoder,
        CompletionAccumulator=accumulator.CompletionAccumulator,
        Tap=import_module(f"deltawire._{name}.tap").Tap,
        Rewriter=import_module(f"deltawire._{name}.rewriter").Rewriter,
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compiled-only", action="store_true", help="leave out what runs on the pure twin alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--compiled-only"):
        return
    config.hook.pytest_deselected(items=[item for item in items if on_pure(item)])
    items[:] = [item for item in items if not on_pure(item)]


def on_pure(item: Any) -> bool:
    """Tell whether a test runs on the pure twin alone."""
    return hasattr(item, "callspec") and item.callspec.params.get("backend") == "pure"


@pytest.fixture(params=TWINS)
def backend(request: pytest.FixtureRequest) -> SimpleNamespace:
    if request.param == "compiled":
        forget_shapes()
    return twin(request.param)


def forget_shapes() -> None:
    """Forget what taps and rewriters have learned: after many other streams they hardly learn any more."""
    import_module("deltawire._compiled.stencil").forget()

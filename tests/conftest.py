"""Both twins, as a fixture: a missing extension fails, it never skips."""

import os
from importlib import import_module
from types import SimpleNamespace

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

# The public classes of a twin that read a stream; `StreamDecoder` alone must be told a type.
READERS = [
    *("EventParser", "StreamDecoder", "ChunkDecoder", "TextDecoder", "CompletionAccumulator", "Tap", "Rewriter"),
]


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


@pytest.fixture(params=TWINS)
def backend(request: pytest.FixtureRequest) -> SimpleNamespace:
    return twin(request.param)

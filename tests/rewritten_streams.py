"""Streams for rewriters: payloads with what becomes of them, blocks of every shape, and payloads made at random."""

from typing import NamedTuple

from hypothesis import strategies as st

MODEL = "new-model"


class Payload(NamedTuple):
    """A payload with what it is when `model` is MODEL and usage is dropped; None where its event goes, too."""

    name: str
    before: str
    after: str | None


def same(name: str, payload: str) -> Payload:
    return Payload(name, payload, payload)


MODELS = [
    Payload("model first", '{"model":"a","choices":[1]}', '{"model":"new-model","choices":[1]}'),
    Payload("model last", '{"choices":[1],"model":"a"}', '{"choices":[1],"model":"new-model"}'),
    Payload("model alone", '{"model":"a"}', '{"model":"new-model"}'),
    Payload("model as it is already", '{"model":"new-model"}', '{"model":"new-model"}'),
    Payload("white space", ' {\t"model" : "a" , "b" : [ 1 ] } ', ' {\t"model" : "new-model" , "b" : [ 1 ] } '),
    Payload("each duplicate", '{"model":"a","b":1,"model":"c"}', '{"model":"new-model","b":1,"model":"new-model"}'),
    Payload("an escaped key", r'{"mod\u0065l":"a"}', r'{"mod\u0065l":"new-model"}'),
    Payload(
        "a key all escaped",
        r'{"\u006d\u006F\u0064\u0065\u006c":"a"}',
        r'{"\u006d\u006F\u0064\u0065\u006c":"new-model"}',
    ),
    Payload("quotes in the value", r'{"model":"a\"}\\","b":1}', '{"model":"new-model","b":1}'),
    Payload("a surrogate in the value", r'{"model":"\ud83d","b":"\udc00"}', r'{"model":"new-model","b":"\udc00"}'),
    Payload("NaN beside it", '{"a":NaN,"model":"a","b":-Infinity}', '{"a":NaN,"model":"new-model","b":-Infinity}'),
    Payload("in a chunk of Responses", '{"type":"x","model":"a"}', '{"type":"x","model":"new-model"}'),
    Payload("beside an error", '{"error":{"model":"a"},"model":"a"}', '{"error":{"model":"a"},"model":"new-model"}'),
    same("an empty model", '{"model":"","choices":[1]}'),
    same("model null", '{"model":null}'),
    same("a number as model", '{"model":1}'),
    same("an object as model", '{"model":{"model":"a"}}'),
    same("nested models", '{"response":{"model":"a"},"message":{"model":"b"},"choices":[{"model":"c","usage":1}]}'),
    same("model as a value", '{"a":"model","b":"model\\":\\"a","c":["model","a"]}'),
    same("keys that look alike", '{"Model":"a","models":"b","mode":"c","":"d","\\"model":"e","model ":"f"}'),
    same("a list", '[{"model":"a","choices":[1],"usage":1}]'),
    same("a string", '"{\\"model\\":\\"a\\"}"'),
    same("[DONE]", "[DONE]"),
    same("null", "null"),
    same("nothing", ""),
]


# Numbered: where a name is collected again, as mutmut does it, pytest 9 escapes its backslashes again.
BROKEN = [
    same(f"not JSON, {number}", payload)
    for number, payload in enumerate(
        (
            '{"model":"a"',
            '{"model":"a"}}',
            '{"model":"a"} x',
            '{"model":"a"}{"model":"b"}',
            '{"model":"a",}',
            '{"model":"a",,"b":1}',
            '{"model":"a" "b":1}',
            '{"model":"a","b":01}',
            '{"model":"a","b":.5}',
            '{"model":"a","b":+1}',
            '{"model":"a","b":nan}',
            '{"model":"a","b":nul}',
            r'{"model":"a","b":"\x"}',
            r'{"model":"a","b":"\u12g4"}',
            '{"model":"a","b":"\x01"}',
            '{"model":"a","b":"\t"}',
            '{"model":"a","b":"c}',
            '{"model":"a\\"}',
            '{"model":"a","b":[1}',
            '{"model":"a","b":{]}',
            "{'model':'a'}",
            '{model:"a"}',
            '{"model"="a"}',
            '{"model":"a",1:2}',
            '{"choices":[],"usage":{}',
            '{"choices":[1],"usage":null,"b"}',
            'x{"model":"a"}',
            '\ufeff{"model":"a"}',
            '\xa0{"model":"a"}',
            '{"model":"a"}\x0c',
        )
    )
]

USAGES = [
    Payload("a chunk for usage", '{"id":"c","choices":[],"usage":{"total_tokens":3}}', None),
    Payload("the same of legacy completions", '{"object":"text_completion","choices":[],"usage":{"a":1}}', None),
    Payload("usage before the empty choices", '{"usage":{"a":{"b":[]}}, "model":"a", "choices" : [ ] }', None),
    Payload("an escaped key of it", r'{"choices":[],"us\u0061ge":{"a":1}}', None),
    Payload("an error null", '{"choices":[],"usage":{"a":1},"error":null}', None),
    # Left open: a chunk that says so is one of chat without choices, too.
    Payload("choices null", '{"object":"chat.completion.chunk","choices":null,"usage":{"a":1}}', None),
    # Left open: of duplicates the last one counts, as for every JSON reader around.
    Payload("duplicates, the last one null", '{"choices":[],"usage":{"a":1},"usage":null}', '{"choices":[]}'),
    Payload("duplicates, the first one null", '{"choices":[],"usage":null,"usage":{"a":1}}', None),
    Payload("choices twice", '{"choices":[],"choices":[1],"usage":{"a":1}}', '{"choices":[],"choices":[1]}'),
    Payload("usage null", '{"choices":[1],"usage":null}', '{"choices":[1]}'),
    Payload("usage null, no choice", '{"choices":[],"usage":null,"id":""}', '{"choices":[],"id":""}'),
    Payload("usage first", '{"usage":{"a":1},"choices":[1]}', '{"choices":[1]}'),
    Payload("usage in the middle", '{"id":"c","usage":{"a":1},"choices":[1]}', '{"id":"c","choices":[1]}'),
    Payload("usage everywhere", '{"usage":1,"usage":2,"choices":[1],"usage":3,"usage":4}', '{"choices":[1]}'),
    Payload(
        "usage and model",
        '{"choices":[1],"model":"a","usage":{"model":"a"}}',
        '{"choices":[1],"model":"new-model"}',
    ),
    Payload("white space, last", '{ "choices" : [1] , "usage" : null }', '{ "choices" : [1] }'),
    # Left open: which white space goes with it. It is what stands between the member and its comma's far side.
    Payload("white space, first", '{ "usage" : null , "choices" : [1] }', '{ "choices" : [1] }'),
    Payload("white space, middle", '{"id":1 , "usage" : null , "choices":[1]}', '{"id":1 , "choices":[1]}'),
    Payload("brackets in its strings", r'{"choices":[1],"usage":{"a":"\"}],"},"b":1}', '{"choices":[1],"b":1}'),
    Payload("beside a choice's", '{"choices":[{"usage":{}}],"usage":{}}', '{"choices":[{"usage":{}}]}'),
    Payload(
        "beside x_groq's", '{"choices":[1],"usage":1,"x_groq":{"usage":1}}', '{"choices":[1],"x_groq":{"usage":1}}'
    ),
    # Left open: the chunk of an error stays, the error in it untouched; usage is cut as anywhere.
    Payload("an error", '{"error":{"usage":1},"choices":[],"usage":{"a":1}}', '{"error":{"usage":1},"choices":[]}'),
    same("an error alone", '{"error":{"message":"m"},"usage":{"a":1}}'),
    same("of Anthropic", '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}'),
    same("of Anthropic, first", '{"type":"message_start","message":{"usage":{"input_tokens":3},"model":"a"}}'),
    same("of Responses", '{"type":"response.completed","response":{"usage":{"input_tokens":3},"model":"a"}}'),
    same("of Responses, top level", '{"type":"response.completed","usage":{"input_tokens":3}}'),
    same("usage as a value", '{"choices":["usage"],"a":"usage\\":1"}'),
    same("keys that look alike for usage", '{"choices":[1],"Usage":1,"usages":2,"usage ":3,"\\"usage":4}'),
]


# As deep as nobody sends it, with brackets in strings, and keys that are none of the payload's.
DEEP = {depth: '[{"model":"]","usage":' * depth + '"}\\""' + "}]" * depth for depth in (1, 2, 3, 4, 5, 6, 20, 150)}
NESTED = [
    Payload(f"{depth} deep", before.replace("DEEP", deep), after.replace("DEEP", deep))
    for depth, deep in DEEP.items()
    for before, after in (
        (
            '{"a":DEEP,"model":"a" , "choices":DEEP, "usage":DEEP , "b":DEEP}',
            '{"a":DEEP,"model":"new-model" , "choices":DEEP , "b":DEEP}',
        ),
        ('{"usage" :DEEP , "choices":[DEEP,1,DEEP],"model":"a"}', '{"choices":[DEEP,1,DEEP],"model":"new-model"}'),
        ('{"choices":DEEP,"model":"a","usage":DEEP}', '{"choices":DEEP,"model":"new-model"}'),
        ('{"model":"a","a":[DEEP}', '{"model":"a","a":[DEEP}'),
    )
]

PAYLOADS = [*MODELS, *BROKEN, *USAGES, *NESTED]

CHUNK = b'data: {"model":"a","choices":[1],"usage":null}\n\n'
ONLY_USAGE = b'data: {"choices":[],"usage":{"a":1}}\n\n'
PLAIN = CHUNK + CHUNK.replace(b"1", b"2") + ONLY_USAGE + b"data: [DONE]\n\n"
RICH = (
    b": c\n\n\n: d\nid: 1\nevent: q\n"
    + CHUNK
    + b"id: 2\n: gone\n"
    + ONLY_USAGE
    + b"retry: 5\n\nevent: x\n\ndata\n\n"
    + CHUNK
)
SPLIT = (
    b': c\ndata: {"choices":[1],\n: d\ndata\ndata:"usage":1,\nid: 1\ndata: "model"\ndata:  : "a"}\nevent: q\n\n'
    b'data: {"usage":{\ndata: "a":1},"choices":[\ndata: ]}\n\ndata: {"model":"a\ndata: b"}\n\n'
    b'data\ndata: {"model":"a"}\ndata\n\n'
)

WIRE = {
    "nothing": b"",
    "a mark": b"\xef\xbb\xbf",
    "half a mark": b"\xef\xbb",
    "plain": PLAIN,
    "rich": RICH,
    "several data lines": SPLIT,
    "CRLF": RICH.replace(b"\n", b"\r\n"),
    "CR": RICH.replace(b"\n", b"\r"),
    "several data lines, CRLF": SPLIT.replace(b"\n", b"\r\n"),
    "mixed line ends": RICH.replace(b"\n\n", b"\r\n\r").replace(b"id: 2\n", b"id: 2\r"),
    "CR and LF meet": b"\r\n\r\r\n\n\r" + RICH.replace(b"\n\n", b"\n\r\n\r"),
    "a mark before it": b"\xef\xbb\xbf" + PLAIN,
    "a mark before a blank line": b"\xef\xbb\xbf\n" + PLAIN,
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf" + PLAIN,
    "a mark before usage": b"\xef\xbb\xbf" + ONLY_USAGE + PLAIN,
    "no space behind the colon": RICH.replace(b"data: ", b"data:"),
    "two spaces behind the colon": RICH.replace(b"data: ", b"data:  "),
    "fields that are not data": PLAIN.replace(b"data:", b"Data:") + PLAIN.replace(b"data:", b"data :") + b"\0" + PLAIN,
    "no end": PLAIN + CHUNK[:-1],
    "no end of the last line": PLAIN + CHUNK[:-2],
    "half an event": PLAIN + CHUNK[:20],
    "bad UTF-8": PLAIN.replace(b"[1]", b'["\xff\xc3"]').replace(b'"a"', b'"\xed\xa0\x80"')
    + b'data: \xff{"model":"a"}\n\n',
    "an error line": PLAIN.replace(CHUNK, b'error: {"code":500}\n' + CHUNK),
    # Left open: what follows [DONE] is rewritten, too, lest a name leaks.
    "behind [DONE]": PLAIN + PLAIN,
}

# Payloads that are JSON in every shape that a rewriter must tell apart.
SPACES = st.sampled_from(["", "", "", " ", "\t", "  "])
KEYS = st.sampled_from(["model", "usage", "choices", "id", r"mod\u0065l", r"us\u0061ge", r"\"model", "", "object"])
PLAIN_VALUES = ['"a"', '""', "null", "1", "[]", "{}", "[1]", '{"usage":1}', r'"\"}"', r'"\ud800"', '"é"', "NaN"]
VALUES = st.sampled_from([*PLAIN_VALUES, '[{"model":"a"}]', DEEP[2], DEEP[6]])


@st.composite
def payloads(draw: st.DrawFn) -> str:
    """Return an object of known and unknown members, in any order, with any white space."""
    pairs = draw(st.lists(st.tuples(KEYS, VALUES), max_size=6))
    pieces = [f'{draw(SPACES)}"{key}"{draw(SPACES)}:{draw(SPACES)}{value}{draw(SPACES)}' for key, value in pairs]
    return draw(SPACES) + "{" + (",".join(pieces) or draw(SPACES)) + "}" + draw(SPACES)


SHARDS = st.sampled_from(
    [
        *'{}[],:"\\ 1-.eE\t\x00\x7f\xe9',
        "\\u0065",
        '"model":"a"',
        '"usage":{}',
        '"choices":[]',
        "null",
        "NaN",
        "//",
        "\\",
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return such a payload after somebody has been at it."""
    text = draw(payloads())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 3)))
        text = text[:start] + draw(SHARDS | st.just("")) + text[end:]
    return text


FRAMES = st.sampled_from(["data: {}\n\n", "data:{}\r\n\r\n", ": c\nid: 1\ndata: {}\n\n", "data: {}\r\r", "data: {}\n"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return a stream of good and bad payloads in frames of every kind."""
    pieces = draw(st.lists(st.tuples(FRAMES, payloads() | mutated()), min_size=1, max_size=5))
    return "".join(frame.replace("{}", payload, 1) for frame, payload in pieces).encode()


SHAPES = [
    '{"id":"ID","object":"chat.completion.chunk","created":1,"model":"MODEL","choices":[{"index":0,"delta":{"content":"SAID"}}]}',
    '{"id":"ID","choices":[{"index":0,"delta":{"content":"SAID"},"finish_reason":null}],"usage":null,"model":"MODEL"}',
    '{"model": "MODEL", "usage": {"a": 3, "id": "ID"}, "choices": [{"text": "SAID"}], "object": "text_completion"}',
    '{"type":"response.output_text.delta","delta":"SAID","model":"MODEL","usage":{"id":"ID"}}',
]
SAID = st.sampled_from(
    [
        "a",
        "",
        " b",
        "é",
        r"\"",
        r"\\",
        r"\n",
        r"\u00e9",
        "}",
        r"\",\"usage\":null",
        '","usage":null,"x":"',
        '"',
        "\\",
        "\t",
    ]
)


@st.composite
def chats(draw: st.DrawFn) -> bytes:
    """Return a stream whose chunks are nearly alike, as they come from one server; some are not what they seem."""
    shape, frame, name = draw(st.sampled_from(SHAPES)), draw(FRAMES), draw(SAID)
    found = ""
    for _ in range(draw(st.integers(2, 8))):
        payload = shape.replace("MODEL", draw(st.just(name) | SAID)).replace("ID", draw(st.just("c") | SAID))
        payload = payload.replace("SAID", draw(SAID))
        if draw(st.integers(0, 5)) == 0:
            at = draw(st.integers(0, len(payload)))
            payload = payload[:at] + draw(SHARDS | st.just("")) + payload[at + draw(st.integers(0, 2)) :]
        found += frame.replace("{}", payload, 1)
    return found.encode()

"""What a tap sees of a match, without its value: what `families` reads, by the slots it is in.

Looked at once for each stencil. Where more than slots would have to be looked at, a match
is decoded, and asked.
"""

cimport cython

from .building cimport Constant, DictNode, IntegerSlot, ListNode, Node, StringSlot
from .tokens cimport Span

from ..families import RESPONSE_ENDS


class Unclear(Exception):
    """The payload must be asked."""


@cython.final
cdef class Glance:
    cdef bint bears_output(self, const Span *spans) noexcept:
        """Tell whether a match bears output."""
        cdef int at
        cdef Py_ssize_t length = 0
        for at in range(self._outputs_length):
            length += spans[self._outputs[at]].length
        return self._bears or length > 0

    cdef int _take_chat(self, DictNode root) except -1:
        cdef Node choices = get(root, "choices")
        self.has_model = is_text(get(root, "model"))
        self.has_id = is_text(get(root, "id"))
        self.has_usage = isinstance(get(root, "usage"), DictNode)
        if isinstance(choices, ListNode):
            for choice in (<ListNode>choices).items:
                self._take_choice(choice)
        return 0

    cdef int _take_choice(self, Node node) except -1:
        cdef DictNode choice
        cdef int slot = -1
        if not isinstance(node, DictNode):
            raise Unclear
        choice = node
        index = get(choice, "index")
        if isinstance(index, IntegerSlot):
            if self.indexes_length == MOST_INDEXES:
                raise Unclear
            slot = (<IntegerSlot>index).slot
            self.indexes[self.indexes_length] = slot
            self.indexes_length += 1
        else:
            if not isinstance(index, Constant) or type((<Constant>index).value) is not int:
                raise Unclear
            if self.fixed_length == MOST_INDEXES or not 0 <= (<Constant>index).value < 64:
                raise Unclear
            self.fixed[self.fixed_length] = (<Constant>index).value
            self.fixed_length += 1
        reason = get(choice, "finish_reason")
        if reason is not None and not (isinstance(reason, Constant) and (<Constant>reason).value is None):
            raise Unclear
        delta = get(choice, "delta")
        if isinstance(delta, DictNode):
            content = get(delta, "content")
            self._take_delta(delta)
        else:
            content = get(choice, "text")
        self._speaks(content)
        if slot >= 0 or (<Constant>index).value == 0:
            self._add_text(slot, content)
        return 0

    cdef int _take_delta(self, DictNode delta) except -1:
        cdef Node calls = get(delta, "tool_calls")
        for name in ("reasoning_content", "reasoning", "refusal", "reasoning_details"):
            self._speaks(get(delta, name))
        audio = get(delta, "audio")
        if isinstance(audio, DictNode):
            self._speaks(get(audio, "data"))
            self._speaks(get(audio, "transcript"))
        functions = [get(delta, "function_call")]
        if isinstance(calls, ListNode):
            for call in (<ListNode>calls).items:
                if isinstance(call, DictNode):
                    functions += get(call, "function"), get(call, "custom")
        for function in functions:
            if isinstance(function, DictNode):
                self._speaks(get(function, "arguments"))
                self._speaks(get(function, "input"))
        return 0

    cdef int _take_response(self, DictNode root, str kind) except -1:
        if get(root, "response") is not None or kind == "error" or kind in RESPONSE_ENDS:
            raise Unclear
        if kind.endswith(".delta"):
            delta = get(root, "delta")
            if not isinstance(delta, (Constant, StringSlot)):
                raise Unclear
            self._speaks(delta)
            if kind == "response.output_text.delta":
                self._add_text(-1, delta)
        return 0

    cdef int _take_message(self, DictNode root, str kind) except -1:
        if kind not in ("content_block_delta", "ping") or get(root, "usage") is not None:
            raise Unclear
        delta = get(root, "delta")
        if isinstance(delta, DictNode):
            for name in ("text", "thinking", "partial_json", "input"):
                self._speaks(get(delta, name))
            self._add_text(-1, get(delta, "text"))
        return 0

    cdef int _speaks(self, Node node) except -1:
        """Note whether, or where, a value bears output."""
        if isinstance(node, StringSlot):
            if self._outputs_length == MOST_OUTPUTS:
                raise Unclear
            self._outputs[self._outputs_length] = (<StringSlot>node).slot
            self._outputs_length += 1
        elif isinstance(node, Constant):
            value = (<Constant>node).value
            self._bears = self._bears or isinstance(value, str) and len(value) > 0
        elif isinstance(node, ListNode):
            if (<ListNode>node).items:
                raise Unclear
        elif isinstance(node, DictNode):
            self._bears = self._bears or len((<DictNode>node).keys) > 0
        return 0

    cdef int _add_text(self, int slot, Node node) except -1:
        if is_text(node):
            self.texts.append((slot, node))
        return 0


cdef bint is_text(Node node):
    """Tell whether it may be a text that is not empty."""
    if isinstance(node, Constant):
        value = (<Constant>node).value
        return isinstance(value, str) and len(value) > 0
    return isinstance(node, StringSlot)


cdef Node get(node, str name):
    """Return a member of an object; None where it has none of that name."""
    cdef DictNode each = node
    for known, value in zip(each.keys, each.values):
        if known == name:
            return value
    return None


cdef Glance glance_of(Node root, str family):
    """Return what can be seen of a stencil's matches in a stream of `family`."""
    cdef Glance made = Glance()
    made.family = family
    made.texts = []
    if not isinstance(root, DictNode):
        return made
    kind = get(root, "type")
    error = get(root, "error")
    try:
        if error is not None and not (isinstance(error, Constant) and not (<Constant>error).value):
            return made
        if family in ("chat", "completions"):
            made._take_chat(root)
        elif isinstance(kind, Constant) and isinstance((<Constant>kind).value, str):
            if family == "responses":
                made._take_response(root, (<Constant>kind).value)
            else:
                made._take_message(root, (<Constant>kind).value)
        else:
            return made
        made.tells = True
    except Unclear:
        pass
    return made

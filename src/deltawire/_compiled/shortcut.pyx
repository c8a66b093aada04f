"""What a match says about its choices, without its chunk."""

cimport cython

from .building cimport Constant, IntegerSlot, ListNode, Node, StructNode
from .structs cimport index_of
from .tokens cimport Span, integer

from ..chunks import text_of


@cython.final
cdef class ChoiceShortcut:
    cdef object index(self, const Span *spans):
        """Return the choice's index."""
        return integer(&spans[self._slot]) if self._index is None else self._index

    cdef object text(self, const Span *spans):
        """Return the text that its delta adds, None or "" for none."""
        if self._content is None:
            return None
        content = self._content.build(spans)
        return text_of(content) if isinstance(content, list) else content


@cython.final
cdef class Shortcut:
    def __cinit__(self, Node root):
        cdef Node error
        if not isinstance(root, StructNode):
            return
        self.root = root
        error = self.root.member("error")
        choices = self.root.member("choices")
        # A chunk with an error is raised, not folded.
        if error is not None and not isinstance(error, Constant):
            return
        if isinstance(choices, ListNode) and (error is None or not (<Constant>error).value):
            drawn = []
            for place, node in enumerate((<ListNode>choices).items):
                drawn.append(choice_shortcut(place, node))
            self.choices = None if None in drawn else drawn


cdef ChoiceShortcut choice_shortcut(place, Node node):
    """Return that of the choice at `place`; None where it cannot be taken."""
    cdef ChoiceShortcut made = ChoiceShortcut()
    if not isinstance(node, StructNode):
        return None
    made.node = node
    index = made.node.member("index")
    reason = made.node.member("finish_reason")
    delta = made.node.member("delta")
    if isinstance(index, IntegerSlot):
        made._slot = (<IntegerSlot>index).slot
    elif index is None:
        made._index = place
    elif isinstance(index, Constant):
        made._index = index_of((<Constant>index).value, place)
    else:
        return None
    if isinstance(reason, Constant):
        made.reason = (<Constant>reason).value
    elif reason is not None:
        return None
    if isinstance(delta, StructNode):
        made._content = (<StructNode>delta).member("content")
    return made

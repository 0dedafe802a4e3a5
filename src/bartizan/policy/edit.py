"""Changes to a policy's text that leave every other byte as it was: comments, order, quotes and line ends.

Console and editor share one file. A YAML writer would lay it out its own way, so values are spliced in at their places,
and the result is parsed again: it must say what was meant, and nothing else may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from bartizan.core.errors import PolicyError, Problem
from bartizan.policy.clause import Mode
from bartizan.policy.document import List, Map, Node, Text, parse
from bartizan.policy.fields import plain
from bartizan.policy.read import read

NAME = "policy.yaml"
CLAUSE = "the clause"  # What problems call a text that is one clause.
_MARK = "\ufeff"
Plain = Any  # A policy as JSON values, about to be changed.


def with_mode(text: str, clause: str, mode: Mode) -> str:
    """The policy with one clause enforced or observed. Raises PolicyError for a clause that is not there."""

    def change(policy: Plain) -> None:
        _named(policy, clause)["mode"] = mode.value

    return _edited(text, change, lambda splice, root: splice.put(_clause(root, clause), "mode", mode.value))


def with_example(text: str, clause: str, side: str, example: str) -> str:
    """The policy with one more text that breaks or keeps a clause (`side`). Raises PolicyError."""
    if side not in ("breaks", "keeps"):
        raise ValueError(side)

    def change(policy: Plain) -> None:
        _named(policy, clause).setdefault("examples", {}).setdefault(side, []).append(example)

    def splice(to: _Splice, root: Map) -> None:
        map_ = _clause(root, clause)
        examples = map_.get("examples")
        if not isinstance(examples, Map):
            to.put(map_, "examples", f"{{{side}: [{quoted(example)}]}}")
        elif isinstance(ones := examples.get(side), List):
            to.append(ones, quoted(example))
        else:
            to.put(examples, side, f"[{quoted(example)}]")

    return _edited(text, change, splice)


def with_exception(
    text: str,
    clause: str,
    *,
    who: Mapping[str, str],
    until: str,
    why: str,
    approved_by: str,
    where: Mapping[str, str] | None = None,
) -> str:
    """The policy with one more exception; `until` is its last day, as in 2027-01-31. Raises PolicyError."""
    entry: dict[str, object] = {"clause": clause, "who": dict(who)}
    if where:
        entry["where"] = dict(where)
    entry |= {"until": until, "why": why, "approved_by": approved_by}

    def change(policy: Plain) -> None:
        _named(policy, clause)
        policy.setdefault("exceptions", []).append(entry)

    def splice(to: _Splice, root: Map) -> None:
        ones = root.get("exceptions")
        if isinstance(ones, List):
            to.append(ones, _flow(entry))
        else:
            to.put(root, "exceptions", [_flow(entry)])

    return _edited(text, change, splice)


def without_exception(text: str, key: str) -> str:
    """The policy without one exception, said by its `Exempt.key`, and without its lines. Raises PolicyError."""
    exceptions = read(text, NAME).exceptions
    number = next((n for n, exempt in enumerate(exceptions) if exempt.key == key), None)
    if number is None:
        raise _no("has no such exception any more")

    def change(policy: Plain) -> None:
        del policy["exceptions"][number]

    return _edited(text, change, lambda splice, root: splice.drop(root, "exceptions", number))


# ---- A clause as a whole ---------------------------------------------------------------------------------------------


def clause_text(text: str, clause: str) -> str:
    """One clause as it stands, with its comments, as lines of its own. Raises PolicyError if it is not there."""
    body = text.removeprefix(_MARK)
    node = _clause(_root(body), clause)
    start, end = _Splice(body).block(node)
    indent = node.column - 1
    first, *others = body[start:end].replace("\r\n", "\n").split("\n")
    return "\n".join([first, *(line[min(indent, _blanks(line)) :] for line in others)]).rstrip("\n") + "\n"


def with_clause_text(text: str, clause: str, new: str) -> str:
    """The policy with another text in the place of one clause; what `clause_text` gave changes nothing.

    Raises PolicyError: what is wrong is told with the lines of `new`, wherever it stands in the file.
    """
    new = new.replace("\r\n", "\n").rstrip()
    if new == clause_text(text, clause).rstrip():
        return text
    wanted = parse(new + "\n", CLAUSE)
    if not isinstance(wanted, Map):
        raise PolicyError((Problem(CLAUSE, 1, 1, "is a mapping with id, says, when, then …"),))
    place: list[Map] = []

    def change(policy: Plain) -> None:
        one = _named(policy, clause)
        one.clear()
        one.update(plain(wanted))

    def splice(to: _Splice, root: Map) -> None:
        place.append(_clause(root, clause))
        to.replace(place[0], new)

    out = _edited(text, change, splice)
    try:
        read(out, NAME)
    except PolicyError as error:
        raise PolicyError(tuple(_within(problem, place[0], new) for problem in error.problems)) from None
    return out


def _within(problem: Problem, old: Map, new: str) -> Problem:
    """A problem of the file as one of the clause's own text, where it lies in there."""
    line = problem.line - old.line + 1
    if not 1 <= line <= new.count("\n") + 1:
        return problem
    return replace(problem, file=CLAUSE, line=line, column=max(1, problem.column - old.column + 1))


def _blanks(line: str) -> int:
    """How many spaces a line begins with; all of them where it holds nothing else."""
    return len(line) - len(line.lstrip(" "))


def quoted(value: str) -> str:
    """A text in double quotes, as YAML and JSON both read it."""
    out = []
    for char in value:
        if char in '"\\':
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        elif char == "\n":
            out.append("\\n")
        else:
            code = ord(char)
            out.append(f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return quoted(str(value))


# ---- Splicing ----------------------------------------------------------------------------------------


class _Splice:
    """One text and the pieces to put into it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._pieces: list[tuple[int, int, str]] = []

    def done(self) -> str:
        out = self.text
        for start, end, piece in sorted(self._pieces, reverse=True):
            out = out[:start] + piece + out[end:]
        return out

    def put(self, into: Map, name: str, value: str | Sequence[str]) -> None:
        """Give a mapping's member a value; a list of values becomes a block of lines where the mapping is one."""
        one = value if isinstance(value, str) else f"[{', '.join(value)}]"
        old = into.get(name)
        if old is not None:
            end = self._end(old)
            behind = self._newline if self.text[end - 1] == "\n" else ""  # It was a block of text.
            self._pieces.append((old.start, end, one + behind))
        elif into.flow:
            after = into.members[-1][1] if into.members else None
            at, comma = (self._end(after), ", ") if after is not None else (into.start + 1, "")
            self._pieces.append((at, at, f"{comma}{name}: {one}"))
        else:
            indent = into.column - 1
            lines = [f"{name}: {one}"] if isinstance(value, str) else [f"{name}:", *(f"  - {item}" for item in value)]
            self._lines(into, [" " * indent + line for line in lines])

    def append(self, to: List, value: str) -> None:
        """One more item."""
        if not to.flow:
            self._lines(to, [" " * (to.column - 1) + "- " + value])
            return
        at = self._end(to.items[-1]) if to.items else to.start + 1
        self._pieces.append((at, at, f", {value}" if to.items else value))

    def replace(self, old: Map, lines: str) -> None:
        """Other lines in the place of a mapping, each indented as it was."""
        start, end = self.block(old)
        indent = " " * (old.column - 1)
        first, *others = lines.split("\n")
        block = [first, *(indent + line if line.strip(" ") else line for line in others)]
        last = self._newline if end == len(self.text) and not old.flow else ""
        self._pieces.append((start, end, self._newline.join(block) + last))

    def block(self, node: Node) -> tuple[int, int]:
        """From where a node begins to the end of its last line, that line's comment included, its end not."""
        if not isinstance(node, Text) and node.flow:
            end = self._end(node)
            rest = self.text[end : self._line_end(end)]
            # Behind a mapping in brackets there is a comment, or more of what is around it.
            return node.start, end + len(rest.rstrip("\r")) if rest.lstrip().startswith("#") else end
        end = self._end(node)
        if self.text[end - 1] == "\n":
            end -= 2 if self.text[: end - 1].endswith("\r") else 1
            return node.start, end
        return node.start, end + len(self.text[end : self._line_end(end)].rstrip("\r"))

    def drop(self, of: Map, name: str, number: int) -> None:
        """Take an item out of a member that is a list; of the last one brackets stay."""
        key, ones = next((key, value) for key, value in of.members if key.value == name)
        assert isinstance(ones, List)
        item = ones.items[number]
        if ones.flow:
            start, end = item.start, self._end(item)
            if number:
                start = self._end(ones.items[number - 1])
            elif len(ones.items) > 1:
                end = ones.items[1].start
            self._pieces.append((start, end, ""))
            return
        start = self.text.rfind("\n", 0, self.text.rfind("-", 0, item.start)) + 1
        end = min(self._line_end(self.block(item)[1]) + 1, len(self.text))
        self._pieces.append((start, end, ""))
        if len(ones.items) == 1:
            colon = self.text.index(":", key.end) + 1
            self._pieces.append((colon, colon, " []"))

    def _line_end(self, at: int) -> int:
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found

    def _lines(self, after: Node, lines: list[str]) -> None:
        """New lines below the last line of a node."""
        end = self._end(after)
        block = "".join(line + self._newline for line in lines)
        if end == 0 or self.text[end - 1] == "\n":  # Behind a block of text, whose end is its last line's.
            self._pieces.append((end, end, block))
            return
        at = self.text.find("\n", end)
        if at < 0:
            self._pieces.append((len(self.text), len(self.text), self._newline + block))
        else:
            self._pieces.append((at + 1, at + 1, block))

    def _end(self, node: Node) -> int:
        """Where a node's own text ends; the parser says of a block only where the next thing begins."""
        if isinstance(node, Text):
            if node.end > node.start and self.text[node.start] in "|>" and not node.plain:
                return node.end
            return node.start + len(self.text[node.start : node.end].rstrip())
        if node.flow:
            return node.end
        return self._end(node.items[-1] if isinstance(node, List) else node.members[-1][1])


def _edited(text: str, change: Callable[[Plain], None], splice: Callable[[_Splice, Map], None]) -> str:
    mark = _MARK if text.startswith(_MARK) else ""
    body = text.removeprefix(mark)
    root = _root(body)
    wanted = deepcopy(plain(root))
    change(wanted)
    pieces = _Splice(body)
    splice(pieces, root)
    out = pieces.done()
    if plain(parse(out, NAME)) != wanted:
        raise _no("is laid out in a way that this change does not know; make it by hand")
    return mark + out


def _root(body: str) -> Map:
    root = parse(body, NAME)
    if not isinstance(root, Map):
        raise _no("is no policy")
    return root


def _clause(root: Map, id_: str) -> Map:
    clauses = root.get("clauses")
    for one in clauses.items if isinstance(clauses, List) else ():
        if isinstance(one, Map) and isinstance(named := one.get("id"), Text) and named.value == id_:
            return one
    raise _no(f'there is no clause called "{id_}"')


def _named(policy: Plain, id_: str) -> Plain:
    clauses = policy.get("clauses") if isinstance(policy, dict) else None
    for one in clauses if isinstance(clauses, list) else ():
        if isinstance(one, dict) and one.get("id") == id_:
            return one
    raise _no(f'there is no clause called "{id_}"')


def _no(what: str) -> PolicyError:
    return PolicyError((Problem(NAME, 0, 0, what),))

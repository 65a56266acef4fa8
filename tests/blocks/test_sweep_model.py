"""The rule that keeps writers and the sweep apart without locks, by trying every order of their steps in a small model.

One chunk that nothing refers to, of any age; a writer that wants it; a sweep, again and again; and time, which passes between any
two steps. The steps are those of `ShelfWriter`, `seal_tree` and `sweep`, and of the catalog around them. What must never be: a
live root, and no chunk. Each part of the rule is left out once, to see that it is needed, and that the model can tell.

The grace period is eight ticks, so that a half and a quarter of it are whole numbers.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import pytest

GRACE: Final = 8
END: Final = GRACE + 12
"""Long enough for an ingest, a sweep that takes longer than the grace period, and another one."""


@dataclass(frozen=True)
class Rules:
    """The rule, in its parts."""

    relied_on_below: float = GRACE / 2
    """What is younger is not written again."""
    takes_at_most: float = GRACE / 4
    """From its beginning to its look before the root."""
    sealed_within: float = GRACE / 4
    """How soon the root follows. Nothing holds it up but a writer that is stopped in that very instant."""
    rescued_from: float = GRACE * 3 / 4
    """What was found older than this is looked for again before the root: a sweep may have been at it before it was written."""
    sweep_looks_again: bool = True
    cutoff_before_marking: bool = True
    young_roots_promise: bool = True
    roots_before_chunks: bool = True
    named_within: float = GRACE
    """How soon the catalog names a root that was written. The workflows do so at once."""
    deletes_at_once: bool = True
    """Between the sweep's second look and its deletion, no writer does both, write a chunk and look for it before its root."""


class State(NamedTuple):
    """Where everybody stands. Times of writing are in ticks; None is for what is not there."""

    now: int
    chunk: int | None
    root: int | None = None
    is_named: bool = False
    writer: str = "begin"
    began: int = 0
    looked: int = 0
    rescued: bool = False
    wrote_in_gap: bool = False
    sweep: str = "idle"
    cutoff: int = 0
    saw_named: bool = False
    promised: bool = False
    dooms_root: bool = False
    dooms_chunk: bool = False


def moves(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield what may happen next."""
    yield from _time(state, rules)
    yield from _writer_of_chunks(state, rules)
    yield from _writer_of_roots(state, rules)
    yield from _sweep(state, rules)


def _time(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    must_seal = state.writer == "seal" and state.now - state.looked >= rules.sealed_within
    must_name = state.writer == "name" and state.root is not None and state.now - state.root >= rules.named_within
    if state.now < END and not must_seal and not must_name:
        yield "a tick", state._replace(now=state.now + 1)


def _writer_of_chunks(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    match state.writer:
        case "begin":
            yield "writer begins", state._replace(writer="look", began=state.now)
        case "look" if state.chunk is None:
            yield "writer finds nothing", state._replace(writer="write")
        case "look" if state.now - state.chunk < rules.relied_on_below:
            yield "writer relies on the chunk", state._replace(writer="check")
        case "look":
            yield "writer finds it old", state._replace(writer="write", rescued=state.now - state.chunk >= rules.rescued_from)
        case "write":
            in_gap = state.sweep == "delete"
            yield "writer writes the chunk", state._replace(writer="check", chunk=state.now, wrote_in_gap=in_gap)


def _writer_of_roots(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    match state.writer:
        case "check":
            late = state.now - state.began > rules.takes_at_most
            if late or (state.rescued and state.chunk is None):
                yield "writer gives up", state._replace(writer="done")
            elif not (rules.deletes_at_once and state.wrote_in_gap):
                yield "writer looks for what it rescued", state._replace(writer="seal", looked=state.now)
        case "seal":
            yield "writer writes the root", state._replace(writer="name", root=state.now)
        case "name":
            yield "catalog names the root", state._replace(writer="done", is_named=True)


def _sweep(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    match state.sweep:
        case "idle":
            cutoff = state.now - GRACE
            yield "sweep asks what is live", state._replace(sweep="mark", saw_named=state.is_named, cutoff=cutoff)
        case "mark":
            cutoff = state.cutoff if rules.cutoff_before_marking else state.now - GRACE
            yield "sweep has marked", state._replace(sweep="roots", cutoff=cutoff)
        case "roots":
            old = state.root is not None and state.root < state.cutoff and not state.saw_named
            young = state.root is not None and not old
            promised = young and rules.young_roots_promise
            yield "sweep lists roots", state._replace(sweep="chunks", promised=promised, dooms_root=old)
        case "chunks":
            root = None if state.dooms_root and rules.roots_before_chunks else state.root
            kept = state.saw_named or state.promised or state.chunk is None
            dooms = not kept and state.chunk is not None and state.chunk < state.cutoff
            yield "sweep lists chunks", state._replace(sweep="again" if dooms else "idle", root=root)
        case "again" if rules.sweep_looks_again and state.chunk is not None and state.chunk >= state.cutoff:
            yield "sweep spares what is young by now", state._replace(sweep="idle")
        case "again":
            yield "sweep looks again", state._replace(sweep="delete")
        case "delete":
            yield "sweep deletes the chunk", state._replace(sweep="idle", chunk=None, wrote_in_gap=False)


def loss(rules: Rules) -> list[str] | None:
    """Return a shortest story at whose end a live root lacks its chunk, or None: there is none in any order of steps."""
    begins = [State(now=GRACE + 2, chunk=GRACE + 2 - age) for age in range(GRACE + 3)]
    came_from: dict[State, tuple[str, State] | None] = dict.fromkeys(begins)
    ahead = deque(begins)
    while ahead:
        state = ahead.popleft()
        if state.is_named and state.chunk is None:
            return _story(state, came_from)
        for what, following in moves(state, rules):
            if following not in came_from:
                came_from[following] = (what, state)
                ahead.append(following)
    return None


def _story(state: State, came_from: dict[State, tuple[str, State] | None]) -> list[str]:
    told: list[str] = []
    step = came_from[state]
    while step is not None:
        told.append(step[0])
        step = came_from[step[1]]
    return told[::-1]


def test_in_no_order_of_steps_does_a_live_root_lack_its_chunk() -> None:
    assert loss(Rules()) is None


WEAKENED: Final = {
    "what is nearly old is relied on": Rules(relied_on_below=GRACE),
    "an ingest may take as long as it likes": Rules(takes_at_most=END),
    "a writer does not look for what it rescued": Rules(rescued_from=END),
    "a writer looks for what it rescued after the whole period only": Rules(rescued_from=GRACE),
    "the sweep does not look again": Rules(sweep_looks_again=False),
    "the cutoff is taken when all is marked": Rules(cutoff_before_marking=False),
    "young roots promise nothing": Rules(young_roots_promise=False),
    "roots are written at leisure": Rules(sealed_within=END),
    "roots are named at leisure": Rules(named_within=END),
    "the sweep stalls in the instant before it deletes": Rules(deletes_at_once=False),
}


@pytest.mark.parametrize("rules", WEAKENED.values(), ids=WEAKENED.keys())
def test_each_part_of_the_rule_is_needed(rules: Rules) -> None:
    story = loss(rules)

    assert story is not None
    assert story[-1] in {"sweep deletes the chunk", "catalog names the root"}

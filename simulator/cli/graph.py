"""Components as a tree: what needs what, when it recovers, what the wire shows of it gone or degraded."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.tree import Tree

from simulator.files.components import Components
from simulator.files.written import duration_text


def component_tree(components: Components) -> Tree:
    """Every component under what it needs; those that need nothing are at the root."""
    root = Tree(escape(str(components.path)))
    for name, needs in components.needs.items():
        if not needs:
            _grow(root, name, components, above=())
    return root


def _grow(tree: Tree, name: str, components: Components, above: tuple[str, ...]) -> None:
    if name in above:
        tree.add(f"[red]{escape(name)} needs itself[/]")
        return
    recovers = components.recovers.get(name)
    said = "" if recovers is None else f" recovers after {duration_text(recovers)}"
    branch = tree.add(f"[bold]{escape(name)}[/]{said}")
    for text in _shown(name, components):
        branch.add(f"[dim]{escape(text)}[/]")
    for other, needs in components.needs.items():
        if name in needs:
            _grow(branch, other, components, above=(*above, name))


def _shown(name: str, components: Components) -> Iterator[str]:
    """What the wire shows without a component, and in each of its degraded modes."""
    for effect in components.effects:
        if name in effect.without:
            yield effect.title if effect.how == "either" else f"{effect.how}: {effect.title}"
    for mode, degraded in components.modes.get(name, {}).items():
        yield f"degraded {mode}: {degraded.title}" if degraded.title else f"degraded {mode}"

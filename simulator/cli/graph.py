"""Components as a tree: what needs what, and what the wire shows without it."""

from __future__ import annotations

from rich.markup import escape
from rich.tree import Tree

from simulator.files.components import Components


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
    branch = tree.add(f"[bold]{escape(name)}[/]")
    for effect in components.effects:
        if name in effect.without:
            how = "" if effect.how == "either" else f"{effect.how}: "
            branch.add(f"[dim]{escape(how + effect.title)}[/]")
    for other, needs in components.needs.items():
        if name in needs:
            _grow(branch, other, components, above=(*above, name))

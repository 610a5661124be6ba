"""The tree of activities in ActivityNet files, keyed by leaf name.

Node ids cannot be keys: the released 1.3 file gives id 268 to two classes. Every node names its parent, so the tree
is walked by names from a leaf upwards.
"""

from dataclasses import dataclass

import msgspec


class Node(msgspec.Struct, rename="camel", gc=False):
    """One line of the taxonomy as the file writes it (nodeId, nodeName, parentId, parentName)."""

    node_id: int
    node_name: str
    parent_id: int | None = None
    parent_name: str | None = None


@dataclass(frozen=True)
class Taxonomy:
    """The tree.

    Attributes:
        nodes: in file order.
    """

    nodes: tuple[Node, ...]

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the classes, sorted: nodes whose id is nobody's parent."""
        parents = {node.parent_id for node in self.nodes}
        return tuple(sorted({node.node_name for node in self.nodes if node.node_id not in parents}))

    def path(self, leaf: str) -> tuple[str, ...]:
        """Names from a class up to the root, the class first; empty if the tree does not hold it.

        A parent is looked up by its id among the inner nodes and checked by its name where several share the id.
        """
        parents = {node.parent_id for node in self.nodes}
        here = next((n for n in self.nodes if n.node_name == leaf and n.node_id not in parents), None)
        names: list[str] = []
        while here is not None and here.node_name not in names:
            names.append(here.node_name)
            above = [n for n in self.nodes if n.node_id == here.parent_id]
            here = next((n for n in above if n.node_name == here.parent_name), above[0] if above else None)
        return tuple(names)

    def siblings(self, leaf: str) -> tuple[str, ...]:
        """Classes under the same parent, without the class itself, sorted."""
        path = self.path(leaf)
        return tuple(
            name for name in self.leaves if name != leaf and len(path) > 1 and self.path(name)[1:2] == path[1:2]
        )

"""The tree of activities in ActivityNet files, keyed by leaf name.

Node ids cannot be keys: the released 1.3 file gives id 268 to two classes. Every node names its parent, so the tree
is walked by names from a leaf upwards.
"""

from dataclasses import dataclass
from functools import cached_property

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

    @cached_property
    def _leaf_nodes(self) -> dict[str, Node]:
        parents = {node.parent_id for node in self.nodes}
        inner = {node.node_id for node in self.nodes if node.node_id in parents}
        found = (node for node in self.nodes if node.node_id not in inner and node.parent_id is not None)
        return {node.node_name: node for node in found}

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the classes, sorted: nodes whose id is nobody's parent; a root without children is none."""
        return tuple(sorted(self._leaf_nodes))

    def path(self, leaf: str) -> tuple[str, ...]:
        """Names from a class up to the root, the class first; empty if the tree does not hold it.

        A parent is looked up by its id, and by its name where several nodes share the id.
        """
        here = self._leaf_nodes.get(leaf)
        names: list[str] = []
        while here is not None and here.node_name not in names:
            names.append(here.node_name)
            above = [node for node in self.nodes if node.node_id == here.parent_id]
            here = next((node for node in above if node.node_name == here.parent_name), above[0] if above else None)
        return tuple(names)

    def siblings(self, leaf: str) -> tuple[str, ...]:
        """Classes under the same parent, without the class itself, sorted."""
        here = self._leaf_nodes.get(leaf)
        if here is None:
            return ()
        same = (node for node in self._leaf_nodes.values() if node.parent_id == here.parent_id)
        return tuple(sorted(node.node_name for node in same if node.node_name != leaf))

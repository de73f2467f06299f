"""Holes of a mesh closed, so that it can be looked at from all sides: models may be cut off open at the wrist."""
from __future__ import annotations

import numpy as np

from app.rendering.topology import topology_of


def closed(faces: np.ndarray, vertices: int) -> np.ndarray:
    """Faces (F, 3) over that many vertices -> the same and a fan over each hole, turned as their neighbours are."""
    topology = topology_of(faces, vertices)
    following = {}
    for (a, b), face in zip(topology.edges[topology.rim].tolist(), topology.edge_faces[0, topology.rim].tolist()):
        corners = topology.faces[face].tolist()
        forward = corners[(corners.index(a) + 1) % 3] == b
        following.update({b: a} if forward else {a: b})  # the fan runs the other way
    fans = []
    while following:
        first, at = following.popitem()
        loop = [first, at]
        while at in following:
            at = following.pop(at)
            loop.append(at)
        fans += [(loop[0], loop[k], loop[k + 1]) for k in range(1, len(loop) - 2)]
    return np.concatenate([topology.faces, np.array(fans, np.int32).reshape(-1, 3)])

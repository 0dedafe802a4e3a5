"""XGBoost's models, checked before the library sees them: it follows what a file says out of its memory.

Everything the library walks along (children, parents, groups, rounds, sets of categories) has to hold together; what it
does not need to score rows (attributes, names, gains) is not passed on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NO_PARENT = 2**31 - 1
MAX_CATEGORY = 1 << 24


def sound(model: dict[str, Any]) -> dict[str, Any]:
    """The model with only what scoring needs.

    Raises ValueError, LookupError or TypeError for one that does not hold together.
    """
    learner = model["learner"]
    told = learner["learner_model_param"]
    width, outputs = int(told["num_feature"]), max(int(told["num_class"]), 1)
    if not 0 < width < 1 << 24 or outputs > 100_000 or int(told.get("num_target", 1)) > 1:
        raise ValueError("sizes")
    kinds = [str(one) for one in learner.get("feature_types", [])]
    if kinds and (len(kinds) != width or not set(kinds) <= {"q", "c", "float", "int", "i"}):
        raise ValueError("kinds of features")
    return {
        "learner": {
            "attributes": {}, "feature_names": [], "feature_types": kinds,
            "gradient_booster": _booster(learner["gradient_booster"], width, outputs),
            "learner_model_param": {str(key): str(value) for key, value in told.items()},
            "objective": learner["objective"],
        },
        "version": [int(one) for one in model["version"]],
    }  # fmt: skip


def _booster(booster: dict[str, Any], width: int, outputs: int) -> dict[str, Any]:
    name = booster["name"]
    if name == "gblinear":
        weights = [float(one) for one in booster["model"]["weights"]]
        if len(weights) != (width + 1) * outputs:
            raise ValueError("weights")
        return {"name": name, "model": {"boosted_rounds": int(booster["model"]["boosted_rounds"]), "weights": weights}}
    if name == "dart":
        inner = _booster(booster["gbtree"], width, outputs)
        dropped = [float(one) for one in booster["weight_drop"]]
        if inner["name"] != "gbtree" or len(dropped) != len(inner["model"]["trees"]):
            raise ValueError("weights of trees")
        return {"name": name, "gbtree": inner, "weight_drop": dropped}
    if name != "gbtree":
        raise ValueError("kind")
    model = booster["model"]
    told = {key: int(value) for key, value in model["gbtree_model_param"].items()}
    count, parallel = told["num_trees"], max(told.get("num_parallel_tree", 1), 1)
    groups, trees = [int(one) for one in model["tree_info"]], model["trees"]
    step = parallel * outputs
    if not (0 < count == len(trees) == len(groups) and count % step == 0 and all(0 <= one < outputs for one in groups)):
        raise ValueError("trees")
    return {
        "name": name,
        "model": {
            "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
            "gbtree_model_param": {"num_parallel_tree": str(parallel), "num_trees": str(count)},
            "iteration_indptr": list(range(0, count + 1, step)), "tree_info": groups,
            "trees": [_tree(tree, at, width) for at, tree in enumerate(trees)],
        },
    }  # fmt: skip


def _tree(tree: dict[str, Any], at: int, width: int) -> dict[str, Any]:
    left, right, features = (
        np.array(tree[name], np.int64) for name in ("left_children", "right_children", "split_indices")
    )
    count = len(left)
    inner = np.flatnonzero(left >= 0)
    children = np.concatenate([left[inner], right[inner]])
    if not (
        count == len(right) == len(features) == int(tree["tree_param"]["num_nodes"])
        and count > 0
        and np.array_equal(left < 0, right < 0)
        and np.array_equal(np.sort(children), np.arange(1, count))
        and (children > np.tile(inner, 2)).all()
        and ((features[inner] >= 0) & (features[inner] < width)).all()
        and int(tree["tree_param"].get("size_leaf_vector", 1)) <= 1
    ):
        raise ValueError("a tree that leads out of itself")
    parents = np.full(count, NO_PARENT, np.int64)
    parents[children] = np.tile(inner, 2)
    numbers = {name: [float(one) for one in tree[name]] for name in ("split_conditions", "base_weights", "sum_hessian")}
    default, kind = [int(bool(one)) for one in tree["default_left"]], [int(one) for one in tree["split_type"]]
    if {len(default), len(kind), *(len(one) for one in numbers.values())} != {count}:
        raise ValueError("a tree of lists of different lengths")
    return {
        **numbers, **_categories(tree, inner, kind), "default_left": default, "split_type": kind, "id": at,
        "left_children": np.where(left < 0, -1, left).tolist(),
        "right_children": np.where(right < 0, -1, right).tolist(),
        "split_indices": np.where(left < 0, 0, features).tolist(), "parents": parents.tolist(),
        "loss_changes": [0.0] * count,
        "tree_param": {
            "num_deleted": "0", "num_feature": str(width), "num_nodes": str(count), "size_leaf_vector": "1"
        },
    }  # fmt: skip


def _categories(tree: dict[str, Any], inner: Any, kind: list[int]) -> dict[str, list[int]]:
    listed, nodes, begins, sizes = (
        [int(one) for one in tree[name]]
        for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    )
    parts = list(zip(begins, sizes, strict=True))
    if nodes != [int(node) for node in inner if kind[node] == 1] or any(one not in (0, 1) for one in kind):
        raise ValueError("categories of nodes that have none")
    if len(parts) != len(nodes) or any(begin < 0 or size < 1 or begin + size > len(listed) for begin, size in parts):
        raise ValueError("a set of categories outside its table")
    if any(not 0 <= one < MAX_CATEGORY for one in listed):
        raise ValueError("categories that are none")
    return {"categories": listed, "categories_nodes": nodes, "categories_segments": begins, "categories_sizes": sizes}

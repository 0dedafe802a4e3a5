"""What benchmarks.assess_peers runs in the environment of the other tools: one tool, one JSON line.

    PYTHON peer_tools.py TOOL FOLDER [EPS]

It knows nothing of Bartizan. FOLDER holds what both sides are given: net.pt (TorchScript, logits) or forest.pkl, and
rows.npz; a tool writes what it found to TOOL.npz, to be judged by the model outside. CPU seconds leave out the import.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import warnings
from pathlib import Path

import numpy as np

CLASSES = 10


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def net(folder: Path):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return torch.jit.load(str(folder / "net.pt")).eval()


def untrained(side: int):
    """The architecture of the plain CNN."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, CLASSES),
    )  # fmt: skip


def gradient(folder: Path, rows, eps: float) -> dict:
    """40 steps of PGD, as foolbox has it."""
    import foolbox
    import torch

    model = foolbox.PyTorchModel(net(folder), bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(steps=40, rel_stepsize=0.1)
    began = cpu_s()
    x, y = torch.tensor(rows["x_test"]), torch.tensor(rows["y_test"])
    _, changed, _ = attack(model, x, y, epsilons=eps)
    return {"x_adv": changed.numpy(), "cpu": cpu_s() - began}


def autoattack(folder: Path, rows, eps: float) -> dict:
    """The standard AutoAttack, as torchattacks has it."""
    import torch
    import torchattacks

    attack = torchattacks.AutoAttack(net(folder), norm="Linf", eps=eps, version="standard", n_classes=CLASSES, seed=0)
    began = cpu_s()
    changed = attack(torch.tensor(rows["x_test"]), torch.tensor(rows["y_test"]))
    return {"x_adv": changed.detach().numpy(), "cpu": cpu_s() - began}


def art_forest(folder: Path):
    from art.estimators.classification import SklearnClassifier

    with (folder / "forest.pkl").open("rb") as stream:
        return SklearnClassifier(pickle.load(stream))


def hopskipjump(folder: Path, rows, eps: float) -> dict:
    """ART's search by labels alone on a forest."""
    from art.attacks.evasion import HopSkipJump

    attack = HopSkipJump(art_forest(folder), norm=np.inf, max_iter=10, max_eval=500, init_eval=50, verbose=False)
    began = cpu_s()
    changed = attack.generate(rows["x_test"])
    return {"x_adv": changed, "cpu": cpu_s() - began}


def membership(folder: Path, rows, eps: float) -> dict:
    """ART's black-box attack, which is given half of the truth to learn from; what it says of the other half."""
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBox

    attack = MembershipInferenceBlackBox(art_forest(folder), attack_model_type="rf")
    x, y, member = rows["x_pool"], rows["y_pool"], rows["member"]
    half = len(x) // 2
    began = cpu_s()
    known, rest = np.arange(half), np.arange(half, len(x))
    inside, outside = known[member[known]], known[~member[known]]
    attack.fit(x[inside], y[inside], x[outside], y[outside])
    told = np.asarray(attack.infer(x[rest], y[rest], probabilities=True)).reshape(len(rest), -1)[:, -1]
    return {"index": rest, "score": told, "cpu": cpu_s() - began}


def knockoff(folder: Path, rows, eps: float) -> dict:
    """ART's KnockoffNets with 300 queries, into a net like the victim."""
    import torch
    from art.attacks.extraction import KnockoffNets
    from art.estimators.classification import PyTorchClassifier

    victim, side = torch.nn.Sequential(net(folder), torch.nn.Softmax(1)), rows["x_test"].shape[-1]  # It takes shares.

    def wrapped(module):
        optimiser = torch.optim.Adam(copy.parameters(), 1e-3)
        return PyTorchClassifier(
            module, torch.nn.CrossEntropyLoss(), rows["x_test"].shape[1:], CLASSES, optimizer=optimiser,
            clip_values=(0, 1), device_type="cpu",
        )  # fmt: skip

    copy = untrained(side)
    thief = wrapped(copy)
    attack = KnockoffNets(wrapped(victim), batch_size_fit=32, batch_size_query=300, nb_epochs=60, nb_stolen=300,
                          use_probability=True, verbose=False)  # fmt: skip
    began = cpu_s()
    stolen = attack.extract(rows["x_train"], rows["y_train"], thieved_classifier=thief)
    took = cpu_s() - began
    return {"labels": stolen.predict(rows["x_test"]).argmax(axis=1), "cpu": took}


def activation(folder: Path, rows, eps: float) -> dict:
    """ART's activation clustering on the net's scores: the rows it takes for poison."""
    import torch
    from art.defences.detector.poison import ActivationDefence
    from art.estimators.classification import PyTorchClassifier

    shape = rows["x_train"].shape[1:]
    plain = untrained(shape[-1])
    plain.load_state_dict(net(folder).state_dict())  # It hooks into layers, which TorchScript does not let it.
    model = PyTorchClassifier(plain.eval(), torch.nn.CrossEntropyLoss(), shape, CLASSES, device_type="cpu")
    began = cpu_s()
    defence = ActivationDefence(model, rows["x_train"], np.eye(CLASSES)[rows["y_train"]])
    _, clean = defence.detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")
    return {"index": np.flatnonzero(np.asarray(clean) == 0), "cpu": cpu_s() - began}


def labels(folder: Path, rows, eps: float) -> dict:
    """cleanlab's label issues, from probabilities of a forest in five folds."""
    from cleanlab.filter import find_label_issues
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_predict

    x, y = rows["x_train"].reshape(len(rows["x_train"]), -1), rows["y_train"]
    began = cpu_s()
    likely = cross_val_predict(RandomForestClassifier(100, random_state=0), x, y, cv=5, method="predict_proba")
    issues = find_label_issues(y, likely, return_indices_ranked_by="self_confidence")
    return {"index": np.asarray(issues), "cpu": cpu_s() - began}


TOOLS = (gradient, autoattack, hopskipjump, membership, knockoff, activation, labels)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    eps = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    warnings.filterwarnings("ignore")
    (tool,) = (tool for tool in TOOLS if tool.__name__ == name)
    with np.load(folder / "rows.npz") as found:
        rows = dict(found)
    said = tool(folder, rows, eps)
    took = said.pop("cpu")
    np.savez(folder / f"{name}.npz", **said)
    print(json.dumps({"cpu_s": took}))


if __name__ == "__main__":
    main()

"""What a model gives away of the rows it was trained on.

candidates ──▶ ask the target ──▶ its recipe, matched ──▶ shadow models ──▶ best attack on them ──▶ the target's rows
               around, trees                              by halves         chosen, never on it     ranked
"""

from __future__ import annotations

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data
from bartizan.assess.how import How
from bartizan.assess.privacy.attacks import means, rmia
from bartizan.assess.privacy.audit import Audit, audit
from bartizan.assess.privacy.choosing import choose
from bartizan.assess.privacy.curve import curve
from bartizan.assess.privacy.exposed import by_class, exposed
from bartizan.assess.privacy.grown import marks_of
from bartizan.assess.privacy.likeness import near
from bartizan.assess.privacy.personal import Carried, carried
from bartizan.assess.privacy.pool import Pool, pool_of
from bartizan.assess.privacy.reference import reference
from bartizan.assess.privacy.result import Privacy
from bartizan.assess.privacy.roughness import played, roughness
from bartizan.assess.privacy.scale import scale_of
from bartizan.assess.privacy.shadows import Shadows, train
from bartizan.assess.privacy.signals import Asking, Signals, asking
from bartizan.assess.privacy.stacking import table_of
from bartizan.assess.privacy.standin import stand_in
from bartizan.assess.target import Array, Target

TRAINING = 0.9  # Of the time; the rest is for choosing among attacks, which takes some seconds,
CHOOSING_S = 3.0
CHOOSING = 0.5  # but at most this part.
REFERENCE_S = 2.0  # What reference models take at least; without that the model's plain certainty ranks.
READING = 0.1


def measure(target: Target, data: Data, how: How) -> Privacy:
    """Ranks the candidates by membership and says how well that can be done.

    Raises:
        UsageError: there are no candidates, or the target may not be asked often enough. Spent: it stopped answering.
    """
    pool = pool_of(data, target, how.seed)
    words = carried(data, how.budget.part(READING))
    forest = target.forest() if target.forest is not None else None
    ask = asking(pool, target, how.seed, None if forest is None else marks_of(forest, pool.x, pool.y))
    how.progress("asking the model")
    own = ask.ask(target)
    notes = [*pool.notes]
    if ask.labels_only:
        notes.append("the model answers with labels alone: how they stand noise took the place of its certainty")
    shadows = _shadows(target, pool, ask, own, how, notes)
    marked = shadows is not None and all("sure_pair" in one.more for one in shadows.signals)
    if shadows is None or len(shadows) < (2 if marked else 4):
        return _weaker(target, data, pool, own, shadows, words, notes, how)
    scale = scale_of(shadows.signals)
    own_kind = target.refit is not None
    brought, like = [scale.of(one) for one in shadows.signals], scale.of(own)
    table = table_of(brought, shadows.inside, _near(pool, how.seed))
    rough = roughness(like, brought, shadows.inside)
    if own_kind and (rough.any or scale.apart(own, shadows.signals)):
        notes.append(
            "the model is sure in another way than its shadow models, so that their recipe is not its own; these were "
            "brought to its certainty and roughness, and the rates are an estimate"
        )
    how.progress("choosing an attack on the shadow models")
    chosen = choose(
        table, brought, like, how.seed, how.budget, played(rough, brought, table, how.seed) if rough.any else None,
        own_recipe=own_kind and not hasattr(target.refit, "longer"),  # Those of nets, which have a length, are ours.
    )  # fmt: skip
    scores, attack = chosen.scores, chosen.name
    if not marked:
        scores, attack = _with_places(target, own, scores, attack)
    said = chosen.curve if own_kind else None
    if pool.truth is not None:
        said = curve(scores, pool.truth)
    without = np.exp(means(np.stack([one.sure for one in shadows.signals]), shadows.inside)[1])
    return Privacy(
        scores=scores,
        index=pool.index,
        part=pool.name,
        attack=attack if own_kind else f"{attack}, on models of another kind",
        curve=said,
        known=pool.truth is not None,
        independent=int(pool.truth.sum()) if pool.truth is not None else len(pool) // 2,
        shadows=len(shadows),
        shadow_seconds=shadows.seconds,
        recipe=shadows.recipe,
        tried=chosen.others,
        exposed=exposed(
            data, pool, own, scores, without, chosen if said is not None and marked == (ask.marks is not None) else None
        ),
        classes=by_class(data, pool, chosen.scores, chosen),
        dp=_audit(pool, scores, how, notes),
        carried=words,
        notes=tuple(notes),
        finished=not how.budget.spent,
    )


def _shadows(target: Target, pool: Pool, ask: Asking, own: Signals, how: How, notes: list[str]) -> Shadows | None:
    left = how.budget.left
    time = Budget(min(left * TRAINING, max(left - CHOOSING_S, left * CHOOSING)))
    refit = target.refit
    if refit is None:
        how.progress("models of other kinds")
        refit = stand_in(pool, ask, target, own, how.seed, time)
        kind = "" if refit is None else f" ({refit.recipe})"
        notes.append(f"the model cannot be trained anew here: a weaker attack uses models of another kind{kind}")
    if refit is None:
        return None
    made = train(pool, ask, own, refit, how.seed, time, how.progress)
    if made.failed:
        notes.append(f"{made.failed} shadow models failed in training")
    if len(made) < 4:
        notes.append(f"{len(made)} shadow models fitted into the time: more time gives a stronger attack, and its rate")
    return made


def _weaker(
    target: Target, data: Data, pool: Pool, own: Signals, shadows: Shadows | None, words: Carried | None,
    notes: list[str], how: How,
) -> Privacy:  # fmt: skip
    """Two shadow models, or none: there is nothing to choose an attack on."""
    said = tried = None
    if shadows is not None and len(shadows) == 2:
        scale = scale_of(shadows.signals)
        table, like = table_of([scale.of(one) for one in shadows.signals], shadows.inside), scale.of(own)
        scores, name = rmia(like.sure, table.sure, table.inside, like.population, table.population), "RMIA"
        tried = curve(table.values["odds"].reshape(-1), table.inside.reshape(-1))
        if target.refit is None:
            name = "RMIA, on models of another kind"
        else:  # What models of another kind give away is no rate of this one.
            said = tried
            notes.append(
                "the rate is that of plain certainty on two shadow models; RMIA, which ranked, is mostly stronger"
            )
    elif how.budget.left < REFERENCE_S:
        scores, name = own.odds, "confidence"
        notes.append("there was no time for models to compare with: plain certainty ranks, the weakest of all attacks")
    else:
        how.progress("models of another kind")
        scores, name = reference(pool, own, how.seed), "reference models of another kind"
    scores, name = _with_places(target, own, scores, name)
    if pool.truth is not None:
        said = curve(scores, pool.truth)
    return Privacy(
        scores=np.asarray(scores),
        index=pool.index,
        part=pool.name,
        attack=name,
        curve=said,
        known=pool.truth is not None,
        independent=int(pool.truth.sum()) if pool.truth is not None else len(pool) // 2,
        shadows=0 if shadows is None else len(shadows),
        shadow_seconds=0.0 if shadows is None else shadows.seconds,
        recipe=None if target.refit is None else target.refit.recipe,
        tried=() if tried is None else (("confidence", tried),),
        exposed=exposed(data, pool, own, np.asarray(scores), None, None),
        classes=(),
        dp=_audit(pool, np.asarray(scores), how, notes),
        carried=words,
        notes=tuple(notes),
        finished=not how.budget.spent,
    )


def _near(pool: Pool, seed: int) -> Array | None:
    try:
        return near(pool, seed)
    except ImportError:  # Without scikit-learn, or SciPy, attacks are formulas.
        return None


def _with_places(target: Target, own: Signals, scores: Array, name: str) -> tuple[Array, str]:
    """A place in the middle of two candidates names both: nothing else is as sure, where nothing was learned of it."""
    if target.forest is None:
        return scores, name
    averaged = target.forest().link == "mean"  # Grown one by one, each on the rows of its nodes.
    sure = own.more.get("sure_pair" if averaged else "sure_cut")
    if sure is None:
        return scores, name
    return np.argsort(np.argsort(scores)) / len(scores) + 10 * sure, f"places of the trees, then {name}"


def _audit(pool: Pool, scores: Array, how: How, notes: list[str]) -> Audit | None:
    if how.dp_epsilon is None:
        return None
    if pool.truth is None:
        notes.append("the claimed epsilon was not audited: who of the candidates is a member is not known")
        return None
    notes.append("the bound on epsilon holds if candidates became members by independent fair coins")
    return audit(scores, pool.truth, how.dp_epsilon, how.dp_delta)

"""What forgetting a person would delete, told before it is done. `ledger.erase` does it."""

from __future__ import annotations

from dataclasses import dataclass

from bartizan.store.state import State


@dataclass(frozen=True, slots=True)
class Effect:
    """What is there of a person besides their records, which stay. `months`: whose keys open their texts."""

    months: tuple[str, ...]
    keys: tuple[str, ...]  # names of gateway keys, revoked ones too
    keys_in_force: int
    grants: int
    cases: int  # that still hold something
    open_cases: int
    account: bool
    credentials: int  # sessions, links and tokens of the account
    notes: int  # of what others said about their requests
    uses: int  # rows of which AI they used, on which day

    @property
    def nothing(self) -> bool:
        """Whether there is nothing left to delete but the name."""
        return not (self.months or self.keys or self.grants or self.cases or self.account or self.notes or self.uses)


def effect(state: State, pseudonym: str, name: str = "") -> Effect:
    """Count it. `name` finds rows that went by it, as grants and cases may."""
    both = (pseudonym, name or pseudonym)
    months = state.query("SELECT period FROM person_key WHERE pseudonym = ? ORDER BY period", (pseudonym,))
    keys = state.query("SELECT name, revoked_us FROM api_key WHERE person = ? ORDER BY created_us", (pseudonym,))
    cases = state.query(
        "SELECT state FROM case_ WHERE person IN (?, ?) AND (sealed_subject IS NOT NULL OR sealed_reason IS NOT NULL "
        "OR sealed_note IS NOT NULL OR token_hash IS NOT NULL OR state = 'open')",
        both,
    )

    def count(sql: str, *values: str) -> int:
        return int(state.query(sql, values)[0][0])

    return Effect(
        months=tuple(str(month) for (month,) in months),
        keys=tuple(str(key) for key, _ in keys),
        keys_in_force=sum(revoked is None for _, revoked in keys),
        grants=count("SELECT count(*) FROM grant_ WHERE person IN (?, ?)", *both),
        cases=len(cases),
        open_cases=sum(told == "open" for (told,) in cases),
        account=bool(count("SELECT count(*) FROM account WHERE person = ?", pseudonym)),
        credentials=count("SELECT count(*) FROM credential WHERE person = ? AND ended_us IS NULL", pseudonym),
        notes=count(
            "SELECT count(*) FROM feedback WHERE person = ? "
            "AND (sealed_note IS NOT NULL OR sealed_example IS NOT NULL)",
            pseudonym,
        ),
        uses=count("SELECT count(*) FROM usage_ WHERE person = ?", pseudonym),
    )

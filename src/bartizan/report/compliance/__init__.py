"""Evidence for compliance: frameworks as data, controls as live queries, and what proves the answers.

framework.Framework      a law or a standard: its controls, where their wording was checked, since when it applies
facts.Facts              what the queries ask: register, policy, cases, ledger, at one moment
queries.QUERIES          the queries, by id: pure functions of the facts
evidence.evidence(…)     every control answered: met, gap, or for people; with rows and ranges of the ledger
article30.py, breach.py  the record of processing, the draft of a notification
page.py, sheets.py       one page to print; tables for spreadsheets
bundle.py                all of it as files, with a manifest that is signed
"""

"""How little has to change before a model answers differently: attacks, tests of them, evidence for each row."""

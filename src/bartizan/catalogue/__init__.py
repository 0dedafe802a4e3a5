"""Which hosts, packages and programs are AI services, by sources and dates."""

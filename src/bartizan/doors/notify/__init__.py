"""Tells people of new cases and alarms: webhook, e-mail, syslog. A process of its own, which no request waits for."""

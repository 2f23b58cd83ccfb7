"""The event-driven engine: market panel, rules, fees, broker, ledger, runs and tearsheets."""

"""Durable work: what takes longer than a request, in steps that survive the death of the process.

A row is written before its workflow starts, and a workflow is named after its resource, so that starting it twice is harmless.
Each step may be repeated. DBOS remembers which steps are done and goes on with the next after a restart; `reconcile` starts
what a crash kept from being started and mends rows that disagree with the host.
"""

"""How often are the verdicts right, with intervals?

`throttleprobe lab score` runs scenarios many times and counts. In the order of the work: `plan` says what is run,
`pool` runs it in parallel through `worker` processes, `trial` is one run, `log` keeps every finished one, `tables`
makes figures of them, `rendering` and `figure` show these. What is true of a scenario is the scenario's word
(`probe.lab.scenarios`), whether a verdict fits it is `probe.lab.scenarios.holding`'s.
"""

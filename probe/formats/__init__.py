"""One file per format that a report can be written in; `probe.report` is the face, and imports only the one asked for.

Everything shown goes through `plain` first: titles, headers, certificates and names come from servers and censors.
"""

"""One file a check, discovered by its name: ``check(deployment)`` yields what it found, one line each.

A check changes nothing, waits no longer than a few seconds for anybody, and lets errors pass: the edge around it turns
them into findings. What it says never holds a secret, nor what the data say of a person.
"""

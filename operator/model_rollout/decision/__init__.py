"""What to do: one pure function from everything that is known to one `Decision`. Pure.

`decide.CHECKS` is the precedence, highest first. `facts.py` is what goes in, `outcome.py` what comes
out, `status.py` writes the one status from it.
"""

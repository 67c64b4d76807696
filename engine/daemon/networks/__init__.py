"""Networks: addresses, rules and names as values; bridges, veths, nft and the steward process that carry them out.

What decides stands in this folder; `kernel/` acts on links and rules, `steward/` is the process that outlives the
daemon (name look-ups, held ports).
"""

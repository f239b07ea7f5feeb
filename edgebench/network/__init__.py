"""Client, edge and origin far from each other, on one machine.

Each is a network namespace of its own. Between two of them is a pair of virtual cables with a relay in the middle (or
`tc netem` on their ends, where the kernel has it) that holds every packet back, loses some and limits the rate, each
direction for itself. All else is real: TCP from end to end, with its handshakes and its slow start.

    possible.py    what this machine allows, and how the harness gets a namespace of its own
    namespaces.py  a namespace, and work done inside it
    topology.py    nodes, links, and all names and addresses (pure)
    profiles.py    the networks that come with edgebench
    netem.py       tc's arguments (pure)
    relay.py       the process that holds packets back; ring.py is how it gets them, direction.py what it does to them
    verify.py      round-trip times and rates, measured
"""

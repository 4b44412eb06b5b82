"""What must be true of the service, in plain Python: computed from the documents' rules, never by the service's code.

`model.rules` has the numbers, `model.ledger` the users and the entries that move their credits, `model.bets`,
`model.stocks` and `model.purchases` what they are for, `model.prices` what an order book says, `model.sessions` which
tokens are good. `World` in `model.world` has all of it. Nothing here imports the apps.
"""

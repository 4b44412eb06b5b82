"""The planted bugs: over the path that credits take, and over what keeps others away from them."""

from tests.mutants.planted import access, betting, economy, upstream

MUTANTS = (*betting.MUTANTS, *economy.MUTANTS, *upstream.MUTANTS, *access.MUTANTS)

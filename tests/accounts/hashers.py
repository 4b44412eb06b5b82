"""Hashers that count their work, for tests to name in settings: how often, and how expensively, a password is hashed."""

from django.contrib.auth.hashers import MD5PasswordHasher

from accounts.passwords import Argon2Hasher

runs: list[str] = []
# Time, memory and parallelism of each Argon2 hash that was computed.
argon2_costs: list[tuple[int, int, int]] = []


class CountingHasher(MD5PasswordHasher):
    algorithm = "counting"

    def encode(self, password: str, salt: str) -> str:
        runs.append("encode")
        return f"{self.algorithm}${super().encode(password, salt).split('$', 1)[1]}"


class CountingArgon2Hasher(Argon2Hasher):
    """The production hasher; computing a new hash and checking one cost the same."""

    def encode(self, password: str, salt: str) -> str:
        argon2_costs.append((self.time_cost, self.memory_cost, self.parallelism))
        return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        parameters = self.decode(encoded)
        argon2_costs.append((parameters["time_cost"], parameters["memory_cost"], parameters["parallelism"]))
        return super().verify(password, encoded)

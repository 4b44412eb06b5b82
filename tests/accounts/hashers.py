"""A hasher that counts, for tests to name in settings: how often a slow hash would have been computed."""

from django.contrib.auth.hashers import MD5PasswordHasher

runs: list[str] = []


class CountingHasher(MD5PasswordHasher):
    algorithm = "counting"

    def encode(self, password: str, salt: str) -> str:
        runs.append("encode")
        return f"{self.algorithm}${super().encode(password, salt).split('$', 1)[1]}"

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from ops.personal_data import export_user
from staff.selectors import find_user_id


class Command(BaseCommand):
    help = "Write all data of a user as one JSON object, to standard output or to a file that only its owner reads."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="id, e-mail or username")
        parser.add_argument("--output", type=Path, metavar="FILE", help="made anew; an existing file is refused")

    def handle(self, *_args: Any, user: str, output: Path | None, **_options: Any) -> None:
        user_id = find_user_id(user)
        if user_id is None:
            raise CommandError(f"There is no user {user}.")
        try:
            with opened(output) as stream:
                for part in export_user(user_id=user_id, now=timezone.now()):
                    stream.write(part)
        except FileExistsError as exc:
            raise CommandError(f"{output} exists already.") from exc
        except OSError as exc:
            raise CommandError(f"{output or 'standard output'} can't be written: {exc.strerror}") from exc
        except User.DoesNotExist as exc:
            raise CommandError(f"There is no user {user} any more.") from exc
        if output:
            self.stderr.write(f"Wrote {output}.")


@contextmanager
def opened(output: Path | None) -> Iterator[BinaryIO]:
    """Open the file to write; remove it if the export isn't finished."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
    except BaseException:
        output.unlink()
        raise

"""Runs of a simulation, each in a process of its own, forked from one that has loaded the service and done nothing yet."""

import gc
import os
import pickle
import sys
import time
import traceback
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from tests.simulation.environment import Databases
from tests.simulation.simulation import Report, Settings, Simulation

EVENTS = 24


def run(settings: Settings, databases: Databases) -> Report:
    """Run a simulation on a new database; return what came of it. Raises RuntimeError where it couldn't run."""
    databases.renew()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            report = run_here(settings, databases)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(report, pipe)
            status = 0
        except BaseException:  # noqa: BLE001 - the process ends here
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        sent = pipe.read()
    os.waitpid(child, 0)
    if not sent:
        raise RuntimeError("The simulation ended without a report.")
    report: Report = pickle.loads(sent)  # noqa: S301 - our own child's
    return report


def run_here(settings: Settings, databases: Databases) -> Report:
    """Run a simulation in this process, which ends after it."""
    from django.conf import settings as django

    from tests.simulation.kills import Killer
    from tests.simulation.service import START
    from tests.simulation.truth import Truth

    killer = Killer()
    # Nothing of what is loaded by now is ever garbage; looking for some in all of it takes a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    started = time.perf_counter()
    with ExitStack() as stack:
        polymarket, stripe = upstreams(settings.seed, START)
        stack.enter_context(polymarket)
        stack.enter_context(stripe)
        django.POLYMARKET_GAMMA_URL, django.POLYMARKET_CLOB_URL = polymarket.gamma_url, polymarket.clob_url
        django.STRIPE_API_URL = stripe.url
        stack.callback(killer.stop)
        killer.tell(django.POLYMARKET_GAMMA_URL, django.STRIPE_API_URL)
        report = Simulation(settings, Truth(databases.superuser_url), polymarket, stripe, killer).run()
    report.seconds, report.cpu = time.perf_counter() - started, time.process_time()
    return report


def upstreams(seed: int, start: Any) -> tuple[Any, Any]:
    """Return the simulators of Polymarket and Stripe."""
    from devtools.simulators.polymarket import Simulator
    from tests.purchases.stripe_simulator import StripeSimulator

    return Simulator(seed=seed, events=EVENTS, start=start - timedelta(hours=1)), StripeSimulator()

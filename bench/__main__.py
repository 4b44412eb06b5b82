"""`python -m bench`: the public endpoints, and what the other benchmarks are called."""

from pathlib import Path

from bench.markets import main

if __name__ == "__main__":
    here = Path(__file__).parent
    others = sorted(path.stem for path in here.glob("*.py") if path.stem not in ("__init__", "__main__", "load"))
    print("Benchmarks: " + ", ".join(f"python -m bench.{name}" for name in others), flush=True)
    main()
